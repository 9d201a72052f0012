"""Exports for the accountant: a table's rows, read page by page to save memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from typing import Any

from django.db.models import Q, QuerySet, TextChoices, Value
from django.db.models.functions import Coalesce, NullIf
from django.utils.translation import gettext_lazy as _

from ...actors import Actor
from ...conf import conf
from ...documents.tables import Cell
from ...fees import CENT, igv_rate
from ...models import Deposit, Discrepancy, Match, Payment, Refund, Settlement, SettlementLine
from ...models.clock import current_time
from ...models.database import database
from ...states import Kind, LineStatus, PaymentStatus, Resolution, StatementKind
from ...wording.evidence import closing_words
from ...workdays import due_on, lima_day
from .balance import AGES, Age, between, in_transit, timed

#: Rows read at once. Pages by key and not a cursor: some databases' clients fetch all rows of a cursor.
PAGE = 5000

Row = Sequence[Cell]
#: A choice's value → its label in the reader's language.
Labels = dict[str, str]


class Export(TextChoices):
    """The exports."""

    PAID = "paid", _("paid: every payment that came, by its day")
    SETTLED = "settled", _("settled: payments that were paid out, by the settlement's day")
    UNSETTLED = "unsettled", _("not settled yet, oldest first, by the payment's day")
    FEES = "fees", _("fees and IGV: every line of the settlements, by the settlement's day")
    DISCREPANCIES = "discrepancies", _("discrepancies, by the day they were opened")


_PAYMENT = (
    _("order"), "CIP", _("operation number"), _("account"), _("currency"), _("status"), _("paid"), _("first heard"),
    _("gross"), _("refunded"), _("being refunded"),
)  # fmt: skip
_MONEY = (
    _("settled in"), _("exchange rate"), _("settled gross"), _("fee"), _("IGV"), _("net"), _("settlement"),
    _("settlement date"), _("last deposit"), _("bank's reference"),
)  # fmt: skip
#: The columns of each export, in the reader's language.
HEADINGS: dict[str, tuple[Any, ...]] = {
    Export.PAID: (*_PAYMENT, *_MONEY),
    Export.SETTLED: (*_PAYMENT, *_MONEY),
    Export.UNSETTLED: (*_PAYMENT, _("due"), _("age in days"), _("days")),
    Export.FEES: (
        _("settlement"), _("settlement date"), _("account"), _("line"), _("status"), _("order"), "CIP",
        _("operation number"), _("paid"), _("currency"), _("gross"), _("fee"), _("IGV rate (%)"), _("IGV"), _("net"),
        _("payment's currency"), _("payment's amount"), _("exchange rate"),
    ),
    Export.DISCREPANCIES: (
        _("opened"), _("discrepancy"), _("status"), _("order"), "CIP", _("amount"), _("currency"), _("settlement"),
        _("line"), _("assigned to"), _("days open"), _("answer"), _("resolved by"), _("resolved"), _("reason"),
    ),
}  # fmt: skip

#: The fields for the columns of ``_PAYMENT``; the payment's key is read before them.
_FIELDS = (
    "cip__order__reference", "cip__code", "operation_number", "cip__account", "currency", "status", "paid_at",
    "first_heard_at", "amount", "refunded",
)  # fmt: skip
_STATUS, _RESERVED = _FIELDS.index("status"), _FIELDS.index("refunded")
#: The fields for the columns of ``_MONEY``, with the settlement's key, reference and file; deposits are read
#: separately.
_LINE = (
    "line__currency", "line__rate", "line__gross", "line__fee", "line__tax", "line__net", "line__settlement",
    "line__settlement__reference", "line__settlement__file_name", "line__settlement__dated",
)  # fmt: skip
_SETTLEMENT = _LINE.index("line__settlement")
_NO_DEPOSIT = (None, "")


def export_rows(
    what: str,
    *,
    since: date | None = None,
    until: date | None = None,
    account: str = "",
    currency: str = "",
    now: datetime | None = None,
) -> Iterator[Row]:
    """Return the rows under ``HEADINGS[what]``, from day ``since`` through ``until`` in Lima.

    Rows are read in pages while the caller consumes them, so a payment settled meanwhile appears in one state or the
    other. No row has the payer's data.
    """
    now, of = now or current_time(), (since, until, account, currency)
    # Labels are translated now: another language may be active when the rows are read.
    if what == Export.PAID:
        return _paid(_payments(Payment.objects.using(database()), *of), _labels(PaymentStatus))
    if what == Export.SETTLED:
        return _settled(_settlements(*of), _labels(PaymentStatus))
    if what == Export.UNSETTLED:
        return _unsettled(_payments(in_transit(), *of), lima_day(now), _labels(PaymentStatus))
    if what == Export.FEES:
        return _fees(_settlements(*of), _labels(LineStatus))
    return _discrepancies(_about(*of), now, _labels(Kind), _labels(Discrepancy.Status), _labels(Resolution))


# Querysets.


def _payments(
    rows: QuerySet[Payment], since: date | None, until: date | None, account: str, currency: str
) -> QuerySet[Any]:
    return _only(between(timed(rows), "moment", since, until), cip__account=account, currency=currency)


def _settlements(since: date | None, until: date | None, account: str, currency: str) -> QuerySet[Settlement]:
    rows = Settlement.objects.using(database()).counted().filter(kind=StatementKind.SETTLEMENT)
    days = {name: day for name, day in (("dated__gte", since), ("dated__lte", until)) if day}
    return _only(rows.filter(**days), account=account, currency=currency)


def _about(since: date | None, until: date | None, account: str, currency: str) -> QuerySet[Any]:
    rows = Discrepancy.objects.using(database()).annotate(
        sum=Coalesce("amount", "payment__amount"),
        coin=Coalesce(
            NullIf("currency", Value("")), "payment__currency", "settlement__currency", "order__currency", Value("")
        ),
    )
    return _only(between(rows, "created_at", since, until), account=account, coin=currency)


def _only(rows: QuerySet[Any], **wanted: str) -> QuerySet[Any]:
    return rows.filter(**{name: value for name, value in wanted.items() if value})


# Rows.


def _paid(payments: QuerySet[Any], statuses: Labels) -> Iterator[Row]:
    """Yield payments by primary key; another order would sort all payments for each page."""
    for page in _pages(payments, ("pk",), _FIELDS):
        lines = {match[0]: match[1:] for match in _matches(payment__in=[pk for pk, *_ in page])}
        deposits = _deposits({line[_SETTLEMENT] for line in lines.values()})
        sent = _sent(page)
        for pk, *payment in page:
            yield (*_told(payment, statuses, sent[pk]), *_money(lines.get(pk), deposits))


def _settled(settlements: QuerySet[Settlement], statuses: Labels) -> Iterator[Row]:
    fields = tuple(f"payment__{name}" for name in _FIELDS)
    for settlement in _each(settlements):
        deposits = _deposits({settlement.pk})
        for page in _pages(_of_lines(line__settlement=settlement), ("line__number",), ("payment", *fields, *_LINE)):
            sent = _sent([row[1:] for row in page])
            for _number, pk, *found in page:
                payment, line = found[: len(_FIELDS)], found[len(_FIELDS) :]
                yield (*_told(payment, statuses, sent[pk]), *_money(line, deposits))


def _unsettled(payments: QuerySet[Any], today: date, statuses: Labels) -> Iterator[Row]:
    due = cache(partial(due_on, days=conf.settled_within))
    for page in _pages(payments, ("moment", "pk"), _FIELDS):
        sent = _sent([row[1:] for row in page])
        for moment, pk, *payment in page:
            paid_on = lima_day(moment)
            age = (today - paid_on).days
            yield (*_told(payment, statuses, sent[pk]), due(paid_on), age, _bucket(age))


def _fees(settlements: QuerySet[Settlement], statuses: Labels) -> Iterator[Row]:
    counted = SettlementLine.objects.using(database()).exclude(status=LineStatus.DUPLICATE)
    counted = counted.exclude(status=LineStatus.IGNORED, gross=0, fee=0, tax=0)
    fields = ("pk", "status", "code", "operation_number", "paid_at", "currency", "gross", "fee", "tax", "net")
    of_payment = ("payment_currency", "payment_amount", "rate")
    for settlement in _each(settlements):
        for page in _pages(counted.filter(settlement=settlement), ("number",), (*fields, *of_payment)):
            matches = Match.objects.using(database()).filter(line__in=[pk for _number, pk, *_ in page], stands=True)
            orders = dict(matches.values_list("line", "payment__cip__order__reference"))
            for number, pk, status, code, operation, paid_at, currency, gross, fee, tax, net, *exchanged in page:
                rate = igv_rate(lima_day(paid_at) if paid_at else settlement.dated)
                yield (
                    str(settlement), settlement.dated, settlement.account, number, statuses[status],
                    orders.get(pk, ""), code, operation, paid_at, currency, gross, fee,
                    rate if abs(fee * rate / 100 - tax) < CENT else None, tax, net, *exchanged,
                )  # fmt: skip


def _discrepancies(
    discrepancies: QuerySet[Any], now: datetime, kinds: Labels, statuses: Labels, answers: Labels
) -> Iterator[Row]:
    fields = (
        "created_at", "kind", "status", "order__reference", "code", "sum", "coin", "settlement__reference",
        "settlement__file_name", "line__number", "assigned_to", "resolution", "resolved_by", "resolved_at",
        "closed_because", "reason",
    )  # fmt: skip
    coded = discrepancies.annotate(code=Coalesce("cip__code", "payment__cip__code", "order__cip__code", "line__code"))
    for page in _pages(coded, ("pk",), fields):
        for _pk, opened, kind, status, order, code, amount, currency, reference, file, line, who, *end in page:
            answer, resolver, resolved, because, reason = end
            days = Decimal(((resolved or now) - opened) / timedelta(days=1)).quantize(CENT)
            yield (
                opened, kinds[kind], statuses[status], order, code, amount, currency, reference or file, line, who,
                days, answers.get(answer, ""), Actor.parse(resolver).label, resolved, closing_words(because, reason),
            )  # fmt: skip


def _pages(rows: QuerySet[Any], keys: tuple[str, ...], fields: Iterable[str]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield pages of values, ordered by the keys, which are unique together; each row begins with the keys."""
    ordered = rows.order_by(*keys).values_list(*keys, *fields)
    page = list(ordered[:PAGE])
    while page:
        yield page
        last, further = page[-1], Q()
        for place, key in enumerate(keys):
            further |= Q(**dict(zip(keys[:place], last, strict=False)), **{f"{key}__gt": last[place]})
        page = list(ordered.filter(further)[:PAGE]) if len(page) == PAGE else []


