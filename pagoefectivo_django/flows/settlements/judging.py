"""The verdict on a line without a plain match: a match after all, a duplicate, a discrepancy, or ask the provider."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from django.db import IntegrityError

from ...actors import IMPORT
from ...facts import Data, money
from ...models import Cip, Discrepancy, Match, Payment, Refund, Settlement, SettlementLine
from ...models.database import database, lock_rows, one_transaction
from ...states import Kind, LineStatus, OrderState, PaymentStatus, RefundStatus, StatementKind
from ..ledger.history import History, closed
from ..ledger.locked import lock_order, lock_orders
from ..ledger.subject import Subject
from ..outbox.budget import TimeBudget
from .discrepancies import discrepancy
from .rules import compare_fees, forget_payers, hold, mark_duplicates, payments_for, settle_orders


class Verdict(NamedTuple):
    """The verdict on a line: a match, a question to the provider, or a discrepancy of a kind."""

    match: Payment | Refund | None = None
    #: The rule that matched: ``code``, ``transaction_code`` or ``operation_number``.
    rule: str = ""
    #: The provider is to be asked first.
    ask: bool = False
    kind: Kind | None = None
    #: Why it is a discrepancy, as data.
    data: Data = {}


#: Discrepancies about which payment a line belongs to.
ABOUT_MATCH = (
    Kind.MISSING_HERE,
    Kind.STATUS_MISMATCH,
    Kind.AMOUNT_MISMATCH,
    Kind.CURRENCY_MISMATCH,
    Kind.DUPLICATE_LINE,
    Kind.REFUND_UNMATCHED,
    Kind.UNCLEAR_LINE,
)


def judge(
    line_pk: int,
    settlement: Settlement,
    now: datetime,
    *,
    asked: Data | None = None,
    again: bool = False,
    wait: bool = True,
) -> None:
    """Give and apply the verdict on a line, in a transaction.

    ``asked``: data about the provider's answer, once asked. ``again``: judge a line in discrepancy too. ``wait``
    False: leave the line as it is if another process holds its order or its settlement.
    """
    try:
        _judge(line_pk, settlement, now, asked, again, wait)
    except IntegrityError:  # another process has just matched the same payment or line
        _judge(line_pk, settlement, now, asked, again, wait)


def look_again(budget: TimeBudget) -> None:
    """Judge anew the lines whose orders are paid by now, except lines held by another process."""
    discrepancies = Discrepancy.objects.using(database()).filter(
        kind=Kind.STATUS_MISMATCH, order__state=OrderState.PAID, cip__payments__status=PaymentStatus.APPLIED
    )
    lines = SettlementLine.objects.using(database()).filter(discrepancies__in=discrepancies.open())
    for line in lines.select_related("settlement").order_by("pk"):
        if budget.over:
            break
        judge(line.pk, line.settlement, budget.now, asked={"answer": "paid_by_now"}, again=True, wait=False)


def _judge(line_pk: int, settlement: Settlement, now: datetime, asked: Data | None, again: bool, wait: bool) -> None:
    with one_transaction() as alias:
        if not hold(settlement, alias, now, wait=wait):
            return
        lines = SettlementLine.objects.using(alias).filter(pk=line_pk)
        # A line's content never changes, so its order is found and locked before the line.
        cip = _cip_of(lines.get(), settlement, alias)
        if cip and not lock_orders([cip.order_id], alias, wait=wait):
            return
        lock_rows(lines)
        undecided = (LineStatus.ASKING, *((LineStatus.DISCREPANCY,) if again else ()))
        lines.filter(status__in=undecided).update(status=LineStatus.NEW, about="", data={}, reason="")
        mark_duplicates(lines, settlement, alias)
        line = lines.filter(status=LineStatus.NEW).select_for_update().first()
        if line is None:
            return
        verdict = _verdict(line, cip, settlement, alias, bool(asked))
        if verdict.ask:
            lines.update(status=LineStatus.ASKING)
        elif verdict.match:
            history = History(alias, now, IMPORT)
            insert_match(line, verdict.match, settlement, verdict.rule, history)
            history.write()
            resolve_discrepancies(line, verdict.kind, closed(IMPORT, "line_matched", now), alias)
        elif verdict.kind:
            resolve_discrepancies(line, verdict.kind, closed(IMPORT, "another_kind", now), alias)
            _put_to_person(line, cip, settlement, verdict, asked, now, alias)


def resolve_discrepancies(line: SettlementLine, but: Kind | None, answer: dict[str, Any], alias: str) -> None:
    """Resolve a line's open discrepancies about the match, except the kind ``but``; ``answer`` is of ``closed``."""
    asked = Discrepancy.objects.using(alias).filter(subject=Subject.of_line(line).text, kind__in=ABOUT_MATCH).open()
    asked.exclude(kind=but or "").update(**answer)


def insert_match(
    line: SettlementLine,
    of: Payment | Refund,
    settlement: Settlement,
    rule: str,
    history: History,
    reason: str = "",
) -> Match:
    """Match a line with a payment or a refund, settle the order and compare the fee; the order is locked."""
    refund = of if isinstance(of, Refund) else None
    match = Match(
        line=line,
        payment=of.payment if isinstance(of, Refund) else of,
        refund=refund,
        part=refund.pk if refund else 0,
        kind=settlement.kind,
        amount=line.paid[0],
        rule=rule,
        author=str(history.actor),
        reason=reason[:500],
        created_at=history.now,
    )
    match.save(using=history.alias)
    lines = SettlementLine.objects.using(history.alias).filter(pk=line.pk)
    lines.update(status=LineStatus.MATCHED, first=True, about="", data={}, reason="")
    matches = Match.objects.using(history.alias).filter(pk=match.pk)
    forget_payers(matches)
    if settlement.kind == StatementKind.SETTLEMENT and refund is None:
        settle_orders(matches, settlement, history)
        compare_fees(lines, settlement, history)
    return match


