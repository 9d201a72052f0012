"""A discrepancy's page: our order, the provider's line or settlement, and the notifications, side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Case, Q, QuerySet, Sum, Value, When
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from ..documents.tables import Amount, Cell, Differing, Link, Table, Text
from ..models import Cip, Discrepancy, Match, Notification, Order, OrderEvent, Payment, SettlementLine
from ..states import Kind, LineStatus, PaymentStatus
from ..wording.data import in_words
from ..wording.events import deed_label, fact_label
from ..wording.evidence import evidence_table
from ..workdays import lima_day
from .order_tables import actor_label
from .tables import Column, amount_of, badge_of, table

#: The most notifications and suggested payments on a page; deposits are limited to ten times as many.
MOST_SHOWN = 10


def _row(label: Text | Link | None, value: Cell, differs: bool = False) -> list[Cell]:
    """Return a row of a panel; ``differs`` marks a value that contradicts our order or the expected amount."""
    return [label, Differing(value) if differs else value]


@dataclass
class Comparison:
    """A discrepancy with the records about the same case; ``link`` is a function that makes a link to a record."""

    discrepancy: Discrepancy
    link: Callable[..., Any]

    def __post_init__(self) -> None:
        discrepancy, self.payment = self.discrepancy, self.discrepancy.payment
        self.own_cip: Cip | None = discrepancy.cip or (self.payment.cip if self.payment else None)
        self.order: Order | None = discrepancy.order or (self.own_cip.order if self.own_cip else None)
        if self.own_cip is None and self.order:
            self.own_cip = self.order.cip
        self.line = discrepancy.line
        if self.line is None and self.order and not discrepancy.settlement:
            matches = Match.objects.filter(payment__cip__order=self.order, stands=True)
            match = matches.select_related("line__settlement").order_by("pk").last()
            self.line = match.line if match else None

    def panels(self) -> list[Table]:
        """Return the three columns, with the values marked that differ from our order."""
        theirs = self._settlement() if self.discrepancy.settlement and not self.line else self._line()
        return [self._order(), theirs, self._notifications()]

    def _order(self) -> Table:
        title, order, cip, payment = _("our order"), self.order, self.own_cip, self.payment
        if order is None:
            return Table(title, (), ())
        rows = [
            _row(_("order"), self.link(order)),
            _row(_("state"), badge_of(order, "state")),
            _row(_("amount"), amount_of(order)),
            _row("CIP", cip.code if cip else None),
            _row(_("transaction code"), cip.transaction_code if cip else None),
            _row(_("paid"), order.paid_at),
            _row(_("operation number"), order.operation_number),
            _row(_("settled"), order.settled_at),
        ]
        if payment:
            differs = (payment.amount, payment.currency) != (order.amount, order.currency)
            rows.append(_row(_("payment"), format_html("{} {}", payment, badge_of(payment, "status")), differs))
        return Table(title, (), rows)

    def _line(self) -> Table:
        title, line = _("the provider's line"), self.line
        if line is None:
            return Table(title, (), ())
        fee_differs = self.discrepancy.kind == Kind.FEE_MISMATCH
        rows = [
            _row(_("settlement"), self.link(line.settlement)),
            _row(_("line"), self.link(line, line.number)),
            _row(_("status"), badge_of(line, "status")),
            _row("CIP", line.code, self._not_our_code(line.code)),
            _row(_("transaction code"), line.transaction_code, self._not_ours("transaction_code")),
            _row(_("operation number"), line.operation_number, self._other_operation(line)),
            *self._money(line),
            _row(_("fee"), Amount(line.fee, line.currency), fee_differs),
            _row("IGV", Amount(line.tax, line.currency), fee_differs),
            _row(_("net"), Amount(line.net, line.currency)),
            _row(_("paid"), line.paid_at, self._other_day(line)),
            _row(_("collector"), line.collector),
        ]
        return Table(title, (), rows)

    def _money(self, line: SettlementLine) -> list[list[Cell]]:
        """Return the rows of a line's gross; before it, of a payment that was exchanged, what the payer paid."""
        gross = Amount(line.gross, line.currency)
        if not line.exchanged:
            return [_row(_("gross"), gross, self._other_amount(line))]
        paid = _row(_("payment's amount"), Amount(*line.paid), self._other_amount(line))
        return [paid, _row(_("exchange rate"), line.rate_text), _row(_("gross"), gross)]

    def _settlement(self) -> Table:
        settlement = self.discrepancy.settlement
        assert settlement  # nosec B101 # says what mypy must know
        counted = settlement.lines.exclude(status=LineStatus.DUPLICATE)
        sums = counted.aggregate(gross=Sum("gross"), fee=Sum("fee"), tax=Sum("tax"), net=Sum("net"))
        deposits = list(settlement.deposits.order_by("received_on", "pk")[: MOST_SHOWN * 10])
        received = sum((deposit.amount for deposit in deposits), Decimal(0))

        def money(amount: Decimal | None) -> Amount:
            return Amount(amount or Decimal(0), settlement.currency)

        rows = [
            _row(_("settlement"), self.link(settlement)),
            _row(_("date"), settlement.dated),
            _row(_("gross"), money(sums["gross"])),
            _row(_("fee"), money(sums["fee"])),
            _row("IGV", money(sums["tax"])),
            _row(_("net"), money(sums["net"])),
            *(
                _row(_("deposit"), format_html("{} ({})", money(deposit.amount), localize(deposit.received_on)))
                for deposit in deposits
            ),
            _row(_("deposits"), money(received), received != (sums["net"] or 0)),
            _row(_("open"), money(settlement.open_amount)),
        ]
        return Table(_("the provider's settlement"), (), rows)

    def _notifications(self) -> Table:
        rows = [
            _row(
                self.link(one, localize(localtime(one.received_at))),
                format_html("{} {} {}", fact_label(one.fact), one.code, badge_of(one, "status")),
                self._not_our_code(one.code),
            )
            for one in self._messages()
        ]
        return Table(_("notifications"), (), rows)

    def _messages(self) -> QuerySet[Notification]:
        named = {(cip.account, name) for cip in self._cips() for name in cip.message_names}
        if self.line and self.line.code:
            named.add((self.line.settlement.account, self.line.code))
        mine = reduce(or_, (Q(account=account, code=code) for account, code in sorted(named)), Q(pk__in=[]))
        mine |= Q(pk=self.discrepancy.notification_id)
        return Notification.objects.filter(mine).defer("body").order_by("-received_at", "-pk")[:MOST_SHOWN]

    def _cips(self) -> list[Cip]:
        return list(self.order.cips.order_by("pk")) if self.order else [self.own_cip] if self.own_cip else []

    # Differences. A value that one side leaves empty never differs.

    def _not_our_code(self, code: str) -> bool:
        return bool(code and self.own_cip and self.own_cip.is_known and code not in self.own_cip.message_names)

    def _not_ours(self, name: str) -> bool:
        said = getattr(self.line, name)
        return bool(said and self.own_cip and said != getattr(self.own_cip, name))

    def _other_operation(self, line: SettlementLine) -> bool:
        ours = (self.payment and self.payment.operation_number) or (self.order and self.order.operation_number)
        return bool(ours and line.operation_number and ours != line.operation_number)

    def _other_amount(self, line: SettlementLine) -> bool:
        ours = self.payment or self.order
        amount, currency = line.paid
        return ours is not None and (abs(amount), currency) != (ours.amount, ours.currency)

    def _other_day(self, line: SettlementLine) -> bool:
        # Compared by Lima's day: many statements have no time of day.
        ours = self.order and self.order.paid_at
        return bool(ours and line.paid_at and lima_day(ours) != lima_day(line.paid_at))

    # Below the columns.

    def sections(self) -> list[Table]:
        """Return the tables below the columns: the evidence, suggested payments for a line without an order, and the
        timeline.
        """
        currency = self.order.currency if self.order else self.discrepancy.currency
        headings, rows = evidence_table(self.discrepancy.evidence, currency)
        guesses = [self._guesses(self.line)] if self.discrepancy.line and self.order is None and self.line else []
        return [Table(_("evidence"), headings, rows), *guesses, self._timeline()]

    def _guesses(self, line: SettlementLine) -> Table:
        columns: list[Column] = [
            (_("order"), lambda payment: self.link(payment.cip.order)),
            (_("payment"), str),
            (_("paid"), lambda payment: payment.cip.order.paid_at),
        ]
        # Only for viewers who see personal data: others could learn from an imported file which orders a payer has.
        by_payer = bool(getattr(self.discrepancy, "names_people", False))
        if by_payer:
            columns.append((_("same payer"), lambda payment: _("yes") if payment.same_payer else _("no")))
        title = _("suggestions only: paid, not settled, of the same amount, within a day")
        return table(title, guesses(line, by_payer=by_payer), columns)

    def _timeline(self) -> Table:
        events = self.discrepancy.events.order_by("created_at", "number")
        columns = (
            "created_at",
            (_("who"), actor_label),
            (_("what"), _what),
            (_("what happened"), _further),
            "reason",
        )
        return table(_("timeline"), events, columns)


