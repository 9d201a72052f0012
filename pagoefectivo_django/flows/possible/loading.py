"""Load the situations of many rows in a few statements, for lists and pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ...actors import Actor
from ...models import Cip, Discrepancy, Match, Order, Payment, Refund
from ...models.database import database
from ...states import RefundStatus
from ..provider.accounts import accounts
from ..provider.environment import is_live, orders_of_tests
from .rules import HOLDING, DiscrepancySituation, OrderSituation, RefundSituation


def ordered_again(orders: Iterable[Order], cips: Mapping[int, Sequence[Cip]], alias: str) -> set[int]:
    """Return the keys of orders whose reference is held by another order (new, pending or paid).

    A sandbox order never holds the reference against an order with a code on a production account. ``cips``: the
    orders' codes, by order key.
    """
    wanted = list(orders)
    others = Order.objects.using(alias).filter(reference__in={order.reference for order in wanted})
    holding: dict[str, set[int]] = {}
    for reference, pk in others.filter(state__in=HOLDING).values_list("reference", "pk"):
        holding.setdefault(reference, set()).add(pk)
    found = {order.pk: holding.get(order.reference, set()) - {order.pk} for order in wanted}
    live = {pk for pk, rivals in found.items() if rivals and any(is_live(cip.account) for cip in cips.get(pk, ()))}
    tests = orders_of_tests(set().union(*(found[pk] for pk in live)), alias) if live else set()
    return {pk for pk, rivals in found.items() if rivals - (tests if pk in live else set())}


def order_situations(orders: Iterable[Order]) -> dict[int, OrderSituation]:
    """Return the situations of orders, by primary key."""
    alias, wanted = database(), {order.pk: order for order in orders}
    cips: dict[int, list[Cip]] = {pk: [] for pk in wanted}
    payments: dict[int, list[Payment]] = {pk: [] for pk in wanted}
    for cip in Cip.objects.using(alias).filter(order__in=list(wanted)).order_by("pk"):
        cips[cip.order_id].append(cip)
    of_cip = {cip.pk: cip.order_id for mine in cips.values() for cip in mine}
    for payment in Payment.objects.using(alias).filter(cip__order__in=list(wanted)).order_by("pk"):
        payments[of_cip[payment.cip_id]].append(payment)
    discrepancies = Discrepancy.objects.using(alias).filter(order__in=list(wanted)).open()
    asked = set(discrepancies.values_list("order", flat=True))
    in_review = set(discrepancies.about_money().values_list("order", flat=True)) if asked else set()
    again, channels = ordered_again(wanted.values(), cips, alias), accounts()
    return {
        pk: OrderSituation(order, cips[pk], payments[pk], pk in in_review, pk in asked, pk in again, channels)
        for pk, order in wanted.items()
    }


def refund_situations(refunds: Iterable[Refund], actor: Actor | str = "") -> dict[int, RefundSituation]:
    """Return the situations of refunds, by primary key; ``actor``: the person who would move a refund on."""
    wanted = list(refunds)
    about = Payment.objects.using(database()).select_related("cip__order")
    payments = about.in_bulk([refund.payment_id for refund in wanted])
    of = [(refund, payments[refund.payment_id]) for refund in wanted]
    sent = [refund.pk for refund in wanted if refund.status == RefundStatus.SENT]
    lines = Match.objects.using(database()).filter(refund__in=sent, stands=True)
    told = set(lines.values_list("refund", flat=True)) if sent else set()
    return {
        refund.pk: RefundSituation(refund, payment, payment.cip.order.email, actor, refund.pk in told)
        for refund, payment in of
    }


def discrepancy_situations(discrepancies: Iterable[Discrepancy]) -> dict[int, DiscrepancySituation]:
    """Return the situations of discrepancies, by primary key."""
    wanted = list(discrepancies)
    orders = Order.objects.using(database()).in_bulk({one.order_id for one in wanted if one.order_id})
    found = order_situations(orders.values()) if orders else {}
    return {one.pk: DiscrepancySituation(one, found.get(one.order_id or 0)) for one in wanted}
