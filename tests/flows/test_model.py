"""Any story of payer, provider, shop, staff and clock, against a small model of what must hold.

Hypothesis tells the stories: orders on a few references in two currencies, at two accounts; codes that get lost, are
paid, paid twice, paid wrongly, taken back, deleted, forgotten; messages that are late, repeated or never sent; calls
that fail before or after their work; and a clock that only moves forward. ``STORM=full`` tells many more.
"""

import logging
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import override_settings
from django.utils import timezone
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pagoefectivo_django.channels.memory import MemoryChannel, Slip
from pagoefectivo_django.conf import conf
from pagoefectivo_django.errors import OutcomeUnknown, PagoEfectivoError, Refused, Unavailable
from pagoefectivo_django.flows import (
    adopt_code,
    approve_refund,
    cancel_order,
    close_refund,
    create_order,
    extend_order,
    mark_paid,
    refresh_order,
    refund_order,
    reissue_code,
    resolve_discrepancy,
    send_refund,
    tick,
)
from pagoefectivo_django.flows.inbox.apply import retry
from pagoefectivo_django.flows.provider.look_up import know_nothing
from pagoefectivo_django.flows.refunds.refund import give_account, refund_key
from pagoefectivo_django.models import (
    Cip,
    Delivery,
    Discrepancy,
    Notification,
    NotificationStatus,
    Order,
    OrderEvent,
    Payment,
    Refund,
)
from pagoefectivo_django.models import clock as database_clock
from pagoefectivo_django.signals import SIGNALS
from pagoefectivo_django.states import MONEY_KINDS, Fact, Resolution
from pagoefectivo_django.testing import notify
from tests.backup import empty_tables
from tests.clock import Clock
from tests.conftest import FULL
from tests.factories.orders import ANA
from tests.shop.models import Heard

ALIASES = {"memory:default": "default", "memory:dollars": "dollars"}
SECRETS = {"WEBHOOK_SECRETS": ["made-up-webhook-secret"]}
MEMORY = "pagoefectivo_django.channels.memory.MemoryChannel"
SHOP = {
    "CHANNELS": {
        "default": {"BACKEND": MEMORY, "OPTIONS": SECRETS},
        "dollars": {"BACKEND": MEMORY, "OPTIONS": SECRETS | {"NAME": "dollars", "CAN_REFUND": True}},
    },
    "ROUTES": {"PEN": ["default", "dollars"], "USD": ["dollars"]},
    # Short, so that a story comes to its end soon.
    "POLL_AFTER_EXPIRY": timedelta(days=1),
    "POLL_AFTER_PAYMENT": timedelta(days=2),
    "SEARCHES_PER_MINUTE": 60_000,
}


# The model: what happened outside of our books.


@dataclass
class Operation:
    """Money that the provider took."""

    account: str
    code: str
    number: str
    amount: Decimal
    currency: str
    at: datetime
    #: The order that the code was asked for, None for a code of nobody's.
    order: int | None
    #: Our clock was going to ask about the code when it was paid.
    watched: bool
    #: The numbers ("" for none) under which a message was answered with 200, and the same of the way back.
    told: set[str] = field(default_factory=set)
    told_back: set[str] = field(default_factory=set)
    taken_back: bool = False


