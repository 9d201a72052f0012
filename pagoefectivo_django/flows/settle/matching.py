"""Match the lines of a settlement with payments, thousands in one statement; what is not plain is judged alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import uuid4

from django.db import connections
from django.db.models import Exists, F, OuterRef, QuerySet, Sum
from django.utils import timezone

from ...conf import conf
from ...fees import Fee, expected_fee
from ...models import Cip, Delivery, Discrepancy, Match, Order, OrderEvent, Payment, Settlement, SettlementLine
from ...models.database import LEASE, after_commit, database, insert_many, one_transaction
from ...signals import SIGNALS
from ...states import Kind, LineStatus, OrderState, SettlementStatus, Standing, StatementKind
from ...traces import current_trace
from ...workdays import lima_day
from ..history import History, closed
from ..publish import publish_written
from .payout import compare_payout
from .reading import BATCH

#: Who matches where no person does.
AUTHOR = "pagoefectivo"

#: The columns of an event that is written in bulk.
_EVENT = (
    *("id", "order", "number", "kind", "fact", "state_before", "state_after", "actor", "detail", "cip", "trace"),
    "created_at",
)
#: A line by its CIP, else by its transaction code, else by its operation number; first wins.
RULES = {
    "code": "c.code = l.code AND (l.transaction_code = '' OR l.transaction_code = c.transaction_code)",
    "transaction_code": "l.code = '' AND c.transaction_code = l.transaction_code",
    "operation_number": "l.code = '' AND l.transaction_code = '' AND l.operation_number <> ''"
    " AND p.operation_number = l.operation_number",
}
#: Plain is: one payment that stands and could be meant, of the same amount and currency, that no other line has. The
#: windows are by line and by payment: neither is matched twice, whatever the file repeats.
_MATCH = """
INSERT INTO {match} (line_id, payment_id, kind, amount, rule, author, reason, created_at, stands, part)
SELECT found.line_id, found.payment_id, %s, found.gross, %s, %s, '', %s, TRUE, 0 FROM (
    SELECT l.id AS line_id, p.id AS payment_id, l.gross, l.currency, p.amount, p.currency AS paid_in, m.id AS taken,
        COUNT(*) OVER (PARTITION BY l.id) AS candidates,
        ROW_NUMBER() OVER (
            PARTITION BY p.id
            ORDER BY CASE WHEN p.amount = l.gross AND p.currency = l.currency THEN 0 ELSE 1 END, l.number
        ) AS place
    FROM {line} l
    JOIN {cip} c ON c.account = %s
    JOIN {payment} p ON p.cip_id = c.id AND {rule}
    LEFT JOIN {match} m ON m.payment_id = p.id AND m.kind = %s AND m.part = 0 AND m.stands
    WHERE l.settlement_id = %s AND l.status = 'new' AND l.number > %s AND l.number <= %s AND p.standing <> 'reversed'
) found
WHERE found.candidates = 1 AND found.place = 1 AND found.taken IS NULL
    AND found.amount = found.gross AND found.paid_in = found.currency
