"""Whether the books balance after the storm: ours, the sandbox's, and what the receivers wrote."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django.db.models import Sum

from pagoefectivo_django.models import Cip, Delivery, Discrepancy, FeedEntry, Notification, Order, OrderEvent, Payment
from pagoefectivo_django.models.orders import KNOWN
from pagoefectivo_django.signals import SIGNALS
from pagoefectivo_django.states import MONEY_KINDS
from tests.shop.models import Heard
from tests.storm.receivers import EARS
from tests.storm.running import Storm
from tests.storm.shopper import MANNERS

GENERATED = 22


@dataclass(frozen=True)
class Taken:
    """Money that a provider took for a code, and what our books make of it."""

    code: Mapping[str, Any]
    number: str
    amount: Decimal
    currency: str
    reversed: bool
    cip: Cip
    ours: Payment | None


def taken(codes: Iterable[Mapping[str, Any]]) -> list[Taken]:
    """Match every payment of the providers' with ours: by its operation number, else with one that has none."""
    cips = {cip.transaction_code: cip for cip in Cip.objects.select_related("order")}
    found: list[Taken] = []
    for code in codes:
        cip = cips[code["transactionCode"]]
        assert cip.code in (None, str(code["cip"])), code
        rows = {row.operation_number: row for row in cip.payments.all()}
        for payment in sorted(code["payments"], key=lambda payment: payment["operationNumber"] not in rows):
            number = payment["operationNumber"]
            row = rows.pop(number, None) or rows.pop(None, None)
            amount, currency = Decimal(payment["amount"]), payment["currency"]
            found.append(Taken(code, number, amount, currency, payment["reversed"], cip, row))
        assert not rows, f"payments that nobody made: {rows} on {code}"
    assert len({each.ours.pk for each in found if each.ours}) == Payment.objects.count()
    return found


def check_money(payments: list[Taken]) -> None:
    """Every payment is applied or in front of a person."""
    asked = set(Discrepancy.objects.open().values_list("payment", flat=True))
    lost, undone = _in_review("lost_code", "cip"), _in_review("reversed", "payment")
    for each in payments:
        ours = each.ours
        if ours is None:
            assert each.reversed or (each.cip.code is None and each.cip.pk in lost), each
            continue
        assert (ours.amount, ours.currency) == (each.amount, each.currency), each
        if ours.status == "reversed":
            assert each.reversed, each
            continue
        assert not each.reversed or ours.pk in undone, each
        if ours.status == "applied":
            assert each.cip.order.state == "paid", each
        else:
            assert ours.pk in asked, each


def sums(payments: list[Taken]) -> dict[str, tuple[Decimal, Decimal]]:
    """What stands by currency: in the sandbox's book, and in ours with what a person is asked about and we can't know.

    Money that a person is told was taken back doesn't stand; codes whose digits we never learnt may be paid.
    """
    theirs, unheard = defaultdict[str, Decimal](Decimal), defaultdict[str, Decimal](Decimal)
    lost = _in_review("lost_code", "cip")
    for each in payments:
        if not each.reversed:
            theirs[each.currency] += each.amount
            if each.cip.pk in lost:
                unheard[each.currency] += each.amount
    status = Payment.objects.exclude(status="reversed").exclude(pk__in=_in_review("reversed", "payment"))
    booked = dict(status.values_list("currency").annotate(Sum("amount")).order_by())
    return {
        currency: (amount, booked.get(currency, Decimal(0)) + unheard[currency]) for currency, amount in theirs.items()
    }


def _in_review(kind: str, what: str) -> set[int]:
    """The keys of what an open discrepancy of a kind is about."""
    return set(Discrepancy.objects.open().filter(kind=kind).values_list(what, flat=True))