@dataclass
class Model:
    """What the payers, the provider and staff did."""

    operations: list[Operation] = field(default_factory=list)
    #: What a person marked as paid, by order and operation number, and the payments that one accepted as they were.
    marked: set[tuple[int, str | None]] = field(default_factory=set)
    accepted: set[int] = field(default_factory=set)
    #: What staff really sent back, by payment.
    sent_by_staff: dict[int, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    #: Codes that the provider opened again when our clock no longer asked about them; we learn of it by a message only.
    opened_unseen: set[tuple[str, str]] = field(default_factory=set)
    #: Until when each order could be paid at the latest.
    latest: dict[int, datetime] = field(default_factory=dict)

    def on(self, cip: Cip) -> list[Operation]:
        return [each for each in self.operations if (each.account, each.code) == (cip.account, cip.code)]


class Books:
    """Everything that is written down, as it is now, and what must hold of it."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.orders = {order.pk: order for order in Order.objects.all()}
        self.cips = {cip.pk: cip for cip in Cip.objects.all()}
        self.payments = list(Payment.objects.all())
        self.refunds = list(Refund.objects.all())
        self.discrepancies = list(Discrepancy.objects.all())
        self.inbox = list(Notification.objects.all())
        self.events = list(OrderEvent.objects.order_by("order", "number"))
        self.deliveries = list(Delivery.objects.all())
        #: Accounts that know none of our codes: staff is told of them, not of each order.
        self.ignorant = know_nothing()

    def check(self) -> None:
        """What must hold at any moment."""
        for payment in self.payments:
            self.payment_is_real(payment)
        for operation in self.model.operations:
            for number in operation.told:
                self.operation_is_known(operation, number)
        for order in self.orders.values():
            self.order_is_in_order(order)
        status = [order for order in self.orders.values() if order.state in ("new", "pending", "paid")]
        for reference, count in Counter(order.reference for order in status).items():
            assert count == 1, f"{count} orders stand on {reference}"
        self.history_is_whole()
        self.refunds_never_exceed()

    def payment_is_real(self, payment: Payment) -> None:
        cip, money = self.cips[payment.cip_id], (payment.amount, payment.currency)
        taken, by_hand = self.model.on(cip), (cip.order_id, payment.operation_number) in self.model.marked
        assert by_hand or money in [(each.amount, each.currency) for each in taken], f"nobody paid {payment}"
        assert payment.status != "reversed" or any(each.told_back for each in taken), f"nobody took back {payment}"
        settled = payment.status in ("applied", "reversed")
        assert settled or self.asked(payment=payment.pk), f"{payment} is {payment.status} and nobody was asked"
        if payment.status == "applied" and any(payment.operation_number in each.told_back for each in taken):
            assert self.asked(kind="reversed", order=cip.order_id), f"{payment} was taken back and still counts"

    def operation_is_known(self, operation: Operation, number: str) -> None:
        where = (operation.account, operation.code)
        for payment in self.payments:
            cip = self.cips[payment.cip_id]
            if (cip.account, cip.code) == where and number in ("", payment.operation_number):
                same = (payment.amount, payment.currency) == (operation.amount, operation.currency)
                assert same or not number or self.asked(payment=payment.pk), f"{operation} is written down as {payment}"
                return
        for row in self.inbox:
            asked = row.status == NotificationStatus.WAITING or (
                row.status == NotificationStatus.DEAD and self.asked(notification=row.pk)
            )
            if (row.account, row.code) == where and asked:
                return
        raise AssertionError(f"{operation} was told as number {number!r} and is forgotten")

    def order_is_in_order(self, order: Order) -> None:
        mine = [payment for payment in self.payments if self.cips[payment.cip_id].order_id == order.pk]
        paying = [each for each in mine if each.status == "applied" and self.returned(each) < each.amount]
        assert len(paying) == (order.state == "paid"), f"{order} is {order.state} by {paying}"
        assert order.state != "refunded" or any(
            each.status == "reversed" or self.returned(each) == each.amount for each in mine
        ), f"{order} is refunded and nothing went back"
        for payment in paying:
            by_hand = (order.pk, payment.operation_number) in self.model.marked
            decided = by_hand or payment.pk in self.model.accepted
            right = (payment.amount, payment.currency) == (order.amount, order.currency)
            until = self.model.latest[order.pk] + conf.grace
            in_time = any(each.at <= until for each in self.model.on(self.cips[payment.cip_id]))
            assert decided or right, f"{order} over {order.money} is paid by {payment}"
            assert decided or in_time or conf.late_payments == "accept", f"{order} is paid by {payment}, which was late"
        live = [cip for cip in self.cips.values() if cip.order_id == order.pk and cip.live]
        assert len(live) <= 1, f"{order} has {len(live)} live codes"

    def history_is_whole(self) -> None:
        heard = Counter(delivery.event_id for delivery in self.deliveries)
        last: dict[int | None, OrderEvent] = {}
        for event in self.events:
            listeners = len(SIGNALS[event.kind].by_name) if event.kind in SIGNALS else 0
            assert heard[event.pk] == listeners, f"{event} has {heard[event.pk]} deliveries for {listeners} receivers"
            before = last.get(event.order_id)
            if event.order_id and before:
                assert event.number == before.number + 1, f"an event is missing before {event}"
                assert event.state_before == before.state_after, f"{before}, then {event}: who moved it?"
            last[event.order_id] = event
        for order in self.orders.values():
            assert last[order.pk].state_after == order.state, f"{order} became {order.state} and no event tells"
            self.reminders_are_right([event for event in self.events if event.order_id == order.pk])

    def reminders_are_right(self, events: list[OrderEvent]) -> None:
        issued_at = told_at = None
        for event in events:
            if event.kind == "cip_issued":
                issued_at = event.created_at
            if event.kind == "expiry_approaching":
                assert told_at is None, "reminded twice"
                told_at = event.created_at
                assert issued_at
                assert told_at - issued_at >= timedelta(hours=2), (
                    f"reminded {told_at - issued_at} after its code was issued"
                )
                assert event.order_id
                assert told_at < self.model.latest[event.order_id], "reminded after the date"

    def refunds_never_exceed(self) -> None:
        for payment in self.payments:
            mine = [refund for refund in self.refunds if refund.payment_id == payment.pk]
            assert payment.refunded == sum(refund.amount for refund in mine if refund.status != "failed")
            ours = {refund_key(refund) for refund in mine}
            by_channel = sum(money.amount for _, money, key in MemoryChannel.refunds if key in ours)
            sent = self.model.sent_by_staff[payment.pk] + by_channel
            assert sent <= payment.amount, f"{sent} of {payment} went back"
        keys = [key for _, _, key in MemoryChannel.refunds]
        assert len(keys) == len(set(keys)), "the provider was asked twice for one refund"

    def check_at_rest(self) -> None:
        """What must hold besides when nothing is due any more."""
        for order in self.orders.values():
            assert not order.pending_action, f"{order} still wishes to {order.pending_action}"
            if order.state in ("new", "pending"):
                assert self.is_stuck(order), f"{order} is {order.state} past its date and nobody was asked"
        for row in self.inbox:
            assert row.status != NotificationStatus.WAITING, f"{row} still waits"
        for cip in self.cips.values():
            if cip.status == "lost" and not cip.code:
                assert self.asked(kind="lost_code", cip=cip.pk), f"lost code {cip} is forgotten"
        self.every_payable_code_is_seen()
        for operation in self.model.operations:
            self.what_was_watched_was_found(operation)
        self.everything_was_heard_once()

    def every_payable_code_is_seen(self) -> None:
        for cip in self.cips.values():
            for code, slip in MemoryChannel.slips.get(cip.account, {}).items():
                mine = code == cip.code or slip.report.transaction_code == cip.transaction_code
                if slip.open and mine and (cip.account, code) not in self.model.opened_unseen:
                    order = self.orders[cip.order_id]
                    asked = self.asked(cip=cip.pk) or self.asked(kind="not_confirmed", order=order.pk)
                    assert asked, f"code {code} can be paid, its order is {order.state}, and nobody was asked"

    def what_was_watched_was_found(self, operation: Operation) -> None:
        slip = MemoryChannel.slips.get(operation.account, {}).get(operation.code)
        if operation.watched and slip and slip.report.fact == Fact.PAYMENT:
            assert any(
                (self.cips[payment.cip_id].account, self.cips[payment.cip_id].code)
                == (operation.account, operation.code)
                for payment in self.payments
            ), f"{operation} was never found"

    def everything_was_heard_once(self) -> None:
        waiting = [delivery for delivery in self.deliveries if delivery.delivered_at is None]
        assert not waiting, f"{waiting} were never delivered"
        heard = Heard.objects.filter(signal__startswith="model").order_by("pk").values_list("event", flat=True)
        told = {event.pk: event for event in self.events if event.kind in SIGNALS}
        assert Counter(heard) == Counter(told.keys()), "every event is heard once"
        numbers: dict[int, int] = {}
        for event in (told[pk] for pk in heard):
            if event.order_id:
                assert event.number > numbers.get(event.order_id, 0), f"{event} was heard out of order"
                numbers[event.order_id] = event.number
        shipped = Heard.objects.filter(signal="payment_confirmed").values_list("event", flat=True)
        assert Counter(shipped) == Counter(pk for pk, event in told.items() if event.kind == "payment_confirmed")

    @property
    def quiet(self) -> bool:
        """Nothing is due any more, now or later, but to look again at orders that a person has been asked about."""
        due: list[Any] = [delivery.pk for delivery in self.deliveries if not delivery.delivered_at]
        due += [row for row in (*self.inbox, *self.refunds, *self.orders.values()) if row.retry_at]
        due += [cip for cip in self.cips.values() if cip.retry_at or cip.poll_at]
        due += [order for order in self.orders.values() if order.lapses_at and not self.is_stuck(order)]
        return not due

    def is_stuck(self, order: Order) -> bool:
        """Return whether an order can't end before a person, or at last the provider, says something."""
        if any(cip.order_id == order.pk and cip.account in self.ignorant for cip in self.cips.values()):
            return True
        return self.asked(kind="not_confirmed", order=order.pk) or any(
            discrepancy.order_id == order.pk and discrepancy.status == "open" and discrepancy.kind in MONEY_KINDS
            for discrepancy in self.discrepancies
        )

    def asked(self, **about: Any) -> bool:
        """Return whether a person was ever asked about this."""
        return any(
            all(
                getattr(discrepancy, name if name == "kind" else f"{name}_id") == value for name, value in about.items()
            )
            for discrepancy in self.discrepancies
        )

    def returned(self, payment: Payment) -> Decimal:
        done = [each.amount for each in self.refunds if each.payment_id == payment.pk and each.status == "done"]
        return sum(done, Decimal(0))


# The world in which the stories happen.


class Complaints(logging.Handler):
    """What our code logged as an error: a mistake of ours that some flow survived. Receivers may fail."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != "pagoefectivo.delivery":
            self.heard.append(f"{record.getMessage()} {record.exc_info and record.exc_info[1]!r}")


ORDERS = Bundle("orders")
ANY = st.integers(0, 5)
STAFF: dict[str, Any] = {"actor": "marta", "reason": "Seen."}
#: What goes wrong with a call, and whether after it did its work.
FAULT: dict[str, tuple[Exception, bool]] = {
    "down": (Unavailable("down"), False),
    "not done, not known": (OutcomeUnknown("dropped"), False),
    "done, not known": (OutcomeUnknown("dropped"), True),
    "refused": (Refused("no", codes=("111",)), False),
}
FAULTS = st.sampled_from(["", "", "", *FAULT])
WRONG = st.sampled_from(["", "amount", "", "currency"])
#: What a message may say.
VIEWS = st.sampled_from(["number time", "number time order", "number", "time", "order", "", "another-order"])


def step(**what: Any) -> Callable[[Callable[..., Any]], Any]:
    """A rule that comes some minutes after the one before, with a round of the worker between them.

    All have the same name: Hypothesis would leave some names out of each story, and most of these need each other.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        def then(self: "Story", it: str, after: int, **drawn: Any) -> Any:
            if after:
                self.time_passes(after)
            return function(self, **drawn)

        after = st.sampled_from([0, 0, 0, 0, 20, 20, 110, 400, 1600])
        return rule(it=st.just(function.__name__), after=after, **what)(then)

    return decorate


class Story(RuleBasedStateMachine):
    """Payer, provider, shop, staff and worker do what they like."""

    orders = ORDERS

    def __init__(self) -> None:
        super().__init__()
        self.model, self.clock, self.complaints = Model(), Clock(), Complaints()
        self.stumbles = 0
        self.frozen: dict[int, str] = {}
        self.ending = ExitStack()
        MemoryChannel.clear()
        if connection.vendor == "sqlite":
            connection.cursor().execute("PRAGMA synchronous = OFF")
        empty_tables()
        self.ending.enter_context(pytest.MonkeyPatch.context()).setattr(timezone, "now", self.clock)
        self.ending.enter_context(pytest.MonkeyPatch.context()).setattr(database_clock, "QUERIES", {})
        for signal in SIGNALS.values():
            signal.connect(self.hears, dispatch_uid="model")
            self.ending.callback(signal.disconnect, dispatch_uid="model")
        logging.getLogger("pagoefectivo").addHandler(self.complaints)
        self.ending.callback(logging.getLogger("pagoefectivo").removeHandler, self.complaints)

    def hears(self, event: OrderEvent, **kwargs: Any) -> None:
        if self.stumbles:
            self.stumbles -= 1
            raise RuntimeError("The receiver stumbles.")
        Heard.objects.create(signal=f"model {event.kind}", event=event.pk)

    @initialize(target=ORDERS, late=st.sampled_from(["hold", "accept"]), keeps_time=st.booleans())
    def begins(self, late: str, keeps_time: bool) -> Any:
        self.ending.enter_context(override_settings(PAGOEFECTIVO=SHOP | {"LATE_PAYMENTS": late}))
        self.keeps_time = keeps_time
        amounts = {"A": (Decimal("35.50"), "PEN"), "B": (Decimal("60.00"), "USD"), "C": (Decimal("35.50"), "PEN")}
        self.next_call_fails("issue", "down")  # so that the first code is of the other account
        return multiple(
            *(
                create_order(reference=reference, amount=amount, currency=currency, payer=ANA)
                for reference, (amount, currency) in amounts.items()
            )
        )

    # The shop.

    @contextmanager
    def trying(self, inside: bool = False) -> Iterator[None]:
        """What the shop and staff do may be refused; ``inside`` a transaction of the shop's it waits for the commit."""
        with suppress(PagoEfectivoError), transaction.atomic() if inside else nullcontext():
            yield

    @step(
        target=ORDERS,
        reference=st.sampled_from(["A", "B", "C"]),
        amount=st.sampled_from([Decimal("35.50"), Decimal(60)]),
        currency=st.sampled_from(["PEN", "PEN", "USD"]),
        hours=st.sampled_from([1, 1, 6, 50]),
        replace=st.booleans(),
        fault=FAULTS,
        inside=st.booleans(),
    )
    def creates(self, hours: int, fault: str, inside: bool, **what: Any) -> Any:
        self.next_call_fails("issue", fault)
        with self.trying(inside):
            return create_order(payer=ANA, expires_at=timezone.now() + timedelta(hours=hours), **what)
        return multiple()  # type: ignore[unreachable]

    @step(order=ORDERS, fault=FAULTS, inside=st.booleans())
    def cancels(self, order: Order, fault: str, inside: bool) -> None:
        self.next_call_fails("delete", fault)
        with self.trying(inside):
            cancel_order(order)

    @step(order=ORDERS, hours=st.sampled_from([2, 20, 60]), fault=FAULTS, inside=st.booleans())
    def extends(self, order: Order, hours: int, fault: str, inside: bool) -> None:
        self.next_call_fails("extend", fault)
        with self.trying(inside):
            extend_order(order, timezone.now() + timedelta(hours=hours))

    @step(order=ORDERS, hours=st.sampled_from([None, None, 2, 60]), fault=FAULTS, inside=st.booleans())
    def reissues(self, order: Order, hours: int | None, fault: str, inside: bool) -> None:
        self.next_call_fails("issue", fault)
        with self.trying(inside):
            reissue_code(order, expires_at=timezone.now() + timedelta(hours=hours) if hours else None)

    # The payer.

    @step(order=ORDERS, which=ANY, wrong=WRONG)
    def pays_and_nobody_tells(self, order: Order, which: int, wrong: str) -> None:
        self.pay(order, which, wrong)

    @step(order=ORDERS, which=ANY, wrong=WRONG, says=VIEWS)
    def pays(self, order: Order, which: int, wrong: str, says: str) -> None:
        self.pay(order, which, wrong, says)

    def pay(self, order: Order, which: int, wrong: str, says: str | None = None) -> None:
        """A code is paid, whatever we think of it. One that can't be paid now was a moment before, and that is told."""
        if not (slip := self.slip_of(order, which)):
            return
        account, code = slip.report.account, slip.report.code
        amount = Decimal("1.00") if wrong == "amount" else order.amount
        currency = {"PEN": "USD", "USD": "PEN"}[order.currency] if wrong == "currency" else order.currency
        now, open_there = timezone.now().replace(microsecond=0), slip.open
        watched = self.is_watched(account, code)
        operation = Operation(account, code, self.number(), amount, currency, now, order.pk, watched)
        self.model.operations.append(operation)
        if slip.report.fact != Fact.PAYMENT:
            slip.report = replace(slip.report, fact=Fact.PAYMENT, paid_at=now, amount=amount, currency=currency)
        if says is not None or not open_there:
            self.tell(operation, says or "")

    @precondition(lambda self: all(operation.order for operation in self.model.operations))
    @step(says=VIEWS)
    def pays_a_strangers_code(self, says: str) -> None:
        operation = Operation(
            "memory:default", "555001", self.number(), Decimal("35.50"), "PEN", timezone.now(), None, False
        )
        self.model.operations.append(operation)
        self.tell(operation, says)

    def number(self) -> str:
        return str(len(self.model.operations) + 1)

    # The provider.

    def slip_of(self, order: Order, which: int) -> Slip | None:
        """Return one of the codes that were ever given for an order, also one that we never heard of."""
        names = set(Cip.objects.filter(order=order).values_list("account", "transaction_code"))
        slips = [slip for book in MemoryChannel.slips.values() for slip in book.values()]
        mine = [slip for slip in slips if (slip.report.account, slip.report.transaction_code) in names]
        mine.sort(key=lambda slip: not slip.open)
        return mine[which % len(mine)] if mine else None

    def tell(self, operation: Operation, says: str, fact: Fact = Fact.PAYMENT) -> None:
        """The provider tells the webhook of money, with more or less of what it knows."""
        number = operation.number if "number" in says else ""
        slip = MemoryChannel.slips.get(operation.account, {}).get(operation.code)
        name = slip.report.transaction_code if slip and says.endswith(" order") else None
        if says == "another-order" and fact == Fact.PAYMENT:
            others = Cip.objects.filter(account=operation.account).exclude(code=operation.code).order_by("pk")
            name = others.values_list("transaction_code", flat=True).first()
        message: dict[str, Any] = {"operation_number": number or None, "transaction_code": name}
        if fact == Fact.PAYMENT:
            message |= {"amount": operation.amount, "currency": operation.currency}
            message |= {"paid_at": operation.at if "time" in says else None}
        self.send(operation.account, operation.code, fact, **message)
        (operation.told if fact == Fact.PAYMENT else operation.told_back).add(number)

    def send(self, account: str, code: str, fact: Fact, **message: Any) -> None:
        assert notify(Order(), fact, channel=ALIASES[account], code=code, **message) == 200

    @precondition(lambda self: self.model.operations)
    @step(which=ANY, says=VIEWS)
    def tells(self, which: int, says: str) -> None:
        """Late, again, or again in other words."""
        self.tell(self.model.operations[-1 - which % len(self.model.operations)], says)

    def is_watched(self, account: str, code: str) -> bool:
        return Cip.objects.filter(account=account, code=code, poll_at__isnull=False).exists()

    @precondition(lambda self: self.model.operations)
    @step(
        which=ANY,
        says=st.none() | VIEWS,
        becomes=st.sampled_from([Fact.ISSUED, Fact.CODE_EXPIRED, Fact.CODE_DELETED]),
    )
    def takes_back(self, which: int, says: str | None, becomes: Fact) -> None:
        operation = self.model.operations[-1 - which % len(self.model.operations)]
        operation.taken_back = True
        slip = MemoryChannel.slips.get(operation.account, {}).get(operation.code)
        alike = [
            each for each in self.model.operations if (each.account, each.code) == (operation.account, operation.code)
        ]
        if slip and slip.report.fact == Fact.PAYMENT and all(each.taken_back for each in alike):
            slip.report = replace(slip.report, fact=becomes, paid_at=None)
            if not self.is_watched(operation.account, operation.code):
                self.model.opened_unseen.add((operation.account, operation.code))
        if says is not None:
            self.tell(operation, says, Fact.PAYMENT_REVERSED)

    @step(
        order=ORDERS,
        which=ANY,
        becomes=st.sampled_from([Fact.CODE_EXPIRED, Fact.CODE_DELETED, Fact.UNKNOWN, None]),
        how=st.sampled_from(["silently", "and says so", "only says so"]),
    )
    def changes_a_code(self, order: Order, which: int, becomes: Fact | None, how: str) -> None:
        """By itself: a code expires, is deleted in the portal, gets a state that nobody knows, or is forgotten."""
        if not (slip := self.slip_of(order, which)):
            return
        account, code = slip.report.account, slip.report.code
        if becomes is None:
            del MemoryChannel.slips[account][code]
        elif slip.open and how != "only says so":
            slip.report = replace(slip.report, fact=becomes)
        if how != "silently" and becomes:
            # Of an expiry that is not true, a hint; what is said to be deleted was.
            self.send(account, code, becomes if slip.report.fact == becomes else Fact.CODE_EXPIRED)

    @step(call=st.sampled_from(["issue", "look_up", "delete", "extend", "refund"]), fault=FAULTS)
    def fails_twice(self, call: str, fault: str) -> None:
        for _ in range(2):
            self.next_call_fails(call, fault)

    def next_call_fails(self, call: str, fault: str) -> None:
        """It is not sent, refused, or its answer gets lost before or after the work."""
        if fault:
            MemoryChannel.failures.setdefault(call, []).append(FAULT[fault])

    # Staff.

    @step(order=ORDERS)
    def looks_again(self, order: Order) -> None:
        with self.trying():
            refresh_order(order)
        for row in Notification.objects.exclude(status=NotificationStatus.APPLIED).order_by("pk")[:2]:
            retry(row, timezone.now())

    @precondition(lambda self: Cip.objects.filter(status="lost", code=None).exists())
    @step(order=ORDERS, which=ANY)
    def adopts(self, order: Order, which: int) -> None:
        slip = self.slip_of(order, which)
        with self.trying():
            adopt_code(order, slip.report.code if slip else "123", actor="marta")

    @precondition(lambda self: len(self.model.marked) < 2)
    @step(order=ORDERS, by_its_number=st.booleans())
    def marks_as_paid(self, order: Order, by_its_number: bool) -> None:
        mine = [each.number for each in self.model.operations if each.order == order.pk]
        with self.trying():
            number = mine[-1] if mine and by_its_number else f"H{order.pk}"
            mark_paid(order, number, **STAFF)
            self.model.marked.add((order.pk, number))

    @precondition(lambda self: Discrepancy.objects.open().exists())
    @step(which=ANY, resolution=st.sampled_from(Resolution.values))
    def answers(self, which: int, resolution: str) -> None:
        discrepancies = list(Discrepancy.objects.open().order_by("pk"))
        discrepancy = discrepancies[which % len(discrepancies)]
        with self.trying():
            resolve_discrepancy(discrepancy, resolution, **STAFF)
            if resolution == Resolution.ACCEPT and discrepancy.payment_id:
                self.model.accepted.add(discrepancy.payment_id)

    @precondition(lambda self: Payment.objects.exists())
    @step(which=ANY, part=st.sampled_from([None, Decimal("0.50"), Decimal("35.00")]), approved=st.booleans())
    def asks_for_a_refund(self, which: int, part: Decimal | None, approved: bool) -> None:
        payments = list(Payment.objects.select_related("cip__order").order_by("pk"))
        payment = payments[which % len(payments)]
        with self.trying():
            refund = refund_order(payment.cip.order, part, payment=payment, **STAFF)
            if approved:
                approve_refund(refund, actor="marta")

    @precondition(lambda self: Refund.objects.exclude(status__in=["done", "failed"]).exists())
    @step(which=ANY, becomes=st.sampled_from(["approved", "sent", "sent", "done", "failed"]))
    def goes_on_with_a_refund(self, which: int, becomes: str) -> None:
        refunds = list(Refund.objects.select_related("order", "payment__cip").order_by("-pk"))
        refund = refunds[which % len(refunds)]
        sent = refund.status == "sent"
        with self.trying():
            if becomes == "approved":
                approve_refund(refund, actor="marta")
            elif becomes == "sent":
                if not refund.cci:
                    give_account(refund, bank="BCP", cci="0" * 20, holder="Ana")
                send_refund(refund, actor="marta")
                self.model.sent_by_staff[refund.payment_id] += refund.amount
            elif refund.by_channel:  # staff looks in the portal
                done = refund_key(refund) in [key for _, _, key in MemoryChannel.refunds]
                close_refund(refund, done=done, **STAFF)
            else:
                close_refund(refund, done=becomes == "done", **STAFF)
                if sent and becomes == "failed":  # the bank sent it back
                    self.model.sent_by_staff[refund.payment_id] -= refund.amount

    # The clock.

    @step(minutes=st.sampled_from([2, 70, 780]), ticks=st.integers(0, 2), receiver_fails=st.integers(0, 3))
    def lets_time_pass(self, minutes: int, ticks: int, receiver_fails: int) -> None:
        self.stumbles = receiver_fails
        self.time_passes(minutes, ticks)

    def time_passes(self, minutes: int, ticks: int = 1) -> None:
        self.clock.forward(minutes=minutes)
        for book in MemoryChannel.slips.values() if self.keeps_time else ():
            for slip in book.values():
                if slip.open and slip.report.expires_at and slip.report.expires_at < self.clock.time:
                    slip.report = replace(slip.report, fact=Fact.CODE_EXPIRED)
        for _ in range(ticks):
            tick(timezone.now())

    # What must hold.

    @invariant()
    def the_books_stand(self) -> None:
        self.check()

    def check(self) -> Books:
        for order in Order.objects.all():
            self.model.latest[order.pk] = max(order.expires_at, self.model.latest.get(order.pk, order.expires_at))
        books = Books(self.model)
        assert not self.complaints.heard, self.complaints.heard
        books.check()
        for pk, state in self.frozen.items():
            now = books.orders[pk].state
            assert now == state or now not in ("expired", "cancelled"), (
                f"{books.orders[pk]} is in discrepancy, and {now}"
            )
        discrepancies = Discrepancy.objects.open().about_money().filter(order__isnull=False)
        self.frozen = {key: books.orders[key].state for key in discrepancies.values_list("order_id", flat=True) if key}
        return books

    def comes_to_rest(self) -> None:
        for _ in range(60):
            self.time_passes(240)
            if (books := self.check()).quiet:
                break
        assert books.quiet, "it never comes to rest"
        books.check_at_rest()

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:  # otherwise the story is what went wrong
                MemoryChannel.failures.clear()
                self.stumbles = 0
                self.comes_to_rest()
                for discrepancy in Discrepancy.objects.open():
                    resolve_discrepancy(discrepancy, "ignore", **STAFF)
                self.frozen.clear()
                self.comes_to_rest()
        finally:
            self.ending.close()


@pytest.mark.long
@pytest.mark.once
@pytest.mark.django_db(transaction=True)
def test_whatever_happens_the_books_hold() -> None:
    run_state_machine_as_test(Story, settings=settings(max_examples=200 if FULL else 6, stateful_step_count=40))
