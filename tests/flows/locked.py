"""What a worker comes upon in each part of a round: an order with work to do, and whether it is done."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from django.utils import timezone

from pagoefectivo_django.actors import SHOP
from pagoefectivo_django.channels.base import Report
from pagoefectivo_django.channels.exchange import Exchange, listener
from pagoefectivo_django.channels.memory import MemoryChannel, Slip
from pagoefectivo_django.conf import conf
from pagoefectivo_django.errors import Misconfigured, OutcomeUnknown, Unavailable
from pagoefectivo_django.flows import cancel_order, reissue_code
from pagoefectivo_django.flows.inbox.hints import hint
from pagoefectivo_django.flows.ledger.attach import declare_restored
from pagoefectivo_django.flows.orders.pending_action import record
from pagoefectivo_django.flows.settlements.imports import confirm_settlement, read_settlement
from pagoefectivo_django.models import Cip, Delivery, Discrepancy, Order, Refund
from pagoefectivo_django.states import Fact, Kind, PendingAction
from pagoefectivo_django.testing import notify, pay
from tests.clock import later
from tests.factories.orders import make
from tests.factories.provider import channel
from tests.factories.refunds import refund_at
from tests.factories.settlements import settlement_line
from tests.factories.statements import line, load, text
from tests.reading import fresh

Orders = Sequence[Order]


class Told(MemoryChannel):
    """A provider in a list whose calls are written down, as those of one behind a line are."""

    def _begin(self, call: str, about: str) -> Exception | None:
        if told := listener():
            told(Exchange("POST", f"/{call}", 200, "", timezone.now(), 1, "", ""))
        return super()._begin(call, about)


@dataclass(frozen=True)
class Work:
    """Work for one part of a round, as ``TickResult`` names it."""

    part: str
    #: Leave work to do with each of these orders.
    prepare: Callable[[Orders], None]
    #: Whether it is done with one of them.
    done: Callable[[Order], bool]
    make: Callable[[], Order] = lambda: make(expires_at=later(hours=40))


def is_in(state: str) -> Callable[[Order], bool]:
    return lambda order: fresh(order).state == state


def asked(kind: Kind) -> Callable[[Order], bool]:
    return lambda order: Discrepancy.objects.filter(order=order, kind=kind).open().exists()


def each(prepare: Callable[[Order], object]) -> Callable[[Orders], None]:
    def of_all(orders: Orders) -> None:
        for order in orders:
            prepare(order)

    return of_all


# Deliveries and reminders.


def unheard(order: Order) -> None:
    pay(order)
    Delivery.objects.filter(event__order=order).update(delivered_at=None, attempts=0, retry_at=timezone.now())


def heard(order: Order) -> bool:
    return not Delivery.objects.filter(event__order=order, delivered_at=None).exists()


def near(order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(remind_at=timezone.now() - timedelta(minutes=1))


def reminded(order: Order) -> bool:
    return order.events.filter(kind="expiry_approaching").exists()


# Wishes.


def without_code() -> Order:
    MemoryChannel.fail("issue", Unavailable("Down."))
    order = make()
    Order.objects.filter(pk=order.pk).update(retry_at=timezone.now())
    return order


def put_off(pending_action: PendingAction) -> Callable[[Order], None]:
    date = None if pending_action == PendingAction.CANCEL else later(hours=72)
    return lambda order: record(order, pending_action, actor=SHOP, date=date, now=timezone.now())


def extended(order: Order) -> bool:
    return fresh(order).expires_at > later(hours=70)


def reissued(order: Order) -> bool:
    return order.cips.count() == 2 and fresh(order).state == "pending"


# Deletions.


def superseded(order: Order) -> None:
    reissue_code(order)
    Cip.objects.filter(order=order, status="superseded").update(retry_at=timezone.now())


def watched_no_longer(order: Order) -> None:
    superseded(order)
    old = Cip.objects.get(order=order, status="superseded")
    Cip.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(days=30))
    del channel().book[old.code or ""]


def by_wrong_keys(order: Order) -> None:
    MemoryChannel.failures.clear()
    superseded(order)
    MemoryChannel.failures["delete"] = [(Misconfigured("The keys are refused."), False)] * 99


def deleted(order: Order) -> bool:
    return not order.cips.filter(retry_at__isnull=False).exists()


# Refunds.


def to_give_back(order: Order) -> None:
    pay(order)
    refund_at("approved", order)


def given_back_or_not(order: Order) -> None:
    to_give_back(order)
    Refund.objects.filter(order=order).update(status="sent", retry_at=timezone.now())


def given_back(order: Order) -> bool:
    return Refund.objects.get(order=order).status == "done"


# Expiry.


def past(fact: Fact, days: int = 0) -> Callable[[Order], None]:
    def over(order: Order) -> None:
        passed = timezone.now() - timedelta(days=days, hours=1)
        Order.objects.filter(pk=order.pk).update(expires_at=passed, lapses_at=passed)
        if fact == Fact.ABSENT:
            del channel().book[order.code]
        else:
            channel().set(order.code, fact, expires_at=passed)

    return over


def unknown_for_days(orders: Orders) -> None:
    """The provider knows none of these codes, but another one: else nothing would follow from that."""
    make(expires_at=later(hours=40))
    each(past(Fact.ABSENT, days=2))(orders)


# Polls.


def paid_unheard(order: Order) -> None:
    channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now())
    Cip.objects.filter(order=order).update(poll_at=timezone.now() - timedelta(minutes=1))


def hinted(order: Order) -> None:
    notify(order, Fact.CODE_EXPIRED)
    paid_unheard(order)
    Cip.objects.filter(order=order).update(poll_at=None)


def lost() -> Order:
    MemoryChannel.fail("issue", OutcomeUnknown("No answer."), after=True)
    order = make()
    Order.objects.filter(pk=order.pk).update(pending_action="", retry_at=None)
    return order


def hinted_though_lost(order: Order) -> None:
    named = Cip.objects.get(order=order).transaction_code
    code = next(code for code, slip in channel().book.items() if slip.report.transaction_code == named)
    channel().set(code, Fact.PAYMENT, paid_at=timezone.now())
    hint(Report("memory:default", Fact.CODE_EXPIRED, code=code), timezone.now())


def forgotten_by_a_backup(order: Order) -> None:
    declare_restored(timezone.now())
    slip, code = channel().book[order.code], f"9{order.code}"
    report = replace(slip.report, code=code, transaction_code=f"{order.reference}-0123456789ab")
    channel().book[code] = Slip(report)
    channel().set(code, Fact.PAYMENT, paid_at=timezone.now())
    hint(Report("memory:default", Fact.CODE_EXPIRED, code=code), timezone.now())


def heard_of_by_its_date(order: Order) -> None:
    Cip.objects.filter(order=order).update(poll_at=timezone.now(), expires_at=timezone.now() - conf.grace)


def dead(order: Order) -> None:
    then = timezone.now() - timedelta(minutes=10)
    Cip.objects.filter(order=order).update(status="requested", live=True, asked_at=then, poll_at=then)


def is_lost(order: Order) -> bool:
    return Cip.objects.get(order=order).status == "lost"


# Settlements.


def to_match(orders: Orders) -> None:
    file = io.BytesIO(text([line(order) for order in orders]))
    confirm_settlement(read_settlement(file, "LIQ-9.txt", actor="ana", currency="PEN"))


def in_a_file(orders: Orders) -> None:
    for order in orders:
        pay(order)
    to_match(orders)


def in_a_file_and_unheard(orders: Orders) -> None:
    for order in orders:
        channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now())
    to_match(orders)


def in_a_file_before_it_was_paid(orders: Orders) -> None:
    load(*[line(order) for order in orders])
    for order in orders:
        pay(order)


def settled(order: Order) -> bool:
    return fresh(order).is_settled


def unsettled(orders: Orders) -> None:
    settlement_line(paid_at=timezone.now() - timedelta(days=60), status="matched")
    for order in orders:
        pay(order)
    Order.objects.update(paid_at=timezone.now() - timedelta(days=30))


# Forgetting.


def to_erase(order: Order) -> None:
    cancel_order(order)
    Order.objects.filter(pk=order.pk).update(erase_asked_at=timezone.now())


def erased(order: Order) -> bool:
    return fresh(order).forgotten_at is not None


WORK: dict[str, Work] = {
    "deliver": Work("deliveries", each(unheard), heard),
    "remind": Work("reminders", each(near), reminded),
    "issue": Work("pending_actions", each(lambda order: None), is_in("pending"), without_code),
    "cancel": Work("pending_actions", each(put_off(PendingAction.CANCEL)), is_in("cancelled")),
    "extend": Work("pending_actions", each(put_off(PendingAction.EXTEND)), extended),
    "reissue": Work("pending_actions", each(put_off(PendingAction.REISSUE)), reissued),
    "delete": Work("deletions", each(superseded), deleted),
    "delete what is watched no longer": Work("deletions", each(watched_no_longer), deleted),
    "ask whether a code can be paid": Work("deletions", each(by_wrong_keys), asked(Kind.STILL_PAYABLE)),
    "give back": Work("refunds", each(to_give_back), given_back),
    "ask whether it was given back": Work("refunds", each(given_back_or_not), asked(Kind.NOT_CONFIRMED)),
    "expire": Work("expiries", each(past(Fact.CODE_EXPIRED)), is_in("expired")),
    "expire what can still be paid": Work("expiries", each(past(Fact.ISSUED)), is_in("expired")),
    "ask about what can't expire": Work("expiries", unknown_for_days, asked(Kind.NOT_CONFIRMED)),
    "poll": Work("polls", each(paid_unheard), is_in("paid")),
    "look after a hint": Work("polls", each(hinted), is_in("paid")),
    "look after a hint of a lost code": Work("polls", each(hinted_though_lost), is_in("paid"), lost),
    "attach what a backup forgot": Work("polls", each(forgotten_by_a_backup), is_in("paid")),
    "ask about a lost code": Work("polls", each(heard_of_by_its_date), asked(Kind.LOST_CODE), lost),
    "end a request that died": Work("polls", each(dead), is_lost, lost),
    "match": Work("settlements", in_a_file, settled),
    "ask about a line": Work("settlements", in_a_file_and_unheard, settled),
    "judge a line again": Work("settlements", in_a_file_before_it_was_paid, settled),
    "ask about what is overdue": Work("overdue", unsettled, asked(Kind.UNSETTLED_OVERDUE)),
    "erase": Work("forgotten", each(to_erase), erased),
}
