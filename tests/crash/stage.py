"""One order's world: the shop, its payer, the provider, and the clock of whoever goes on after the crash."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from django.apps import apps
from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import Max, Model
from django.test import Client as Browser

from pagoefectivo_django.channels.pagoefectivo import authorizations
from pagoefectivo_django.conf import conf
from pagoefectivo_django.errors import PagoEfectivoError
from pagoefectivo_django.flows import create_order, tick
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.worker.reconcile import reconcile, watch_again
from pagoefectivo_django.models import (
    Cip,
    Delivery,
    Discrepancy,
    Notification,
    Order,
    OrderEvent,
    Refund,
    Settlement,
    UnknownCode,
)
from pagoefectivo_django.models.clock import current_time
from pagoefectivo_django.payer import Payer
from tests.providers.control import Hinting, LinkingAfar
from tests.sandbox.running import Client
from tests.shop.models import Heard

from .points import points

AMOUNT = Decimal("120.50")
WEBHOOK = "/pay/webhooks/default/"
#: The sandbox's states of a code (protocol 4.1).
EXPIRED, OPEN, PAID, DELETED = 21, 22, 23, 25
#: What a worker does as soon as it is due.
WORK = (Notification, Delivery, Order, Cip, Refund, Settlement)
#: And what it does by the clock.
CLOCKS: tuple[tuple[type[Model], str], ...] = (
    (Order, "lapses_at"),
    (Order, "remind_at"),
    (Cip, "poll_at"),
    (Cip, "look_at"),
    (UnknownCode, "look_at"),
)
#: More rounds than any story needs.
MOST_ROUNDS = 150


@dataclass
class Stage:
    """What the stories are told with."""

    #: The payer presses for a code, whose date is not its order's; nobody can delete it.
    pressed: ClassVar[bool] = False

    reference: str
    sandbox: Client
    rounds: int = 0
    #: What was wanted was written down before the crash, or wanted again after it; and the payer wasn't quicker.
    wanted: bool = False
    #: The clock of the process that goes on.
    clock: datetime | None = None

    def __post_init__(self) -> None:
        self.now = current_time()

    # The shop.

    def sell(self, suffix: str = "", **changes: Any) -> Order:
        asked: dict[str, Any] = {
            "reference": self.reference + suffix,
            "amount": AMOUNT,
            "currency": "PEN",
            "payer": Payer(email="ana@example.com", name="Ana", phone="999888777"),
        }
        return create_order(**asked | changes)

    def order(self, suffix: str = "") -> Order:
        """The order of a reference as it is now, the last if there are several."""
        return Order.objects.filter(reference=self.reference + suffix).order_by("pk").select_related("cip").reverse()[0]

    def discrepancy(self) -> Discrepancy:
        return Discrepancy.objects.latest("pk")

    def tick(self, **later: float) -> None:
        tick(now=self.now + timedelta(**later))

    @contextmanager
    def misbehaving(self, method: str, path: str, fault: str, times: int = 1) -> Any:
        """Let the provider misbehave; a token that is known already is forgotten, so that one is asked for."""
        authorizations._tokens.clear()
        cache.clear()
        with points.misbehaving(method, path, fault, times):
            yield

    # The provider and the payer.

    def codes(self, suffix: str = "") -> list[dict[str, Any]]:
        """What the sandbox knows of the codes of this story, oldest first."""
        return [each for each in self.listing() if self.reference + suffix in each["transactionCode"]]

    def listing(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sandbox.send("GET", "/sandbox/cips").json()["cips"]
        return found

    def take(self, code: int | str, **how: Any) -> None:
        """Take the payer's money; nobody tells the shop."""
        self.sandbox.tell("pay", cip=int(code), **how)

    def pay(self, code: int | str, **how: Any) -> None:
        """Take the payer's money and tell the shop."""
        self.take(code, **how)
        self.notify(code)

    def notify(self, *codes: int | str) -> None:
        """Tell the shop the last notice about each code, as the provider's only attempt."""
        last = {each["cip"]: each["webhooks"][-1]["body"] for each in self.codes() if each["webhooks"]}
        for code in codes:
            self.post(last[int(code)].encode())

    def notify_all(self) -> None:
        """Tell the shop again whatever there was to tell."""
        for each in self.codes():
            for notice in each["webhooks"]:
                self.post(notice["body"].encode())

    def post(self, body: bytes) -> None:
        signature = hmac.new(self.sandbox.keys["SECRET_KEY"].encode(), body, hashlib.sha256).hexdigest()
        self.send(body, {"PE-Signature": signature})

    @staticmethod
    def send(body: bytes, headers: Mapping[str, str], query: str = "", alias: str = "") -> None:
        # The provider keeps the address that it was given, unless no code was ever issued under that alias.
        first = "default" if Cip.objects.filter(channel="default").exists() else next(iter(conf.channels))
        alias = alias or first
        address = f"/pay/webhooks/{alias}/{query and f'?{query}'}"
        answer = Browser().post(address, body, content_type="application/json", headers=headers)
        assert answer.status_code == 200, answer.content

    def payer_pays(self) -> None:
        """Let the payer pay every code that can be paid, known to the shop or only from the provider's mail."""
        for number, code in enumerate(each for each in self.codes() if each["status"] == OPEN):
            self.pay(code["cip"], payload=("new", "old")[number % 2])

    # Who goes on after the crash.

    def poll(self) -> None:
        """Ask the provider about every code at once."""
        clock = self.latest()
        watch_again(clock)
        reconcile(TimeBudget(clock))

    def latest(self) -> datetime:
        """When the process died, by its own clock, which may have been ahead of this machine's."""
        moments: dict[str, datetime | None] = Cip.objects.aggregate(Max("changed_at"))
        moments |= OrderEvent.objects.aggregate(Max("created_at"))
        return max([self.now, *filter(None, moments.values())])

    def go_on(self, until: datetime) -> None:
        """Do whatever is due whenever it is, until nothing will be before that time."""
        clock, idle = self.clock or self.latest(), False
        for _ in range(MOST_ROUNDS):
            moments = [moment for moment in _moments() if not idle or moment > clock]
            if not moments or min(moments) > until:
                break
            clock = max(clock, min(moments)) + timedelta(seconds=1)
            self.rounds += 1
            idle = not tick(now=clock)
        else:
            raise AssertionError(f"After {MOST_ROUNDS} rounds there is still work to do: {work_left()}.")
        self.clock = clock