def check_orders(storm: Storm) -> None:
    """No order is paid without its payment, none is open for ever, and each ended as its story says."""
    applied: dict[int, list[Payment]] = defaultdict(list)
    for payment in Payment.objects.filter(status="applied").select_related("cip"):
        applied[payment.cip.order_id].append(payment)
    asked: dict[int | None, set[str]] = defaultdict(set)
    for discrepancy in Discrepancy.objects.open():
        asked[discrepancy.order_id].add(discrepancy.kind)
    assert None not in asked, "discrepancies about no order"
    # In every manner an answer may get lost: a provider goes down between request and answer, or a worker ends there.
    lost = {*Cip.objects.filter(~KNOWN, status="lost").values_list("order", flat=True)}
    for order in Order.objects.select_related("cip"):
        mine = applied[order.pk]
        about = f"{order} ({storm.manners[order.reference]}): {order.state}, {asked[order.pk]}, {mine}"
        if order.state == "paid":
            (payment,) = mine
            assert (payment.amount, payment.currency, payment.cip) == (order.amount, order.currency, order.cip), about
        else:
            assert not mine, about
        assert order.state not in ("new", "pending") or asked[order.pk] & MONEY_KINDS, about
        manner = MANNERS[storm.manners[order.reference]]
        assert order.state in manner.states, about
        assert asked[order.pk] <= manner.kinds | ({"lost_code"} if order.pk in lost else set()), about
        assert (order.pending_action, order.retry_at) == ("", None), about


def check_codes(codes: Iterable[Mapping[str, Any]]) -> None:
    """No code can be paid any more but those that a person knows of."""
    cips = {cip.transaction_code: cip for cip in Cip.objects.all()}
    lost, doubt = _in_review("lost_code", "cip"), _in_review("reversed", "order")
    for code in codes:
        cip = cips[code["transactionCode"]]
        if code["status"] == GENERATED and cip.channel != "linking":  # a link can't be deleted
            assert cip.pk in lost or cip.order_id in doubt, (code, cip.status)
        assert cip.is_known or cip.pk in lost, code


def check_callers(storm: Storm) -> None:
    """Each key made one order, whoever hung up; and who followed the feed missed nothing and heard nothing twice."""
    assert len(storm.told) == storm.size.calls
    for reference, ids in storm.told.items():
        assert [str(order.public_id) for order in Order.objects.filter(reference=reference)] == ids
    assert not FeedEntry.objects.filter(number=None).exists()
    feed = list(FeedEntry.objects.order_by("number").values_list("number", "event"))
    assert [number for number, _event in feed] == list(range(1, len(feed) + 1))
    in_feed = OrderEvent.objects.filter(kind__in=SIGNALS).values_list("pk", flat=True)
    assert {event for _number, event in feed} == {*in_feed}
    assert storm.events == [str(event) for _number, event in feed[: len(storm.events)]]
    assert storm.events


def check_queues() -> None:
    """Nothing waits any more."""
    assert not Notification.objects.exclude(status="applied").exists(), list(
        Notification.objects.exclude(status="applied")
    )
    assert not Delivery.objects.filter(delivered_at__isnull=True).exists()
    assert not Cip.objects.filter(retry_at__isnull=False).exists()


def check_receivers() -> Counter[str]:
    """Everybody heard everything, in its order, and what they wrote stands once; return how often each wrote."""
    events = {event.pk: event for event in OrderEvent.objects.all()}
    heard: dict[str, list[OrderEvent]] = defaultdict(list)
    for row in Heard.objects.order_by("pk"):
        heard["ship" if row.signal not in EARS else row.signal].append(events[row.event])
    listening = {name: {signal.name for signal in ear.signals} for name, ear in EARS.items()}
    listening["ship"] = {"payment_confirmed"}
    for name, kinds in listening.items():
        times = Counter(event.pk for event in heard[name])
        assert times.keys() == {event.pk for event in events.values() if event.kind in kinds}, name
        if name in EARS and not EARS[name].atomic:
            continue
        assert set(times.values()) == {1}, (name, times.most_common(5))
        numbers: dict[int | None, list[int]] = defaultdict(list)
        for event in heard[name]:
            numbers[event.order_id].append(event.number)
        assert all(each == sorted(each) for each in numbers.values()), name
    return Counter({name: len(rows) for name, rows in heard.items()})


def check_history() -> None:
    """The events of an order are counted without gaps, and follow from each other."""
    by_order: dict[int | None, list[OrderEvent]] = defaultdict(list)
    for event in OrderEvent.objects.order_by("order", "number"):
        by_order[event.order_id].append(event)
    for order in Order.objects.all():
        events = by_order[order.pk]
        assert [event.number for event in events] == list(range(1, order.event_count + 1)), order
        for before, after in pairwise(events):
            assert after.state_before == before.state_after, (order, before, after)
        assert events[-1].state_after == order.state, order
