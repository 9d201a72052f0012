"""Apply reports about the life of a code: issued, refused, lost, expired, deleted, unknown."""

from __future__ import annotations

from ...channels.base import Report
from ...conf import conf
from ...models import Cip, Discrepancy, Payment
from ...states import TABLE, CipStatus, Condition, Fact, Kind, PaymentStatus, PendingAction
from ..provider.accounts import account_at
from .contradictions import contradict, now_confirmed
from .history import closed
from .locked import LockedOrder
from .refunds import given_back
from .schedule import deadline


def issued(locked: LockedOrder, cip: Cip, report: Report, asked: bool) -> None:
    """Apply a report saying the code can be paid."""
    rule = TABLE[locked.state][Fact.ISSUED]
    live = locked.live_cip()
    was = CipStatus(cip.status)
    # While an extension is pending, an expired code that can be paid again was revived on request, even if another
    # process than the extending one hears of the revival first.
    asked = asked or (was == CipStatus.EXPIRED and locked.order.pending_action == PendingAction.EXTEND)
    # A report without ``asked_at`` is the answer to the request for the code. The answer may be written late, so its
    # date is ignored for a code that is current already.
    answered = report.asked_at is not None
    # A code requested without a date is of a provider that takes none: the order's date stays the shop's.
    dated = cip.expires_at is not None
    locked.learn(cip, report, date=answered or was != CipStatus.CURRENT)
    if was == CipStatus.PAID and not answered:
        return  # the answer to the request for the code says nothing about the time since
    if was == CipStatus.PAID:
        if taken := _taken(locked, cip):
            contradict(locked, Kind.REVERSED, report, cip, taken[-1])
        else:
            locked.delete_at_provider(cip)
            locked.note(Fact.ISSUED, cip)
    elif was == CipStatus.CURRENT:
        if asked and dated and report.expires_at and locked.order.expires_at != report.expires_at:
            now_confirmed(locked, "The provider says until when it can be paid.")
            locked.order.expires_at = report.expires_at
            locked.touch(cip)
            locked.note(Fact.ISSUED, cip, f"extended until {report.expires_at.isoformat()}")
    elif _reaches(was, live, cip, asked) and rule.to and (not rule.condition or (asked and not locked.ordered_again())):
        if live and live is not cip:
            locked.move_cip(live, CipStatus.SUPERSEDED)
            locked.delete_at_provider(live)
        locked.move_cip(cip, CipStatus.CURRENT)
        cip.retry_at = None
        if dated and cip.expires_at:
            locked.order.expires_at = cip.expires_at
        elif locked.order.pending_action == PendingAction.REISSUE and locked.order.action_date:
            locked.order.expires_at = locked.order.action_date
        locked.move_order(rule.to, Fact.ISSUED, cip, ended=PendingAction.REISSUE if asked else PendingAction.ISSUE)
    else:
        if was in (CipStatus.REQUESTED, CipStatus.LOST):
            locked.move_cip(cip, CipStatus.SUPERSEDED)
        locked.delete_at_provider(cip)
        locked.note(Fact.ISSUED, cip)


def _reaches(was: CipStatus, live: Cip | None, cip: Cip, asked: bool) -> bool:
    """Return whether an issued code becomes the order's current code: requested, found again, or asked for."""
    return was == CipStatus.REQUESTED or asked or (was == CipStatus.LOST and live in (None, cip))


def ended(locked: LockedOrder, cip: Cip, report: Report, asked: bool) -> None:
    """Apply a report saying the code was refused, lost, expired or deleted."""
    was, fact = CipStatus(cip.status), report.fact
    # While a reissue is pending, a deletion was ours, even if another process than the reissuing one hears of the
    # deletion first: the code is superseded and the order stays.
    asked = asked or (fact == Fact.CODE_DELETED and locked.order.pending_action == PendingAction.REISSUE)
    # A link that ends before its order is superseded: the payer's next press asks for another.
    asked = asked or (fact == Fact.CODE_EXPIRED and cip.is_link and locked.now < locked.order.expires_at)
    becomes, from_these = {
        Fact.REFUSED: (CipStatus.REFUSED, {CipStatus.REQUESTED}),
        Fact.LOST: (CipStatus.LOST, {CipStatus.REQUESTED}),
        Fact.CODE_EXPIRED: (
            CipStatus.SUPERSEDED if asked else CipStatus.EXPIRED,
            {CipStatus.REQUESTED, CipStatus.CURRENT, CipStatus.LOST},
        ),
        Fact.CODE_DELETED: (
            CipStatus.SUPERSEDED if asked else CipStatus.DELETED,
            {CipStatus.REQUESTED, CipStatus.CURRENT, CipStatus.LOST, CipStatus.EXPIRED},
        ),
    }[fact]
    reaches = was == (CipStatus.REQUESTED if fact in (Fact.REFUSED, Fact.LOST) else CipStatus.CURRENT)
    if was in from_these:
        locked.move_cip(cip, becomes)
    if fact in (Fact.CODE_DELETED, Fact.CODE_EXPIRED) and cip.retry_at:
        cip.retry_at = None
        locked.touch(cip)
        discrepancies = Discrepancy.objects.using(locked.alias).filter(kind=Kind.STILL_PAYABLE, cip=cip).open()
        discrepancies.update(**closed(locked.actor, f"The provider says: {fact.label}.", locked.now))
    past = fact == Fact.CODE_DELETED and deadline(locked.order.expires_at) <= locked.now
    rule = TABLE[locked.state][Fact.LAPSED if past and reaches else fact]
    early = fact == Fact.CODE_EXPIRED and locked.now < locked.order.expires_at
    wanted = fact in (Fact.CODE_DELETED, Fact.CODE_EXPIRED) and asked
    last = rule.condition != Condition.LAST_ROUTE or _no_route_left(locked)
    if was == CipStatus.PAID and report.asked_at and fact in (Fact.CODE_DELETED, Fact.CODE_EXPIRED):
        missing_there(locked, cip, report)
    if reaches and rule.to and last and not early and not wanted and not locked.in_review():
        locked.move_order(rule.to, fact, cip, report.detail)
        now_confirmed(locked, f"The provider says: {fact.label}.")
    elif rule.noted or cip.status != was or rule.to:
        locked.note(fact, cip, report.detail)


def unknown(locked: LockedOrder, cip: Cip, report: Report, asked: bool) -> None:
    """Record an unknown fact, or a code unknown to the provider, for staff; states and statuses stay.

    A paid code unknown to the provider opens a ``MISSING_THERE`` discrepancy.
    """
    if cip.status == CipStatus.PAID and report.fact == Fact.ABSENT:
        missing_there(locked, cip, report)
    locked.note(report.fact, cip, report.detail)


def missing_there(locked: LockedOrder, cip: Cip, report: Report) -> None:
    """Open a ``MISSING_THERE`` discrepancy for a code whose payments the provider's answer contradicts."""
    if _taken(locked, cip):
        contradict(locked, Kind.MISSING_THERE, report, cip)


def _taken(locked: LockedOrder, cip: Cip) -> list[Payment]:
    """Return the payments of a code that the provider should still list: not reversed, not given back whole."""
    kept = [payment for payment in locked.payments_of(cip) if payment.status != PaymentStatus.REVERSED]
    return [payment for payment in kept if not given_back(locked, payment)]


def _no_route_left(locked: LockedOrder) -> bool:
    refused = {cip.account for cip in locked.cips if cip.status == CipStatus.REFUSED}
    return all(account_at(alias) in refused for alias in conf.route(locked.order.currency))
