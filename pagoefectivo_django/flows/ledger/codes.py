"""Apply reports about the life of a code, by the code table: issued, in process, ended, unknown."""

from __future__ import annotations

from ...channels.base import Channel, Report
from ...facts import utc
from ...models import Cip, Discrepancy, Payment
from ...states import CipStatus, Fact, Kind, OrderState, PaymentStatus, PendingAction
from ...transitions import CODE_TABLE, ORDER_TABLE, Condition, Rule
from ..provider.routes import fitting
from .contradictions import contradict, now_confirmed
from .history import closed
from .locked import LockedOrder
from .refunds import given_back
from .schedule import IN_PROCESS_LIMIT, deadline

#: Facts that leave open whether a payment is in process.
SAYS_NOTHING = (Fact.IN_PROCESS, Fact.UNKNOWN, Fact.ABSENT, Fact.LOST)


def issued(locked: LockedOrder, cip: Cip, report: Report, wanted: bool) -> None:
    """Apply a report saying the code can be paid."""
    was = CipStatus(cip.status)
    # While an extension is pending, an expired code that can be paid again was revived on request, even if another
    # process than the extending one hears of the revival first.
    wanted = wanted or (was == CipStatus.EXPIRED and locked.order.pending_action == PendingAction.EXTEND)
    # A report without ``asked_at`` is the answer to the request for the code. The answer may be written late, so its
    # date is ignored for a code that is current already.
    answered = report.asked_at is not None
    # A code requested without a date is of a provider that takes none: the order's date stays the shop's.
    dated = cip.expires_at is not None
    locked.learn(cip, report, date=answered or was != CipStatus.CURRENT)
    if was == CipStatus.PAID:
        if answered:  # the answer to the request for the code says nothing about the time since
            _paid_yet_open(locked, cip, report)
    elif was == CipStatus.CURRENT:
        if wanted and dated:
            _take_date(locked, cip, report)
    elif _becomes_current(locked, cip, report.fact, wanted):
        _make_current(locked, cip, report.fact, wanted, dated)
    else:
        if was in (CipStatus.REQUESTED, CipStatus.LOST):
            locked.move_cip(cip, CipStatus.SUPERSEDED)
        locked.delete_at_provider(cip)
        locked.note(report.fact, cip)


def _paid_yet_open(locked: LockedOrder, cip: Cip, report: Report) -> None:
    """Apply an answer saying a paid code can be paid: a contradiction, unless all of the money went back."""
    if taken := _taken(locked, cip):
        contradict(locked, Kind.REVERSED, report, cip, taken[-1])
    else:
        locked.delete_at_provider(cip)
        locked.note(report.fact, cip)


def _take_date(locked: LockedOrder, cip: Cip, report: Report) -> None:
    """Take the date that a current code was extended to."""
    if report.expires_at and locked.order.expires_at != report.expires_at:
        now_confirmed(locked, "date_told")
        locked.order.expires_at = report.expires_at
        locked.touch(cip)
        locked.note(report.fact, cip, {"about": "extended", "until": utc(report.expires_at)})


def _becomes_current(locked: LockedOrder, cip: Cip, fact: Fact, wanted: bool) -> bool:
    """Return whether a code becomes the order's current code, by both tables."""
    rule, of_order = CODE_TABLE[CipStatus(cip.status)][fact], ORDER_TABLE[locked.state][fact]
    alone = rule.condition == Condition.ALONE and locked.live_cip() in (None, cip)
    if not rule.to or not of_order.to or not (rule.condition is None or alone or wanted):
        return False
    return not of_order.condition or (wanted and not locked.ordered_again())


def _make_current(locked: LockedOrder, cip: Cip, fact: Fact, wanted: bool, dated: bool) -> None:
    rule, live = ORDER_TABLE[locked.state][fact], locked.live_cip()
    assert rule.to  # nosec B101 # narrows the type for mypy
    if live and live is not cip:
        locked.move_cip(live, CipStatus.SUPERSEDED)
        locked.delete_at_provider(live)
    locked.move_cip(cip, CipStatus.CURRENT)
    cip.retry_at = None
    if dated and cip.expires_at:
        locked.order.expires_at = cip.expires_at
    elif locked.order.pending_action == PendingAction.REISSUE and locked.order.action_date:
        locked.order.expires_at = locked.order.action_date
    locked.move_order(rule.to, fact, cip, ended=PendingAction.REISSUE if wanted else PendingAction.ISSUE)


def in_process(locked: LockedOrder, cip: Cip, report: Report, wanted: bool) -> None:
    """Apply a report saying the provider examines a payment of the code, or a payment is in dispute.

    A requested or lost code is known from now on. After ``IN_PROCESS_LIMIT`` a discrepancy is opened.
    """
    if CODE_TABLE[CipStatus(cip.status)][Fact.IN_PROCESS].order:
        issued(locked, cip, report, wanted)
    else:
        locked.learn(cip, report)
    if cip.in_process_at is None:
        cip.in_process_at = locked.now
        locked.touch(cip)
    elif locked.now - cip.in_process_at > IN_PROCESS_LIMIT:
        told = Discrepancy.objects.using(locked.alias).filter(kind=Kind.IN_PROCESS, cip=cip)
        anew = not told.filter(resolved_at__gte=cip.in_process_at).exists()
        locked.open_discrepancy(Kind.IN_PROCESS, report, cip, anew=anew)
    locked.note(Fact.IN_PROCESS, cip, report.told)


