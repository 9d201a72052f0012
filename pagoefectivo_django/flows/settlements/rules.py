"""Matching of a settlement's plain lines with payments, thousands in a statement; the rest is judged line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import uuid4

from django.db import connections
from django.db.models import Exists, F, OuterRef, QuerySet, Sum

from ...actors import IMPORT
from ...conf import conf
from ...fees import Fee, expected_fee
from ...models import (
    Cip,
    Delivery,
    Discrepancy,
    FeedEntry,
    Match,
    Order,
    OrderEvent,
    Payment,
    Settlement,
    SettlementLine,
)
from ...models.clock import current_time
from ...models.database import LEASE, after_commit, database, insert_many, lock_rows, one_transaction
from ...signals import SIGNALS
from ...states import Kind, LineStatus, OrderState, PaymentStatus, SettlementStatus, StatementKind
from ...traces import current_trace
from ...workdays import lima_day, midnight
from ..ledger.history import History, closed
from ..outbox.publish import publish_written
from .discrepancies import discrepancy
from .payout import compare_payout
from .reading import BATCH

#: The columns of an event that is written in bulk.
_EVENT = (
    *("id", "order", "number", "kind", "fact", "state_before", "state_after", "cip", "trace", "created_at"),
    *("actor_kind", "actor_name", "data", "reason"),
)
#: A line is known by its CIP, else by its transaction code, else by its operation number; the first rule that finds a
#: payment wins. Operation numbers come again in time, so the days must be near as well; and a line that names a code
#: and a day weeks from the payment's means another payment.
RULES = {
    "code": "c.code = l.code AND (l.transaction_code = '' OR l.transaction_code = c.transaction_code) AND {same_weeks}",
    "transaction_code": "l.code = '' AND c.transaction_code = l.transaction_code AND {same_weeks}",
    "operation_number": "l.code = '' AND l.transaction_code = '' AND l.operation_number <> ''"
    " AND p.operation_number = l.operation_number"
    " AND COALESCE(p.paid_at, p.first_heard_at) BETWEEN COALESCE({early}, %s) AND COALESCE({late}, %s)",
}
_SAME_WEEKS = "(l.paid_at IS NULL OR COALESCE(p.paid_at, p.first_heard_at) BETWEEN {early} AND {late})"
#: The most keys in one statement.
KEYS = 1000
#: The most days between a line and its payment, where only the operation number is known.
NEAR = timedelta(days=2)
#: The most days between them where the code is known, and between a payment and its settlement where lines have no day.
SETTLED_AFTER = timedelta(days=35)
#: **The only rule for a line's payment**: not reversed, with the amount and currency that the payer paid by the line,
#: and with the line's operation number if both have one. A line that a person has to read has a reason already and is
#: left out.
_PAIRS = """
SELECT l.id AS line_id, l.number, p.amount, p.id AS payment_id, m.id AS taken, c.order_id,
    CASE WHEN p.operation_number = l.operation_number THEN 0 ELSE 1 END AS unnumbered,
    CASE WHEN p.paid_at = l.paid_at THEN 0 ELSE 1 END AS undated
FROM {line} l
JOIN {cip} c ON c.account = %s
JOIN {payment} p ON p.cip_id = c.id AND {rule}
LEFT JOIN {match} m ON m.payment_id = p.id AND m.kind = %s AND m.part = 0 AND m.stands
WHERE l.settlement_id = %s AND l.status = 'new' AND l.about = '' AND l.number > %s AND l.number <= %s
    AND p.status <> 'reversed' AND p.amount = COALESCE(l.payment_amount, l.gross)
    AND p.currency = CASE WHEN l.payment_amount IS NULL THEN l.currency ELSE l.payment_currency END
    AND (l.operation_number = '' OR p.operation_number IS NULL OR p.operation_number = l.operation_number)