@dataclass
class HintingStage(Stage):
    """The same world, with the provider of ``tests/providers/hinting_server.py``; codes are named by its ids."""

    #: The alias at whose address the provider's messages arrive; empty: the first.
    hinted_at: ClassVar[str] = ""

    hinting: Hinting = field(kw_only=True)

    def listing(self) -> list[dict[str, Any]]:
        return self.hinting.listing()

    def take(self, code: int | str, **how: Any) -> None:
        self.hinting.tell("move", id=code, to="approved", times=0)

    def process(self) -> None:
        """Let the provider examine a payment of the order's code."""
        self.hinting.tell("move", id=self.codes()[-1]["cip"], to="in_process", times=0)

    def notify(self, *codes: int | str) -> None:
        for each in self.codes():
            if each["cip"] in codes:
                self._send(each["messages"][-1:])

    def notify_all(self) -> None:
        for each in self.codes():
            self._send(each["messages"])

    def _send(self, messages: Iterable[Mapping[str, Any]]) -> None:
        for each in messages:
            self.send(each["body"].encode(), each["headers"], each["query"], self.hinted_at)


@dataclass
class TwoProvidersStage(HintingStage):
    """The same world, with the sandbox and the provider of hints side by side; an order finds its way."""

    hinted_at: ClassVar[str] = "hinting"

    def listing(self) -> list[dict[str, Any]]:
        return [*Stage.listing(self), *super().listing()]

    def take(self, code: int | str, **how: Any) -> None:
        self._at(code).take(self, code, **how)

    def notify(self, *codes: int | str) -> None:
        for code in codes:
            self._at(code).notify(self, code)

    def notify_all(self) -> None:
        self.notify(*(each["cip"] for each in self.codes() if each["webhooks"] or each.get("messages")))

    def _at(self, code: int | str) -> type[Stage]:
        """Return whose code it is: the sandbox's codes are digits."""
        return Stage if str(code).isdigit() else HintingStage


@dataclass
class LinkingStage(Stage):
    """The same world, with the provider of ``tests/providers/linking_server.py``; codes are named by its ids."""

    pressed: ClassVar[bool] = True

    linking: LinkingAfar = field(kw_only=True)

    def listing(self) -> list[dict[str, Any]]:
        return self.linking.listing()

    def press(self) -> None:
        """Let the payer press "pay now" on the order's voucher."""
        assert Browser().post(f"{self.order().voucher_url}pay/").status_code == 302

    def take(self, code: int | str, **how: Any) -> None:
        self.linking.pay(str(code))

    def notify(self, *codes: int | str) -> None:
        message = self.linking.message(*map(str, codes))
        self.send(message.body, message.headers)

    def notify_all(self) -> None:
        self.notify(*(each["cip"] for each in self.codes()))


def _moments() -> Iterable[datetime]:
    for model, clock in (*((model, "retry_at") for model in WORK), *CLOCKS):
        yield from _times(model, clock)


def _times(model: Any, field: str) -> Iterable[datetime]:
    found: Iterable[datetime] = model.objects.filter(**{f"{field}__isnull": False}).values_list(field, flat=True)
    return found


def work_left() -> list[str]:
    """What a worker would still do."""
    return [
        f"{model.__name__} {row.pk} at {row.retry_at:%d %H:%M:%S} ({row.last_error})"
        for model in WORK
        for row in model.objects.filter(retry_at__isnull=False)
    ]


def tried(*steps: Callable[[], object]) -> None:
    """Do what may be impossible by now, or unknown."""
    for step in steps:
        with suppress(PagoEfectivoError):
            step()


def sweep() -> None:
    """Empty every table that a story writes to; faster than Django's flush."""
    models: list[Any] = [Heard, *apps.get_app_config("pagoefectivo").get_models()]
    tables = [model._meta.db_table for model in models]
    with transaction.atomic(), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"DELETE FROM {table}")