"""


def ranges(settlement: Settlement, since: int = 0) -> Iterator[tuple[int, int]]:
    """Return the numbers between which there are lines to match, some thousand at a time."""
    lines = SettlementLine.objects.using(database()).filter(settlement=settlement, status=LineStatus.NEW)
    while numbers := list(lines.filter(number__gt=since).order_by("number").values_list("number", flat=True)[:BATCH]):
        yield since, numbers[-1]
        since = numbers[-1]


def match_range(settlement: Settlement, after: int, until: int, now: datetime) -> None:
    """Match what is plain between two numbers of lines, and mark what was in another file; in one transaction."""
    with one_transaction() as alias:
        hold(settlement, alias, now)
        lines = SettlementLine.objects.using(alias).filter(settlement=settlement, number__gt=after, number__lte=until)
        _lock_orders(lines, settlement, alias)
        _insert_matches(settlement, after, until, now, alias)
        matched = Match.objects.using(alias).filter(line=OuterRef("pk"), stands=True)
        lines.filter(Exists(matched), status=LineStatus.NEW).update(status=LineStatus.MATCHED, first=True)
        matches = Match.objects.using(alias).filter(
            stands=True, line__settlement=settlement, line__number__gt=after, line__number__lte=until
        )
        history = History(alias, now, AUTHOR)
        if settlement.kind == StatementKind.SETTLEMENT:
            settle_orders(matches, settlement, history)
            compare_fees(lines.filter(status=LineStatus.MATCHED), settlement, history)
        mark_duplicates(lines, settlement, alias)
        history.write()


def hold(settlement: Settlement, alias: str, now: datetime) -> None:
    """Lock a settlement until the transaction ends, and keep the worker from it meanwhile."""
    mine = Settlement.objects.using(alias).filter(pk=settlement.pk)
    mine.filter(status=SettlementStatus.MATCHING).update(next_attempt_at=now + LEASE)
    mine.exclude(status=SettlementStatus.MATCHING).update(attempts=F("attempts"))


def _lock_orders(lines: QuerySet[SettlementLine], settlement: Settlement, alias: str) -> None:
    """Lock the orders of these lines in key order, as everybody who moves them does."""
    cips = Cip.objects.using(alias).filter(account=settlement.account)
    new = lines.filter(status=LineStatus.NEW)
    found: Any = cips.filter(code__in=new.exclude(code="").values("code")).values("order")
    if new.filter(code="").exists():
        # All at once: another file may know the same orders by something else.
        named = new.filter(code="").exclude(transaction_code="").values("transaction_code")
        numbered = new.filter(code="", transaction_code="").exclude(operation_number="").values("operation_number")
        by_name = cips.filter(transaction_code__in=named).values_list("order", flat=True)
        by_number = cips.filter(payments__operation_number__in=numbered).values_list("order", flat=True)
        found = {*found.values_list("order", flat=True), *by_name, *by_number}
    orders = Order.objects.using(alias).filter(pk__in=found).order_by("pk")
    list(orders.select_for_update().values_list("pk"))


def _insert_matches(settlement: Settlement, after: int, until: int, now: datetime, alias: str) -> None:
    connection = connections[alias]
    quote = connection.ops.quote_name
    tables = {
        name: quote(model._meta.db_table)
        for name, model in (("match", Match), ("line", SettlementLine), ("cip", Cip), ("payment", Payment))
    }
    moment = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        for rule, condition in RULES.items():
            told = (settlement.kind, rule, AUTHOR, moment, settlement.account, settlement.kind)
            cursor.execute(_MATCH.format(rule=condition, **tables), (*told, settlement.pk, after, until))


def settle_orders(matches: QuerySet[Match], settlement: Settlement, history: History) -> None:
    """Let the orders that these matches settle say so, and tell the shop. The orders are locked."""
    alias, now = history.alias, history.now
    paid = Order.objects.using(alias).filter(state=OrderState.PAID, settled_at__isnull=True)
    by = matches.filter(payment__standing=Standing.APPLIED).values("payment__cip")
    told = list(paid.filter(cip__in=by).values_list("pk", "event_count", "cip"))
    if not told:
        return
    paid.filter(cip__in=by).update(settled_at=now, event_count=F("event_count") + 1)
    receivers = SIGNALS["payment_settled"].by_name
    events = [(uuid4(), order, count + 1, cip) for order, count, cip in told]
    detail, state, trace = f"settlement {settlement}"[:500], OrderState.PAID.value, current_trace()
    insert_many(
        OrderEvent,
        _EVENT,
        (
            (event, order, number, "payment_settled", "", state, state, history.actor[:150], detail, cip, trace, now)
            for event, order, number, cip in events
        ),
    )
    if receivers:
        insert_many(
            Delivery,
            ("event", "receiver", "attempts", "next_attempt_at", "last_error"),
            ((event, receiver, 0, now, "") for event, *_ in events for receiver in receivers),
        )
        after_commit(publish_written, [])
    overdue = Discrepancy.objects.using(alias).filter(kind=Kind.UNSETTLED_OVERDUE).open()
    if overdue.exists():
        overdue.filter(order__in=[order for order, *_ in told]).update(
            **closed(history.actor, f"It is in settlement {settlement}.", now)
        )


def compare_fees(lines: QuerySet[SettlementLine], settlement: Settlement, history: History) -> None:
    """Ask a person about fees that are not the contract's."""
    if settlement.currency not in conf.fees:
        return
    tolerance = conf.fee_tolerance
    expected = lru_cache(maxsize=10_000)(lambda amount, day: expected_fee(amount, settlement.currency, day))
    for pk, gross, fee, tax, paid_at in lines.values_list("pk", "gross", "fee", "tax", "paid_at"):
        right: Fee | None = expected(gross, lima_day(paid_at) if paid_at else settlement.dated)
        if right is not None and abs(fee + tax - right.total) > tolerance:
            line = SettlementLine.objects.using(history.alias).get(pk=pk)
            detail = f"The contract says {right.amount:.2f} and IGV {right.tax:.2f}."
            question(history, Kind.FEE_MISMATCH, line, settlement, detail, amount=abs(fee + tax - right.total))