"""
#: A match is plain if the line has one such payment that no line has yet. The windows are by line and by payment, so
#: neither is matched twice, whatever the file repeats.
_MATCH = """
INSERT INTO {match} (line_id, payment_id, kind, amount, rule, author, reason, created_at, stands, part)
SELECT found.line_id, found.payment_id, %s, found.amount, %s, %s, '', %s, TRUE, 0 FROM (
    SELECT pairs.*,
        COUNT(*) OVER (PARTITION BY pairs.line_id) AS candidates,
        ROW_NUMBER() OVER (
            PARTITION BY pairs.payment_id ORDER BY pairs.unnumbered, pairs.undated, pairs.number
        ) AS place
    FROM ({pairs}) pairs
    WHERE pairs.taken IS NULL
) found
WHERE found.candidates = 1 AND found.place = 1{free}
"""


def ranges(settlement: Settlement, since: int = 0) -> Iterator[tuple[int, int]]:
    """Yield pairs (after, until) of line numbers around the lines to match, ``BATCH`` lines each."""
    lines = SettlementLine.objects.using(database()).filter(settlement=settlement, status=LineStatus.NEW)
    while numbers := list(lines.filter(number__gt=since).order_by("number").values_list("number", flat=True)[:BATCH]):
        yield since, numbers[-1]
        since = numbers[-1]


def match_range(settlement: Settlement, after: int, until: int, now: datetime, *, wait: bool = True) -> None:
    """Match plain lines between two line numbers and mark lines of another file as duplicates, in a transaction.

    ``wait`` False: lines whose orders another process holds stay new; if another process holds the settlement, all do.
    """
    with one_transaction() as alias:
        if not hold(settlement, alias, now, wait=wait):
            return
        lines = SettlementLine.objects.using(alias).filter(settlement=settlement, number__gt=after, number__lte=until)
        held = _lock_orders(lines, settlement, alias, wait=wait)
        # First pass: a line that counts already must not take a second payment of its code. The second pass, below,
        # marks lines that are twice in this file.
        mark_duplicates(lines, settlement, alias)
        _insert_matches(settlement, after, until, now, alias, held)
        matched = Match.objects.using(alias).filter(line=OuterRef("pk"), stands=True)
        lines.filter(Exists(matched), status=LineStatus.NEW).update(status=LineStatus.MATCHED, first=True)
        mark_duplicates(lines, settlement, alias)
        # Only the matches made now: the orders of earlier matches are not locked.
        matches = Match.objects.using(alias).filter(
            stands=True, created_at=now, line__settlement=settlement, line__number__gt=after, line__number__lte=until
        )
        forget_payers(matches)
        history = History(alias, now, IMPORT)
        if settlement.kind == StatementKind.SETTLEMENT:
            settle_orders(matches, settlement, history)
            compare_fees(lines.filter(Exists(matched.filter(created_at=now))), settlement, history)
        history.write()


def hold(settlement: Settlement, alias: str, now: datetime, *, wait: bool = True) -> bool:
    """Lock a settlement until the transaction ends, and keep the worker away for a lease; True if locked.

    ``wait`` False: returns False if another process holds the settlement.
    """
    mine = Settlement.objects.using(alias).filter(pk=settlement.pk)
    if not wait and not lock_rows(mine, wait=False):
        return False
    mine.filter(status=SettlementStatus.MATCHING).update(retry_at=now + LEASE)
    mine.exclude(status=SettlementStatus.MATCHING).update(attempts=F("attempts"))
    return True


def _lock_orders(lines: QuerySet[SettlementLine], settlement: Settlement, alias: str, *, wait: bool) -> list[int]:
    """Lock the orders of new lines in key order, like every flow; return the keys held by another process."""
    cips = Cip.objects.using(alias).filter(account=settlement.account)
    new = lines.filter(status=LineStatus.NEW)
    found: Any = cips.filter(code__in=new.exclude(code="").values("code")).values("order")
    if new.filter(code="").exists():
        # All orders in one lock: another file may find the same orders by another rule, in another order.
        named = new.filter(code="").exclude(transaction_code="").values("transaction_code")
        numbered = new.filter(code="", transaction_code="").exclude(operation_number="").values("operation_number")
        by_name = cips.filter(transaction_code__in=named).values_list("order", flat=True)
        by_number = cips.filter(payments__operation_number__in=numbered).values_list("order", flat=True)
        found = {*found.values_list("order", flat=True), *by_name, *by_number}
    orders = Order.objects.using(alias).filter(pk__in=found).order_by("pk")
    if wait:
        list(orders.select_for_update().values_list("pk"))
        return []
    pks = list(orders.values_list("pk", flat=True))
    locked = {*lock_rows(Order.objects.using(alias).filter(pk__in=pks), wait=False)}
    return [pk for pk in pks if pk not in locked]


def _insert_matches(
    settlement: Settlement, after: int, until: int, now: datetime, alias: str, held: Sequence[int]
) -> None:
    connection = connections[alias]
    # A payment of a locked order is still a candidate: without it, a line with two candidates would look plain.
    free = f" AND found.order_id NOT IN ({', '.join(map(str, held))})" if held else ""
    moment = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        for rule in RULES:
            pairs, told = _pairs(rule, settlement, after, until, alias)
            statement = _MATCH.format(pairs=pairs, free=free, **_tables(alias))
            cursor.execute(statement, (settlement.kind, rule, str(IMPORT), moment, *told))


def payments_for(line: SettlementLine, settlement: Settlement, alias: str) -> tuple[str, list[tuple[int, bool]]]:
    """Return the rule that finds payments for a new line, and their keys, best first, each with whether still free."""
    with connections[alias].cursor() as cursor:
        for rule in RULES:
            pairs, told = _pairs(rule, settlement, line.number - 1, line.number, alias)
            cursor.execute(f"SELECT pairs.payment_id, pairs.taken FROM ({pairs}) pairs ORDER BY {_BEST}", told)  # nosec B608
            if found := cursor.fetchall():
                return rule, [(payment, taken is None) for payment, taken in found]
    return "", []


_BEST = "pairs.unnumbered, pairs.undated, pairs.payment_id"


def _tables(alias: str) -> dict[str, str]:
    quote = connections[alias].ops.quote_name
    tables = (("match", Match), ("line", SettlementLine), ("cip", Cip), ("payment", Payment))
    return {name: quote(model._meta.db_table) for name, model in tables}


def _pairs(
    rule: str, settlement: Settlement, after: int, until: int, alias: str
) -> tuple[str, tuple[str | int | datetime, ...]]:
    """Return the query for pairs of lines and payments by a rule, and the query's parameters."""
    ops = connections[alias].ops
    early, late = _around(NEAR, alias)
    first, last = _around(SETTLED_AFTER, alias)
    same_weeks = _SAME_WEEKS.format(early=first, late=last)
    days: tuple[Any, ...] = ()
    if rule == "operation_number":
        day = midnight(settlement.dated)
        days = tuple(map(ops.adapt_datetimefield_value, (day - SETTLED_AFTER, day + NEAR)))
    named = RULES[rule].format(early=early, late=late, same_weeks=same_weeks)
    sql = _PAIRS.format(rule=named, **_tables(alias))
    return sql, (settlement.account, *days, settlement.kind, settlement.pk, after, until)


