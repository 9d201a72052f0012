"""A backup in the middle of a storm, and everything killed later: after the restoration no payment is forgotten.

Takes as long as several processes need to start, sell and be killed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from django.db import connections
from django.utils import timezone

from pagoefectivo_django.models import Cip, Discrepancy, Order, Payment
from tests import valkey
from tests.conftest import FULL
from tests.sandbox import running as sandbox
from tests.sandbox.running import wait_for
from tests.storm.backup import backup, restore
from tests.storm.running import SETTINGS, Stage, stage

pytestmark = [
    pytest.mark.long,
    pytest.mark.once,
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("first_round"),
]

#: Codes at the provider when the backup is taken, and when everything is killed.
KEPT, KILLED = 15, 40
#: How often the command is called, as its user does who is told to: of trouble that waits for one code more is left.
ATTEMPTS = 4
#: What a shop process would sell if nobody killed it.
ORDERS = 60


def codes(provider: sandbox.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = provider.send("GET", "/sandbox/cips").json()["cips"]
    return found


def test_after_a_restored_backup_every_payment_is_applied_or_in_front_of_a_person(
    child_environment: dict[str, str], tmp_path: Path
) -> None:
    seed = str(random.randrange(10**6) if FULL else 1)
    with sandbox.running("--repeat-delay", "0.2") as provider, valkey.running() as cache:
        options = {**provider.options, "BASE_URL": provider.base, "TIMEOUT": 20}
        env = {
            **child_environment,
            "DJANGO_SETTINGS_MODULE": SETTINGS,
            "STORM_CHANNEL": json.dumps(options),
            "STORM_CACHE": f"{cache.connection_url}/1",
        }
        with selling(provider, env, tmp_path, seed):
            wait_for(lambda: len(codes(provider)) >= KEPT)
            moment, kept = timezone.now(), backup()
            orders = Order.objects.count()
            wait_for(lambda: len(codes(provider)) >= KILLED and any(code["payments"] for code in codes(provider)))
        assert Order.objects.count() > orders
        connections.close_all()
        restore(kept)
        before = Payment.objects.count()

        listed = tmp_path / "portal.txt"
        with stage(tmp_path) as house:
            listed.write_text("\n".join(str(code["cip"]) for code in codes(provider)))
            arguments = ["--after-restore", moment.isoformat(), "--codes", str(listed)]
            use_up_trouble(provider)
            for attempt in range(ATTEMPTS):
                name = f"reconcile-{attempt}"
                house.start(name, "-m", "django", "pagoefectivo_reconcile", *arguments, env=env)
                if house.processes[name].wait(120) == 0:
                    break
                assert "run it again" in house.log(name) or "try again" in house.log(name), house.log(name)
            said = house.said(name)
            check(provider)
            assert Payment.objects.count() > before, said
            assert "Receivers hear again" in said
            sell_more(house, provider, env, seed)
        names = [code["transactionCode"] for code in codes(provider)]
        assert len(names) == len(set(names)), "a transaction code was made twice"


@contextmanager
def selling(provider: sandbox.Client, env: Mapping[str, str], folder: Path, seed: str) -> Iterator[None]:
    """Let shops, payers and a worker loose, and kill them all at the end."""
    with stage(folder) as house:
        house.start("worker", "-m", "django", "pagoefectivo_worker", env=env)
        open_web(house, provider, env, "web")
        for number in range(2):
            arguments = [provider.site, str(number), str(ORDERS), seed]
            house.start(f"shop-{number}", "-m", "tests.storm", "shop", *arguments, env=env)
        yield
        ended = {
            name: house.log(name)[-3000:] for name, process in house.processes.items() if process.poll() is not None
        }
        assert ended == {}, "somebody ended before it was killed"


def use_up_trouble(provider: sandbox.Client) -> None:
    """Ask until the trouble is over that the shops had ordered for whoever asks next."""
    answered = 0
    while answered < 3:
        with suppress(requests.ConnectionError):
            answer = provider.call("POST", "/v1/cips/search", {"data": [{"cip": 1}]})
            answered = answered + 1 if answer.status_code == 200 else 0


def open_web(house: Stage, provider: sandbox.Client, env: Mapping[str, str], name: str) -> None:
    house.start(name, "-m", "tests.storm", "web", "0", env=env)
    url = wait_for(partial(house.said, name)).strip()
    provider.tell("webhook", url=f"{url}/pay/webhooks/default/")


def sell_more(house: Stage, provider: sandbox.Client, env: Mapping[str, str], seed: str) -> None:
    open_web(house, provider, env, "web-again")
    house.start("worker-again", "-m", "django", "pagoefectivo_worker", env=env)
    house.start("shop-again", "-m", "tests.storm", "shop", provider.site, "7", "6", seed, env=env)
    house.result("shop-again")


def check(provider: sandbox.Client) -> None:
    """Compare our books with the sandbox's: no code that was paid there is forgotten here."""
    cips = {cip.transaction_code: cip for cip in Cip.objects.select_related("order")}
    discrepancies = list(Discrepancy.objects.open())
    told = {evidence.get("code") for discrepancy in discrepancies for evidence in discrepancy.evidence}
    asked = {(discrepancy.order_id, discrepancy.cip_id) for discrepancy in discrepancies}
    paid = 0
    for code in codes(provider):
        status = [payment for payment in code["payments"] if not payment["reversed"]]
        if not status:
            continue
        paid += 1
        cip = cips.get(code["transactionCode"])
        if cip is None:
            assert str(code["cip"]) in told, f"nobody knows of {code}"
            continue
        about = (code, cip.status, cip.order.state)
        applied = cip.payments.filter(status="applied", amount=status[0]["amount"]).exists()
        person = any(order == cip.order_id or each == cip.pk for order, each in asked if order or each)
        assert (applied and cip.order.state == "paid") or person or str(code["cip"]) in told, about
    assert paid
    for payment in Payment.objects.filter(status="applied").select_related("cip__order"):
        assert payment.cip.order.state == "paid"