def _each(settlements: QuerySet[Settlement]) -> Iterator[Settlement]:
    for page in _pages(settlements, ("dated", "pk"), ("reference", "file_name", "account")):
        for dated, pk, reference, file_name, account in page:
            yield Settlement(pk=pk, dated=dated, reference=reference, file_name=file_name, account=account)


def _of_lines(**of: Any) -> QuerySet[Match]:
    return Match.objects.using(database()).filter(kind=StatementKind.SETTLEMENT, part=0, stands=True, **of)


def _matches(**of: Any) -> QuerySet[Match, tuple[Any, ...]]:
    return _of_lines(**of).values_list("payment", *_LINE)


def _deposits(settlements: Iterable[int]) -> dict[int, tuple[date | None, str]]:
    """Return the last deposit's day and the bank's numbers for each settlement, without deposits taken back."""
    found: dict[int, list[tuple[Decimal, date, str]]] = {}
    rows = Deposit.objects.using(database()).filter(settlement__in=settlements).order_by("pk")
    for settlement, amount, day, reference in rows.values_list("settlement", "amount", "received_on", "reference"):
        mine = found.setdefault(settlement, [])
        undone = next((one for one in reversed(mine) if one[0] == -amount), None)
        if undone:
            mine.remove(undone)
        elif amount > 0:
            mine.append((amount, day, reference))
    return {
        settlement: (max(day for _amount, day, _reference in mine), ", ".join(filter(None, (one[2] for one in mine))))
        for settlement, mine in found.items()
        if mine
    }