def _around(span: timedelta, alias: str) -> tuple[str, str]:
    """Return SQL for the moments a span before and after a line's date."""
    connection = connections[alias]
    microseconds = span // timedelta(microseconds=1)
    days = {"sqlite": f"{microseconds}", "postgresql": f"INTERVAL '{span.days} days'"}
    interval = days.get(connection.vendor, f"INTERVAL {span.days} DAY")
    early, late = (connection.ops.combine_duration_expression(sign, ["l.paid_at", interval]) for sign in "-+")
    return early, late


def forget_payers(matches: QuerySet[Match]) -> None:
    """Clear the payer in matched lines of orders whose payer data was erased."""
    erased = matches.filter(payment__cip__order__forgotten_at__isnull=False)
    lines = SettlementLine.objects.using(matches.db)
    if named := list(erased.exclude(line__payer="").values_list("line", flat=True)):
        lines.filter(pk__in=named).update(payer="")


def settle_orders(matches: QuerySet[Match], settlement: Settlement, history: History) -> None:
    """Set ``settled_at`` on the orders of these matches, and send ``payment_settled``; the orders are locked.

    A refunded order is settled too, but no signal is sent, since the shop would ship.
    """
    alias, now = history.alias, history.now
    by = matches.filter(payment__status=PaymentStatus.APPLIED).values("payment__cip")
    mine = Order.objects.using(alias).filter(
        cip__in=by, state__in=(OrderState.PAID, OrderState.REFUNDED), settled_at__isnull=True
    )
    found = list(mine.values_list("pk", "event_count", "cip", "state"))
    told = [(order, count, cip) for order, count, cip, state in found if state == OrderState.PAID]
    refunded = [order for order, _count, _cip, state in found if state == OrderState.REFUNDED]
    _write_settled(refunded, alias, settled_at=now)
    if told:
        _write_settled([order for order, *_ in told], alias, settled_at=now, event_count=F("event_count") + 1)
        _tell_settled(told, settlement, history)
    overdue = Discrepancy.objects.using(alias).filter(kind=Kind.UNSETTLED_OVERDUE).open()
    if found and overdue.exists():
        overdue.filter(order__in=[order for order, *_ in found]).update(**closed(history.actor, "settled", now))