def out_of_process(locked: LockedOrder, cip: Cip, fact: Fact) -> None:
    """Note that a code is in process no longer, and close the discrepancy about the time that the process took."""
    if cip.in_process_at and fact not in SAYS_NOTHING:
        cip.in_process_at = None
        locked.touch(cip)
        discrepancies = Discrepancy.objects.using(locked.alias).filter(kind=Kind.IN_PROCESS, cip=cip).open()
        discrepancies.update(**closed(locked.actor, f"told_{fact}", locked.now))


def refused(locked: LockedOrder, cip: Cip, report: Report, wanted: bool) -> None:
    """Apply a report saying the code was refused, lost, or failed after it was issued."""
    was, rule = CipStatus(cip.status), CODE_TABLE[CipStatus(cip.status)][report.fact]
    if rule.to:
        locked.move_cip(cip, rule.to)
    if report.fact == Fact.CODE_FAILED:
        _no_longer_payable(locked, cip, report.fact)
    if rule.discrepancy and report.asked_at:
        missing_there(locked, cip, report)
    _move_order(locked, cip, report, was, report.fact, moves=rule.order)


def ended(locked: LockedOrder, cip: Cip, report: Report, wanted: bool) -> None:
    """Apply a report saying the code expired or was deleted."""
    was, fact = CipStatus(cip.status), report.fact
    rule, early = CODE_TABLE[was][fact], fact == Fact.CODE_EXPIRED and locked.now < locked.order.expires_at
    # While a reissue is pending, a deletion was ours, even if another process than the reissuing one hears of the
    # deletion first: the code is superseded and the order stays.
    wanted = wanted or (fact == Fact.CODE_DELETED and locked.order.pending_action == PendingAction.REISSUE)
    # A link that ends before its order is superseded: the payer's next press asks for another.
    wanted = wanted or (early and cip.is_link)
    if rule.to:
        locked.move_cip(cip, CipStatus.SUPERSEDED if wanted else rule.to)
    _no_longer_payable(locked, cip, fact)
    if rule.discrepancy and report.asked_at:
        missing_there(locked, cip, report)
    past = fact == Fact.CODE_DELETED and rule.order and deadline(locked.order.expires_at) <= locked.now
    moves = rule.order and not early and not wanted
    _move_order(locked, cip, report, was, Fact.LAPSED if past else fact, moves=moves)


def _move_order(locked: LockedOrder, cip: Cip, report: Report, was: CipStatus, row: Fact, *, moves: bool) -> None:
    """Move the order by a row of the order table, ask the next route for a code, or note the fact."""
    rule = ORDER_TABLE[locked.state][row]
    moves, held = moves and rule.to is not None, locked.in_review()
    if moves and rule.to and not held and (rule.condition != Condition.LAST_ROUTE or _no_route_left(locked)):
        locked.move_order(rule.to, report.fact, cip, report.told)
        now_confirmed(locked, f"told_{report.fact}")
    elif moves and rule.next_route and not _no_route_left(locked):
        _ask_next_route(locked, cip, report)
    elif rule != Rule() or cip.status != was:
        locked.note(report.fact, cip, report.told)


def _no_longer_payable(locked: LockedOrder, cip: Cip, fact: Fact) -> None:
    """End attempts to delete a code, and close the discrepancy asking whether the code may still be paid."""
    if cip.retry_at:
        cip.retry_at = None
        locked.touch(cip)
        discrepancies = Discrepancy.objects.using(locked.alias).filter(kind=Kind.STILL_PAYABLE, cip=cip).open()
        discrepancies.update(**closed(locked.actor, f"told_{fact}", locked.now))


def _ask_next_route(locked: LockedOrder, cip: Cip, report: Report) -> None:
    """Make an order new again, so that the next channel of the route is asked for a code."""
    order = locked.order
    if PendingAction.EXTEND in (order.pending_action, order.deferred_action):
        locked.end_action("code_failed")
    locked.move_order(OrderState.NEW, report.fact, cip, report.told)
    if not (order.pending_action or order.deferred_action):
        order.pending_action, order.action_requested_at, order.retry_at = PendingAction.ISSUE, locked.now, locked.now
        order.attempts = 0


def unknown(locked: LockedOrder, cip: Cip, report: Report, wanted: bool) -> None:
    """Record an unknown fact, or a code unknown to the provider, for staff; states and statuses stay.

    A paid code unknown to the provider opens a ``MISSING_THERE`` discrepancy.
    """
    if CODE_TABLE[CipStatus(cip.status)][report.fact].discrepancy:
        missing_there(locked, cip, report)
    locked.note(report.fact, cip, report.told)


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
    channels = fitting(locked.order)[0] if locked.route is None else locked.route
    return all(isinstance(channel, Channel) and channel.account in refused for channel in channels.values())