def question(
    history: History,
    kind: Kind,
    line: SettlementLine,
    settlement: Settlement,
    detail: str,
    *,
    order: Order | None = None,
    cip: Cip | None = None,
    payment: Payment | None = None,
    amount: Decimal | None = None,
    anew: bool = False,
) -> None:
    """Put a line to a person; the same line of another file is the same question."""
    evidence = {"at": history.now.isoformat(), "detail": detail, **said_by(line, settlement)}
    history.ask(
        kind,
        f"line:{line.digest}",
        evidence,
        order=order,
        cip=cip,
        payment=payment,
        settlement=settlement,
        line=line,
        amount=line.gross if amount is None else amount,
        currency=line.currency,
        anew=anew,
    )


def said_by(line: SettlementLine, settlement: Settlement) -> dict[str, str]:
    """Return what a line says, without personal data."""
    said = {
        "settlement": str(settlement),
        "line": line.number,
        "code": line.code,
        "transaction_code": line.transaction_code,
        "operation_number": line.operation_number,
        "amount": line.gross,
        "currency": line.currency,
        "fee": line.fee,
        "IGV": line.tax,
        "paid_at": line.paid_at and line.paid_at.isoformat(),
        "source": "statement",
    }
    return {name: str(value) for name, value in said.items() if value not in (None, "")}


def mark_duplicates(lines: QuerySet[SettlementLine], settlement: Settlement, alias: str) -> None:
    """Mark what another line said before: it doesn't count, and its money is no payout."""
    earlier = (
        SettlementLine.objects.using(alias).filter(digest=OuterRef("digest"), first=True).exclude(pk=OuterRef("pk"))
    )
    again = lines.filter(Exists(earlier), status=LineStatus.NEW)
    duplicates: Sequence[int] = list(again.values_list("pk", flat=True))
    for begin in range(0, len(duplicates), 500):
        mine = SettlementLine.objects.using(alias).filter(pk__in=duplicates[begin : begin + 500])
        _count_out(mine, settlement, alias)
        mine.update(status=LineStatus.DUPLICATE, reason="The same line was imported before.")


def _count_out(lines: QuerySet[SettlementLine], settlement: Settlement, alias: str) -> None:
    if settlement.kind == StatementKind.SETTLEMENT:
        net = lines.aggregate(sum=Sum("net"))["sum"]
        mine = Settlement.objects.using(alias).filter(pk=settlement.pk)
        if net and mine.update(open_amount=F("open_amount") - net) and mine.filter(deposits__isnull=False).exists():
            # A deposit that was the settlement's sum when it was entered may not be it any more.
            compare_payout(mine.get(), History(alias, timezone.now(), AUTHOR), counted_out=f"{net:.2f}")