def _write_settled(orders: Sequence[int], alias: str, **values: Any) -> None:
    """Write values to orders by their keys: MariaDB scans for a condition with a subquery, and waits for any lock."""
    for begin in range(0, len(orders), KEYS):
        Order.objects.using(alias).filter(pk__in=orders[begin : begin + KEYS]).update(**values)


def _tell_settled(told: Sequence[tuple[int, int, int | None]], settlement: Settlement, history: History) -> None:
    now = history.now
    receivers = SIGNALS["payment_settled"].by_name
    who = (history.actor.kind.value, history.actor.name)
    events = [(uuid4(), order, count + 1, cip) for order, count, cip in told]
    data, state, trace = {"settlement": str(settlement)}, OrderState.PAID.value, current_trace()
    insert_many(
        OrderEvent,
        _EVENT,
        (
            (event, order, number, "payment_settled", "", state, state, cip, trace, now, *who, data, "")
            for event, order, number, cip in events
        ),
    )
    insert_many(FeedEntry, ("event",), ((event,) for event, *_ in events))
    if receivers:
        insert_many(
            Delivery,
            ("event", "receiver", "attempts", "retry_at", "last_error"),
            ((event, receiver, 0, now, "") for event, *_ in events for receiver in receivers),
        )
        after_commit(publish_written, [])


def compare_fees(lines: QuerySet[SettlementLine], settlement: Settlement, history: History) -> None:
    """Open a discrepancy for each line whose fee and IGV differ from the contract's by more than the tolerance.

    A contract's fee is in the payment's currency, so the fee of a payment that was exchanged is compared with nothing.
    """
    if settlement.currency not in conf.fees:
        return
    tolerance = conf.fee_tolerance
    expected = lru_cache(maxsize=10_000)(lambda amount, day: expected_fee(amount, settlement.currency, day))
    lines = lines.filter(payment_amount__isnull=True)
    for pk, gross, fee, tax, paid_at in lines.values_list("pk", "gross", "fee", "tax", "paid_at"):
        right: Fee | None = expected(gross, lima_day(paid_at) if paid_at else settlement.dated)
        if right is not None and abs(fee + tax - right.total) > tolerance:
            line = SettlementLine.objects.using(history.alias).get(pk=pk)
            data = {"about": "other_fee", "contract_fee": f"{right.amount:.2f}", "contract_tax": f"{right.tax:.2f}"}
            discrepancy(history, Kind.FEE_MISMATCH, line, settlement, data, amount=abs(fee + tax - right.total))


def mark_duplicates(lines: QuerySet[SettlementLine], settlement: Settlement, alias: str) -> None:
    """Mark new lines imported before as duplicates, and take their money off the settlement's open amount."""
    earlier = (
        SettlementLine.objects.using(alias).filter(digest=OuterRef("digest"), first=True).exclude(pk=OuterRef("pk"))
    )
    again = lines.filter(Exists(earlier), status=LineStatus.NEW)
    duplicates: Sequence[int] = list(again.values_list("pk", flat=True))
    for begin in range(0, len(duplicates), 500):
        mine = SettlementLine.objects.using(alias).filter(pk__in=duplicates[begin : begin + 500])
        mine.update(status=LineStatus.DUPLICATE, about="imported_before")
        _count_out(mine, settlement, alias)


def _count_out(lines: QuerySet[SettlementLine], settlement: Settlement, alias: str) -> None:
    if settlement.kind == StatementKind.SETTLEMENT:
        net = lines.aggregate(sum=Sum("net"))["sum"]
        mine = Settlement.objects.using(alias).filter(pk=settlement.pk)
        if net and mine.update(open_amount=F("open_amount") - net) and mine.filter(deposits__isnull=False).exists():
            # A deposit equal to the settlement's sum when entered may differ from the new sum.
            compare_payout(mine.get(), History(alias, current_time(), IMPORT), counted_out=f"{net:.2f}")