def guesses(line: SettlementLine, *, by_payer: bool = True) -> QuerySet[Payment]:
    """Return at most ``MOST_SHOWN`` payments that a settlement line may be about; nothing is matched by this.

    A payment qualifies if applied, not settled, of the line's account, amount and currency, and paid within a day of
    the line. With ``by_payer`` the payments of the line's payer come first. A line without a time has none.
    """
    if line.paid_at is None:
        return Payment.objects.none()
    day = timedelta(days=1)
    theirs = Q(cip__order__email__iexact=line.payer) | Q(cip__order__payer_data__document_number=line.payer)
    same_payer = Case(When(theirs, then=Value(True)), default=Value(False)) if line.payer and by_payer else Value(False)
    unsettled = Payment.objects.filter(
        status=PaymentStatus.APPLIED,
        amount=line.paid[0],
        currency=line.paid[1],
        cip__account=line.settlement.account,
        # The order's ``paid_at``, which has an index; the payment's own has none.
        cip__order__paid_at__range=(line.paid_at - day, line.paid_at + day),
        cip__order__settled_at__isnull=True,
    )
    found = unsettled.annotate(same_payer=same_payer).select_related("cip__order")
    return found.order_by("-same_payer", "cip__order__paid_at", "pk")[:MOST_SHOWN]


def _further(event: OrderEvent) -> str:
    """Return what else an event of the page's discrepancy says; the kind stands above."""
    return in_words({name: value for name, value in event.data.items() if name != "discrepancy"})


def _what(event: OrderEvent) -> str:
    return deed_label(event.kind, event.fact, event.data)
