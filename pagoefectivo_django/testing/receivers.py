"""A conformance test for the receivers of a shop: repetitions, deaths in the middle, and events out of order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connections, transaction

from ..channels.memory import MemoryChannel
from ..conf import conf
from ..errors import Refused
from ..flows import approve_refund, cancel_order, reissue_code
from ..flows.messages.remind import remind
from ..flows.outbox.budget import TimeBudget
from ..flows.outbox.publish import deliver as deliver_one
from ..flows.outbox.publish import deliver_again
from ..models import Delivery, Order
from ..models.clock import current_time
from ..models.database import database
from ..signals import SIGNALS, OutboxSignal, Receiver
from ..states import Fact
from .clock import at
from .effects import Change, Effects, Killed, Points, differences, effects, outbox
from .factories import make_order, make_refund
from .orders import expire, notify, pay, run_commit_callbacks, settle

#: How the names of our own receivers begin.
OURS = ("pagoefectivo.", "pagoefectivo_django.")
#: What to change, by what was found.
AGAIN = "Look whether the work of this event is done (event.id, or a column of your row) before doing it."
OUTSIDE = (
    "What a transaction can't take back (mail, HTTP) belongs into a receiver of its own, connected with atomic=False, "
    "which remembers event.id after the work."
)
LOST = "Do the work first and remember event.id afterwards; what on_commit does is lost with the process."
OLD = "Look at order.state, which is read afresh, or whether the work is done: event tells what was, not what is."


@dataclass(frozen=True)
class _Story:
    """How an order comes to an event, and to a newer event after it."""

    tell: Callable[[Order], object] = lambda order: None
    go_on: Callable[[Order], object] = pay
    #: Called before the order is made.
    first: Callable[[], object] = lambda: None


def _taken_back(order: Order) -> None:
    notify(order, Fact.PAYMENT_REVERSED, amount=order.amount, currency=order.currency)


def _reminded(order: Order) -> None:
    with at(order.expires_at - conf.remind_before / 2):
        remind(TimeBudget())
        run_commit_callbacks()


def _account_asked(order: Order) -> None:
    approve_refund(make_refund(pay(order)), actor="eva")


def _cancelled(order: Order) -> None:
    cancel_order(order, actor="rosa", reason="A test of receivers.")


_STORIES = {
    "order_created": _Story(),
    "cip_issued": _Story(),
    "payment_confirmed": _Story(pay, _taken_back),
    "payment_expired": _Story(expire),
    "payment_cancelled": _Story(_cancelled),
    "payment_rejected": _Story(
        go_on=lambda order: reissue_code(order, actor="rosa"),
        first=lambda: MemoryChannel.fail("issue", Refused("made up", codes=("111",))),
    ),
    "payment_refunded": _Story(lambda order: _taken_back(pay(order)), lambda order: pay(order, operation_number="2")),
    "payment_settled": _Story(lambda order: settle(pay(order)), _taken_back),
    "refund_account_asked": _Story(_account_asked, _taken_back),
    "expiry_approaching": _Story(_reminded),
    "discrepancy_opened": _Story(lambda order: pay(order, amount=order.amount + 1)),
}


def check_receivers(
    make: Callable[[], Order] = make_order, *, only: Collection[str] = (), outside: Callable[[], int] = lambda: 0
) -> None:
    """Call each receiver of the shop as a bad day would, and raise ``AssertionError`` with what each did wrong.

    For each signal that a receiver is connected to, an order is brought to the event. Then the receiver is called twice
    with the event; killed before and after each of its writes and mails, and called again; and called with the event
    once more after a newer event was heard. What it changed in the database of the orders is compared (columns with
    ``auto_now`` aside), and how many mails it sent. Everything is rolled back.

    ``make``: a function that returns a new order together with your rows about the order. ``only``: names of receivers;
    by default all but ours. ``outside``: a function that returns how many effects a fake of another system has seen so
    far, such as ``lambda: len(warehouse.parcels)``.
    """
    if unknown := set(only).difference(*(signal.by_name for signal in SIGNALS.values())):
        raise AssertionError(f"No receiver has the name {', '.join(sorted(unknown))}; only= takes names of receivers.")
    found, checked = list[str](), 0
    for signal in SIGNALS.values():
        for receiver in list(signal.by_name.values()):
            if receiver.name in only if only else not receiver.name.startswith(OURS):
                found += _Trial(signal, receiver, outside).faults(make)
                checked += 1
    if not checked:
        raise AssertionError("No receiver is connected here; connect receivers in AppConfig.ready().")
    if found:
        raise AssertionError("\n".join(["Receivers that a bad day would break:", *found]))


@dataclass
class _Trial:
    """One receiver at one signal."""

    signal: OutboxSignal
    receiver: Receiver
    outside: Callable[[], int]
    points: Points = field(default_factory=Points)

    def faults(self, make: Callable[[], Order]) -> list[str]:
        """Return a line for each kind of fault."""
        story = _STORIES[self.signal.name]
        # Left to the worker, so that this test, and no process that wrote the event, makes the first call.
        held = replace(self.receiver, in_request=False, function=self._watched)
        with _undone():
            self.signal.by_name[self.receiver.name] = held
            try:
                story.first()
                order = make()
                run_commit_callbacks()
                story.tell(order)
                run_commit_callbacks()
                return list(self._compare(order, story))
            finally:
                self.signal.by_name[self.receiver.name] = self.receiver

    def _watched(self, **named: Any) -> None:
        with self.points.watched():
            self.receiver.call(**named)
        self.points.passed("after it returned")

    def _compare(self, order: Order, story: _Story) -> Iterator[str]:
        delivery = Delivery.objects.using(database()).filter(
            receiver=self.receiver.name, event__order=order, event__kind=self.signal.name
        )
        if (row := delivery.order_by("-event__number").first()) is None:
            raise AssertionError(f"The order never came to {self.signal.name}; does make() use MemoryChannel?")
        self._deliver_others(order, row)
        before = effects(self.outside)
        with _undone():
            self.points.begin()
            self._deliver(row)
            once, places = effects(self.outside), list(self.points.seen)
            yield from self._again(row, once, "called twice with one event", AGAIN)
        with _undone():
            self._deliver(row)
            story.go_on(order)
            run_commit_callbacks()
            self._deliver_others(order, row)
            yield from self._again(row, effects(self.outside), "called with an old event after a newer event", OLD)
        yield from self._killed(row, places, once.since(before))

    def _again(self, row: Delivery, expected: Effects, what: str, advice: str) -> Iterator[str]:
        """Call the receiver once more; yield a fault if anything changes."""
        deliver_again(row)
        if fault := self._failure(row) or ", ".join(differences(expected, effects(self.outside))):
            yield self._told(what, fault, advice)

    def _killed(self, row: Delivery, places: Sequence[str], wanted: Change) -> Iterator[str]:
        """Kill the process at each point, call the receiver again; yield the first fault."""
        for place, where in enumerate(places):
            with _undone():
                begin = effects(self.outside)
                self.points.begin(last=place)
                try:
                    self._deliver(row)
                except Killed:
                    self._die()
                self.points.begin()
                fault = self._failure(row)
                got = effects(self.outside).since(begin)
            rows, fewer, more = got.rows != wanted.rows, got.sent < wanted.sent, got.sent > wanted.sent
            # Between the work and the memory of it nobody can tell whether the work was done: twice is then right.
            if fault or rows or fewer or (more and where.startswith("after it returned")):
                advice = LOST if fewer else OUTSIDE if more and self.receiver.atomic else AGAIN
                yield self._told(f"killed {where}, and called again", fault or wanted.told(got), advice)
                return

    def _deliver(self, row: Delivery) -> None:
        """Make a delivery by the real outbox, as a worker would; a delivery that was made stays made."""
        mine = Delivery.objects.using(database()).filter(pk=row.pk)
        mine.filter(delivered_at__isnull=True).update(retry_at=current_time())
        fresh = mine.select_related("event").get()
        if fresh.delivered_at is None and fresh.claim(current_time()):
            deliver_one(fresh, current_time(), reraise=True)
            if connections[database()].run_on_commit:
                self.points.passed("after its commit and before what on_commit calls")
            run_commit_callbacks()

    def _failure(self, row: Delivery) -> str:
        """Make a delivery again; return the receiver's error, or ""."""
        try:
            self._deliver(row)
        except Exception as error:  # the shop's own code
            return f"it raised {type(error).__name__}: {error}"
        return ""

    def _deliver_others(self, order: Order, but: Delivery) -> None:
        """Make the order's further deliveries, to every receiver."""
        waiting = Delivery.objects.using(database()).filter(event__order=order, delivered_at__isnull=True)
        for row in waiting.exclude(pk=but.pk).select_related("event").order_by("event__number", "pk"):
            if row.receiver in SIGNALS[row.event.kind].by_name and row.claim(current_time()):
                deliver_one(row, current_time(), reraise=True)
                run_commit_callbacks()

    def _die(self) -> None:
        """Forget the callbacks of commits that the killed process would have called."""
        if self.receiver.atomic:
            connections[database()].run_on_commit = []
        else:
            run_commit_callbacks()  # without our transaction each ran at its own commit, before the process was killed

    def _told(self, what: str, fault: str, advice: str) -> str:
        return f"* {self.receiver.name} ({self.signal.name}), {what}: {fault}. {advice}"


class _Undo(Exception):
    """Ends a block whose writes are rolled back."""


@contextmanager
def _undone() -> Iterator[None]:
    """Roll back a block's writes and mails; within, flows work as in Django's ``TestCase``, and not as in a shop's
    transaction.
    """
    block, mails = transaction.atomic(using=database()), list(outbox())
    block._from_testcase = True  # type: ignore[attr-defined]  # as TestCase marks its own
    try:
        with block:
            yield
            raise _Undo
    except _Undo:
        pass
    finally:
        outbox()[:] = mails
