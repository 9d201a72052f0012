"""A client that a public generator makes from the schema alone sells: it creates, sees the payment, and refunds."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import Order
from tests.factories.messages import SECRET, paid
from tests.serving import gunicorn

pytestmark = [pytest.mark.once, pytest.mark.django_db(transaction=True)]

#: No formatting of what nobody reads, and a name that no module here has.
CONFIG = "post_hooks: []\n"
NAME = "generated_client"


@pytest.fixture
def site(child_environment: dict[str, str], tmp_path: Path) -> Any:
    """The address of a real server."""
    with gunicorn(child_environment, tmp_path, "--threads=2", "django.core.wsgi:get_wsgi_application()") as found:
        yield found


@pytest.fixture
def generated(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that returns a module of the client made from the schema that the server gives."""
    (tmp_path / "config.yml").write_text(CONFIG)
    command = ["generate", f"--url={site}/pay/api/schema/", f"--output-path={tmp_path / NAME}", "--meta=none"]
    made = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", *command, "--config=config.yml", "--fail-on-warning"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    monkeypatch.syspath_prepend(tmp_path)
    return lambda name: importlib.import_module(f"{NAME}.{name}")


@pytest.fixture
def client(site: str, generated: Any) -> Any:
    """The generated client, with the token of somebody who may do everything."""
    token = Token.objects.create(user=User.objects.create_superuser("warehouse"))
    named = {"base_url": f"{site}/pay/api", "token": token.key, "prefix": "Token"}
    with generated("client").AuthenticatedClient(**named, raise_on_unexpected_status=True) as opened:
        yield opened


def test_a_generated_client_sells(site: str, generated: Any, client: Any) -> None:
    models = generated("models")

    def call(name: str, *arguments: Any, **named: Any) -> Any:
        return generated(f"api.{name}").sync(*arguments, client=client, **named)

    body = models.CreateBody.from_dict(
        {"reference": "SHOP-1001", "amount": "120.50", "currency": "PEN", "payer": {"email": "ana@example.com"}}
    )
    order = call("orders.create_order", body=body, idempotency_key="made-up-key-1")
    assert (order.state, order.amount, order.presents) == ("pending", "120.50", "code")
    assert call("orders.create_order", body=body, idempotency_key="made-up-key-1").id == order.id
    assert requests.get(order.voucher_url, timeout=20).status_code == 200

    message = paid(Order.objects.get())
    signed = {"PE-Signature": MemoryChannel.sign(message, SECRET)}
    assert requests.post(f"{site}/pay/webhooks/default/", message, headers=signed, timeout=20).status_code == 200
    assert call("orders.get_order", order.id).state == "paid"

    tick()
    events = call("events.list_events")
    assert [event.kind for event in events.results] == ["order_created", "cip_issued", "payment_confirmed"]
    assert {event.order for event in events.results} == {order.id}
    assert call("events.list_events", after=events.results[-1].cursor).results == []

    wanted = models.RefundBody.from_dict({"reason": "Returned.", "amount": "20.50"})
    refund = call("orders.request_refund", order.id, body=wanted)
    assert (refund.status, refund.amount, refund.order) == ("requested", "20.50", order.id)

    again = models.RefundBody.from_dict({"reason": "Returned.", "amount": "120.50"})
    problem = call("orders.request_refund", order.id, body=again)
    assert (problem.status, problem.code) == (409, "refund_too_large")
    assert call("events.list_events", after="from nowhere").errors.to_dict().keys() == {"after"}