def _cip_of(line: SettlementLine, settlement: Settlement, alias: str) -> Cip | None:
    """Return the code meant by a line: by CIP, else by transaction code, else by operation number."""
    cips = Cip.objects.using(alias).filter(account=settlement.account).select_related("order")
    if line.code and (cip := cips.filter(code=line.code).first()):
        return cip
    if line.transaction_code and (cip := cips.filter(transaction_code=line.transaction_code).first()):
        return cip
    _, found = payments_for(line, settlement, alias)
    if len(found) == 1:
        return cips.get(payments=found[0][0])
    if line.gross < 0 and line.operation_number:
        paid = list(
            cips.filter(payments__operation_number=line.operation_number, payments__amount__gte=-line.paid[0])[:2]
        )
        return paid[0] if len(paid) == 1 else None
    return None


def _verdict(line: SettlementLine, cip: Cip | None, settlement: Settlement, alias: str, asked: bool) -> Verdict:
    """Return the verdict on a line; ``asked``: the provider has been asked, and is not asked again."""
    if line.about:
        return Verdict(kind=Kind.UNCLEAR_LINE, data={"about": line.about, **line.data})
    if cip is None:
        may_ask = bool(line.code) and line.gross > 0 and not asked
        kind = Kind.MISSING_HERE if line.gross > 0 else Kind.REFUND_UNMATCHED
        return Verdict(ask=may_ask, kind=kind, data={"about": "no_such_order"})
    other = line.code and cip.code and cip.code != line.code
    if other or (line.transaction_code and line.transaction_code != cip.transaction_code):
        return Verdict(kind=Kind.MISSING_HERE, data={"about": "codes_disagree"})
    if line.gross < 0:
        return _refund(line, cip, alias)
    return _payment(line, settlement, alias) or _no_payment(line, cip, alias, asked)


def _payment(line: SettlementLine, settlement: Settlement, alias: str) -> Verdict | None:
    """Return the verdict on a line of a payment known here: a match or ``duplicate_line``; None: not known."""
    rule, found = payments_for(line, settlement, alias)
    if free := [payment for payment, is_free in found if is_free]:
        return Verdict(match=Payment.objects.using(alias).get(pk=free[0]), rule=rule)
    return Verdict(kind=Kind.DUPLICATE_LINE, data={"about": "settled_already"}) if found else None


def _no_payment(line: SettlementLine, cip: Cip, alias: str, asked: bool) -> Verdict:
    """Return the verdict on a line whose code was paid by no payment that fits the line."""
    payments = Payment.objects.using(alias).filter(cip=cip).exclude(status=PaymentStatus.REVERSED).order_by("pk")
    if not payments:
        data = {"about": "not_paid_here", "state": cip.order.state}
        return Verdict(ask=not asked, kind=Kind.STATUS_MISMATCH, data=data)
    paid = [{**money(one.amount, one.currency), "operation_number": one.operation_number or ""} for one in payments]
    if same := [one for one in payments if (one.amount, one.currency) == line.paid]:
        # The line may be a second payment on the code, which the provider may confirm.
        numbers = {one.operation_number or line.operation_number for one in same}
        elsewhere = line.operation_number and line.operation_number not in numbers
        about = "paid_by_other_operation" if elsewhere else "paid_at_other_time"
        return Verdict(ask=not asked, kind=Kind.MISSING_HERE, data={"about": about, "payments": paid})
    other_currency = all(one.currency != line.paid[1] for one in payments)
    kind = Kind.CURRENCY_MISMATCH if other_currency else Kind.AMOUNT_MISMATCH
    return Verdict(kind=kind, data={"about": "paid_otherwise", "payments": paid})


def _refund(line: SettlementLine, cip: Cip, alias: str) -> Verdict:
    """Return the verdict on a negative line: a match with a refund of ours, or ``refund_unmatched``."""
    amount, currency = line.paid
    ours = Refund.objects.using(alias).filter(payment__cip=cip, amount=-amount, currency=currency)
    ours = ours.filter(status__in=(RefundStatus.SENT, RefundStatus.DONE)).exclude(matches__stands=True)
    found = ours.select_related("payment").order_by("pk").first()
    if found:
        known = "code" if line.code else "transaction_code" if line.transaction_code else "operation_number"
        return Verdict(match=found, rule=known)
    return Verdict(kind=Kind.REFUND_UNMATCHED, data={"about": "no_such_refund"})


def _put_to_person(
    line: SettlementLine,
    cip: Cip | None,
    settlement: Settlement,
    verdict: Verdict,
    asked: Data | None,
    now: datetime,
    alias: str,
) -> None:
    assert verdict.kind  # nosec B101 # tells mypy that the kind is set
    data: dict[str, Any] = {"about": "", **verdict.data, **(asked or {})}
    why = {name: value for name, value in data.items() if name != "about"}
    lines = SettlementLine.objects.using(alias).filter(pk=line.pk)
    lines.update(status=LineStatus.DISCREPANCY, first=True, about=data["about"], data=why)
    locked = lock_order(cip.order, alias=alias, now=now, actor=IMPORT) if cip else None
    history = locked.history if locked else History(alias, now, IMPORT)
    discrepancy(history, verdict.kind, line, settlement, data, order=locked.order if locked else None, cip=cip)
    if locked:
        locked.write()
    else:
        history.write()
