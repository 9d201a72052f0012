"""Matches by hand: a line is matched with a payment or unmatched; each adds a row."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError
from django.utils.translation import gettext_noop as _

from ...actors import Actor
from ...errors import InvalidRequest
from ...facts import utc
from ...models import Cip, Discrepancy, Match, Order, Payment, SettlementLine
from ...models.clock import current_time
from ...models.database import database, one_transaction
from ...models.orders import that_pays
from ...states import Kind, LineStatus, PaymentStatus, StatementKind
from ..ledger.history import History, closed
from ..ledger.locked import LockedOrder, lock_order, lock_orders
from ..ledger.subject import Subject
from .discrepancies import discrepancy
from .judging import insert_match, resolve_discrepancies
from .rules import hold


def match_line(
    line: SettlementLine, payment: Payment, *, actor: Actor | str, reason: str, now: datetime | None = None
) -> SettlementLine:
    """Match a line with a payment, as a person decided, and return the changed line.

    Raises ``InvalidRequest`` without actor or reason, for another amount, currency or account, for a reversed payment,
    for a line that waits for no person, or if the payment has a line already.
    """
    _need(actor, reason)
    now = now or current_time()
    try:
        with one_transaction() as alias:
            settlement = line.settlement
            hold(settlement, alias, now)
            lock_orders([payment.cip.order_id], alias)
            fresh = SettlementLine.objects.using(alias).select_for_update().get(pk=line.pk)
            paid = Payment.objects.using(alias).select_related("cip").get(pk=payment.pk)
            _check(fresh, paid, settlement.account)
            history = History(alias, now, actor)
            insert_match(fresh, paid, settlement, "hand", history, reason)
            resolve_discrepancies(fresh, None, closed(actor, "", now, reason=reason), alias)
            history.write()
    except IntegrityError:
        raise InvalidRequest(
            _("Payment %(payment)s has another line of a statement (%(kind)s); undo that match first."),
            code="payment_matched",
            payment=str(payment),
            kind=StatementKind(settlement.kind),
        ) from None
    line.refresh_from_db(using=database())
    return line


def unmatch_line(
    line: SettlementLine, *, actor: Actor | str, reason: str, now: datetime | None = None
) -> SettlementLine:
    """Undo a line's match, which opens a discrepancy, and return the changed line.

    The order is no longer settled; receivers of ``payment_settled`` are not told. Raises ``InvalidRequest`` without
    actor or reason, or if the line has no match.
    """
    _need(actor, reason)
    now = now or current_time()
    with one_transaction() as alias:
        settlement = line.settlement
        hold(settlement, alias, now)
        match = Match.objects.using(alias).filter(line=line, stands=True).select_related("payment__cip__order").first()
        if match is None:
            raise InvalidRequest(
                _("Line %(line)s has no match that could be undone."), code="line_not_matched", line=str(line)
            )
        cip = match.payment.cip
        locked = lock_order(cip.order, alias=alias, now=now, actor=actor)
        if not Match.objects.using(alias).filter(pk=match.pk, stands=True).update(stands=None):
            raise InvalidRequest(
                _("The match of line %(line)s was undone by somebody else at this moment."),
                code="match_undone",
                line=str(line),
            )
        Match(
            line=line, payment=match.payment, refund=match.refund, part=match.part, kind=match.kind,
            amount=-match.amount, rule="hand", author=str(Actor.of(actor)), reason=reason[:500], created_at=now,
            undoes=match, stands=None,
        ).save(using=alias)  # fmt: skip
        settles = match.kind == StatementKind.SETTLEMENT and not match.part
        if settles and match.payment == _paid_by(locked):
            Order.objects.using(alias).filter(pk=locked.order.pk, cip=cip).update(settled_at=None)
            _watch_again(locked, cip)
        lines = SettlementLine.objects.using(alias).filter(pk=line.pk)
        lines.update(status=LineStatus.DISCREPANCY, about="match_undone", data={}, reason=reason[:500])
        kind = Kind.MISSING_HERE if line.gross > 0 else Kind.REFUND_UNMATCHED
        data = {"about": "match_undone"}
        discrepancy(locked.history, kind, lines.get(), settlement, data, order=locked.order, cip=cip, anew=True)
        locked.write()
    line.refresh_from_db(using=database())
    return line


def _paid_by(locked: LockedOrder) -> Payment | None:
    """Return the payment that pays an order, else the last reversed payment, or None."""
    taken = [payment for payment in locked.payments if payment.status == PaymentStatus.REVERSED]
    return that_pays(locked.payments) or next(reversed(taken), None)


def _watch_again(locked: LockedOrder, cip: Cip) -> None:
    """Schedule questions about the code again, and reopen an overdue discrepancy resolved by the match."""
    locked.touch(next(mine for mine in locked.cips if mine.pk == cip.pk))
    overdue = Discrepancy.objects.using(locked.alias).filter(kind=Kind.UNSETTLED_OVERDUE, order=locked.order)
    if overdue.filter(resolution="", status=Discrepancy.Status.RESOLVED).exists():
        evidence = {"at": utc(locked.now), "about": "match_undone"}
        subject = Subject.of_order(locked.order, cip)
        locked.history.open_discrepancy(Kind.UNSETTLED_OVERDUE, subject, evidence, anew=True)


def _need(actor: Actor | str, reason: str) -> None:
    if not Actor.of(actor) or not reason.strip():
        raise InvalidRequest(
            _("A match is made and undone by somebody and for a reason; pass actor and reason."),
            code="match_needs_reason",
        )


def _check(line: SettlementLine, payment: Payment, account: str) -> None:
    if line.status not in (LineStatus.DISCREPANCY, LineStatus.IGNORED):
        raise InvalidRequest(
            _("Line %(line)s is %(status)s; only one in discrepancy is matched by hand."),
            code="line_not_in_discrepancy",
            line=str(line),
            status=LineStatus(line.status),
        )
    amount, currency = line.paid
    if (amount, currency) != (payment.amount, payment.currency):
        raise InvalidRequest(
            _("Line %(line)s has %(money)s, not %(payment)s; it can't be this payment."),
            code="line_of_another_amount",
            line=str(line),
            money=f"{currency} {amount:.2f}",
            payment=str(payment),
        )
    if payment.cip.account != account:
        raise InvalidRequest(
            _("Payment %(payment)s is of another account than the statement; it can't be in it."),
            code="payment_of_another_account",
            payment=str(payment),
        )
    if payment.status == PaymentStatus.REVERSED:
        raise InvalidRequest(
            _("Payment %(payment)s was taken back by the provider; look for another one."),
            code="payment_taken_back",
            payment=str(payment),
        )
