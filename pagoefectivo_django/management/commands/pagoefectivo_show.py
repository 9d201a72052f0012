"""The command ``pagoefectivo_show``: tells the story of an order."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q, QuerySet
from django.utils.formats import localize
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from ...codes import plain
from ...models import Cip, Delivery, Order, OrderEvent, Payment
from ...models.database import database
from ...money import display
from ...states import OrderState
from ...wording.data import error_of, in_words
from ...wording.events import fact_label, kind_label
from ...wording.evidence import closing_words


class Command(BaseCommand):
    """Prints orders by reference, code or transaction code: what was issued and paid, what waits, and each event.

    Names no payer: who pays is told by ``pagoefectivo_forget --export``. What people wrote, and errors of receivers,
    may name somebody and are printed with ``--reasons`` only. Exit code 1 if there is no such order.
    """

    help = "Prints the story of an order: its codes, payments, refunds, discrepancies and history, without the payer."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("reference", help="the shop's number; or a code, or a transaction code")
        parser.add_argument(
            "--reasons",
            action="store_true",
            help="also what people wrote and receivers' errors, which may name somebody",
        )

    @sensitive_variables()
    def handle(self, *args: Any, reference: str, reasons: bool = False, **options: Any) -> None:
        orders = list(_found(reference.strip()))
        if not orders:
            raise CommandError(f"There is no order {reference!r}, and no code of this number.")
        for order in orders:
            self.stdout.write(self.style.MIGRATE_HEADING(_heading(order)))
            told = (_asked_about(order, reasons), _story(order, reasons), _waiting(order, reasons))
            for line in chain(_paid_by(order), *told):
                self.stdout.write(f"  {line}")


def _found(reference: str) -> QuerySet[Order]:
    alias = database()
    orders = Order.objects.using(alias).select_related("cip").order_by("pk")
    if (named := orders.filter(reference=reference)).exists():
        return named
    cips = Cip.objects.using(alias).filter(Q(code=plain(reference)) | Q(transaction_code=reference))
    return orders.filter(pk__in=cips.values("order"))


def _heading(order: Order) -> str:
    amount, until = display(order.amount, order.currency), _moment(order.expires_at)
    expires = _("expires")  # outside of the f-string: not each Python finds messages in there
    return f"{order}: {order.get_state_display()}, {amount}, {expires} {until}"


def _paid_by(order: Order) -> Iterator[str]:
    """Yield a line for each code, payment and refund."""
    for cip in order.cips.order_by("pk"):
        parts = (cip.code or cip.provider_id, cip.get_status_display(), cip.account, cip.transaction_code)
        yield _line(_("code"), _joined(*parts))
    for payment in Payment.objects.using(database()).filter(cip__order=order).order_by("pk"):
        yield _line(_("payment"), _joined(payment, payment.get_status_display(), _moment(payment.paid_at)))
    for refund in order.refunds.order_by("pk"):
        amount = display(refund.amount, refund.currency)
        yield _line(_("refund"), _joined(amount, refund.get_status_display(), _moment(refund.requested_at)))
    if order.settled_at:
        yield _line(_("settled"), _moment(order.settled_at))


def _asked_about(order: Order, reasons: bool) -> Iterator[str]:
    """Yield a line for each discrepancy."""
    for one in order.discrepancies.order_by("pk"):
        because = closing_words(one.closed_because, one.reason if reasons else "")
        parts = (one.get_kind_display(), one.get_status_display(), _moment(one.created_at), one.resolution, because)
        yield _line(_("discrepancy"), _joined(*parts))


def _story(order: Order, reasons: bool) -> Iterator[str]:
    """Yield a line for each event, oldest first."""
    yield _line(_("timeline"), "")
    for event in order.events.order_by("number"):
        what = fact_label(event.fact) if event.kind == "noted" else kind_label(event.kind)
        told = _joined(what, _moved(event), event.actor.label, in_words(event.data), reasons and event.reason)
        yield f"  {_moment(event.created_at)}  {told}"


def _waiting(order: Order, reasons: bool) -> Iterator[str]:
    """Yield a line for each delivery that no receiver has heard."""
    waiting = Delivery.objects.using(database()).filter(event__order=order, delivered_at__isnull=True)
    for row in waiting.select_related("event").order_by("event__number", "pk"):
        error = reasons and error_of(row.last_error, row.error_data)
        yield _line(_("deliveries that wait"), _joined(row, _moment(row.retry_at), error))


def _moved(event: OrderEvent) -> str:
    states = (event.state_before, event.state_after)
    before, after = (str(OrderState(state).label) if state in OrderState.values else state for state in states)
    return f"{before} → {after}" if before and before != after else after


def _moment(moment: datetime | None) -> str:
    return str(localize(localtime(moment))) if moment else ""


def _joined(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part)


def _line(label: str, text: str) -> str:
    """Return a labelled line. No f-string calls ``gettext``: not each Python finds the messages in there."""
    return f"{label}: {text}".rstrip()