def _sent(payments: Iterable[Sequence[Any]]) -> defaultdict[int, Decimal]:
    """Return how much of each payment was refunded; ``payments`` are keys with ``_FIELDS``.

    The reserved amount, ``refunded``, may not have been sent yet.
    """
    found: defaultdict[int, Decimal] = defaultdict(lambda: Decimal("0.00"))
    reserved = [payment[0] for payment in payments if payment[1 + _RESERVED]]
    if reserved:
        refunds = Refund.objects.using(database()).sent().filter(payment__in=reserved)
        for payment, amount in refunds.values_list("payment", "amount"):
            found[payment] += amount
    return found


def _told(payment: Sequence[Any], statuses: Labels, sent: Decimal) -> Row:
    before, between_them = payment[:_STATUS], payment[_STATUS + 1 : _RESERVED]
    return (*before, statuses[payment[_STATUS]], *between_them, sent, payment[_RESERVED] - sent)


def _money(line: Sequence[Any] | None, deposits: dict[int, tuple[date | None, str]]) -> Row:
    if line is None:
        return (None,) * len(_MONEY)
    *money, settlement, reference, file_name, dated = line
    return (*money, reference or file_name, dated, *deposits.get(settlement, _NO_DEPOSIT))


def _bucket(age: int) -> str:
    first, last = next(days for days in AGES if days[1] is None or age <= days[1])
    return str(Age(first, last, 0, Decimal(0)))


def _labels(choices: Any) -> Labels:
    return {value: str(label) for value, label in choices.choices}
