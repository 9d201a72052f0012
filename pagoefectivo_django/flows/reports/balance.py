"""The balance: sums paid by payers, stated in settlements and seen at the bank, and the age of unsettled payments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connections
from django.db.models import Count, Exists, F, Func, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from ...fees import CENT
from ...models import Deposit, Discrepancy, Match, Payment, Settlement, SettlementLine
from ...models.database import database
from ...money import CURRENCIES
from ...states import LineStatus, PaymentStatus, SettlementStatus, StatementKind
from ...workdays import lima_day, midnight

#: Ranges of days since the payment, first and last day included.
AGES = ((0, 1), (2, 3), (4, 7), (8, None))
_UNMATCHED = (LineStatus.NEW, LineStatus.ASKING, LineStatus.DISCREPANCY, LineStatus.IGNORED)
_COUNTED = (*_UNMATCHED, LineStatus.MATCHED)


@dataclass(frozen=True)
class Books:
    """The sums of a period and a currency, each from its own rows, all read at the same moment.

    Payments count by their day, settlements (and their deposits) by their date. Refunds deducted by the provider are
    negative. A payment that was exchanged is settled in its own currency, and its line is matched in the settlement's.
    """

    currency: str
    payments: Decimal
    in_transit: Decimal
    settled: Decimal
    gross: Decimal
    matched: Decimal
    unmatched: Decimal
    fees: Decimal
    tax: Decimal
    net: Decimal
    refunds: Decimal
    deposits: Decimal
    open_payouts: Decimal

    @property
    def equations(self) -> tuple[tuple[str, Decimal, Decimal], ...]:
        """The equations of the balance, each as (text, left side, right side)."""
        return (
            ("payments = in transit + settled", self.payments, self.in_transit + self.settled),
            ("settled gross = matched + unmatched", self.gross, self.matched + self.unmatched),
            ("settled net = gross - fees - IGV", self.net, self.gross - self.fees - self.tax),
            (
                "settled net + refunds = deposits + open payouts",
                self.net + self.refunds,
                self.deposits + self.open_payouts,
            ),
        )

    @property
    def holds(self) -> bool:
        return all(left == right for _, left, right in self.equations)


#: The names of the sums in ``Books``.
TERMS = tuple(field.name for field in fields(Books) if field.name != "currency")


@dataclass(frozen=True)
class Age:
    """The payments in no settlement yet, by days since the payment."""

    first: int
    last: int | None
    count: int
    amount: Decimal
    #: True: there are more payments, and only the newest were counted.
    at_least: bool = False

    def __str__(self) -> str:
        return f"{self.first}-{self.last}" if self.last is not None else f">{self.first - 1}"


def balance(currency: str, since: date | None = None, until: date | None = None) -> Books:
    """Return the sums of a currency from day ``since`` through ``until`` in Lima; by default of all time."""
    terms = dict(_terms(currency, since, until))
    compiled = [terms[name].query.sql_with_params() for name in terms]
    # One statement reads every sum at the same moment, whatever is imported meanwhile.
    statement = "SELECT " + ", ".join(f"({sql})" for sql, _ in compiled)
    connection = connections[database()]
    with connection.cursor() as cursor:
        cursor.execute(statement, [value for _, values in compiled for value in values])
        found = cursor.fetchone()
    sums = (Decimal(str(value or 0)).quantize(CENT) for value in found)
    return Books(currency, **dict(zip(terms, sums, strict=True)))


def all_books(since: date | None = None, until: date | None = None) -> list[Books]:
    """Return the sums of each currency with any payment, settlement or deposit."""
    paid_out = set(Settlement.objects.using(database()).counted().values_list("currency", flat=True))
    currencies = (*CURRENCIES, *sorted(paid_out - set(CURRENCIES)))
    books = [balance(currency, since, until) for currency in currencies]
    return [book for book in books if book.payments or book.gross or book.refunds or book.deposits]


def ages(currency: str, now: datetime, *, most: int = 0) -> list[Age]:
    """Return unsettled payments by age in days of Lima; for the oldest range at most ``most`` payments (0: all).

    If a shop imports no settlements, the oldest range has all its sales, too many for a page to count.
    """
    waiting, found = timed(in_transit(currency)), []
    for first, last in AGES:
        mine = waiting.filter(**limits(first, last, now, "moment"))
        counted = mine.order_by("-moment")[:most] if most and last is None else mine
        sums = counted.aggregate(count=Count("pk"), sum=Sum("amount"))
        amount, more = Decimal(str(sums["sum"] or 0)).quantize(CENT), bool(most) and sums["count"] == most
        found.append(Age(first, last, sums["count"], amount, more and last is None))
    return found


def limits(first: int, last: int | None, now: datetime, name: str) -> dict[str, datetime]:
    """Return filter conditions on the date field ``name`` for rows ``first`` to ``last`` days of Lima old."""
    today = lima_day(now)
    found = {f"{name}__lt": midnight(today - timedelta(days=first - 1))}
    if last is not None:
        found[f"{name}__gte"] = midnight(today - timedelta(days=last))
    return found


def in_transit(currency: str = "") -> QuerySet[Payment]:
    """Return the payments neither reversed nor in a settlement yet."""
    payments = Payment.objects.using(database()).exclude(status=PaymentStatus.REVERSED).filter(~_settled())
    return payments.filter(currency=currency) if currency else payments


def open_discrepancies() -> int:
    """Return the number of open discrepancies: a hint beside the balance, not a term of an equation."""
    return Discrepancy.objects.using(database()).open().count()


def _settled() -> Exists:
    matches = Match.objects.filter(payment=OuterRef("pk"), kind=StatementKind.SETTLEMENT, part=0, stands=True)
    return Exists(matches)


def _terms(currency: str, since: date | None, until: date | None) -> Iterator[tuple[str, QuerySet[Any]]]:
    alias = database()
    payments = between(timed(Payment.objects.using(alias).filter(currency=currency)), "moment", since, until)
    stands = ~Q(status=PaymentStatus.REVERSED)
    yield "payments", _sum(payments.filter(stands | Q(_settled())), "amount")
    yield "in_transit", _sum(payments.filter(stands & ~Q(_settled())), "amount")
    matches = Match.objects.using(alias).filter(kind=StatementKind.SETTLEMENT, part=0)
    paid = matches.filter(payment__currency=currency)
    yield "settled", _sum(between(timed(paid, "payment__"), "moment", since, until), "amount")
    settlements = Settlement.objects.using(alias).exclude(status=SettlementStatus.DRAFT)
    settlements = settlements.filter(kind=StatementKind.SETTLEMENT, currency=currency)
    if since:
        settlements = settlements.filter(dated__gte=since)
    if until:
        settlements = settlements.filter(dated__lte=until)
    lines = SettlementLine.objects.using(alias).filter(settlement__in=settlements, status__in=_COUNTED)
    money = lines.filter(gross__gte=0)
    yield "gross", _sum(money, "gross")
    # A match has the payer's money; of a payment that was exchanged the settlement's is in the line.
    yield "matched", _sum(matches.filter(line__settlement__in=settlements, stands=True), "line__gross")
    yield "unmatched", _sum(money.filter(status__in=_UNMATCHED), "gross")
    yield "fees", _sum(money, "fee")
    yield "tax", _sum(money, "tax")
    yield "net", _sum(money, "net")
    yield "refunds", _sum(lines.filter(gross__lt=0), "net")
    yield "deposits", _sum(Deposit.objects.using(alias).filter(settlement__in=settlements), "amount")
    yield "open_payouts", _sum(settlements, "open_amount")


def _sum(rows: QuerySet[Any], name: str) -> QuerySet[Any]:
    # Not Sum: an aggregate in values() would group.
    found: QuerySet[Any] = rows.order_by().annotate(total=Func(F(name), function="SUM")).values("total")
    return found


def timed(rows: QuerySet[Any], prefix: str = "") -> QuerySet[Any]:
    """Annotate rows with ``moment``, the time of the payment: by the provider's clock, else when we first heard."""
    found: QuerySet[Any] = rows.annotate(moment=Coalesce(f"{prefix}paid_at", f"{prefix}first_heard_at"))
    return found


def between(rows: QuerySet[Any], name: str, since: date | None, until: date | None) -> QuerySet[Any]:
    """Filter rows by the days of Lima from ``since`` through ``until``."""
    if since:
        rows = rows.filter(**{f"{name}__gte": midnight(since)})
    if until:
        rows = rows.filter(**{f"{name}__lt": midnight(until + timedelta(days=1))})
    return rows
