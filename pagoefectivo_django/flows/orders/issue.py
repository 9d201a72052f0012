"""Request a code from a provider: claim, commit, call, and apply the answer (yes, no or not known)."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_noop as _

from ...actors import PROGRAM, PROVIDER, SHOP
from ...channels.base import Channel, Charge, Report
from ...errors import InvalidRequest, Misconfigured, OutcomeUnknown, PagoEfectivoError, Refused, Unavailable
from ...facts import Data, error_in, of_error
from ...models import Cip, Order
from ...models.clock import current_time
from ...models.database import LEASE, database, one_transaction
from ...states import CipStatus, Fact, Kind, PendingAction
from ..ledger.advance import advance
from ..ledger.locked import LockedOrder, lock_free_order, lock_order
from ..ledger.schedule import next_poll
from ..possible.refusing import refuse_change
from ..possible.rules import IN_STATES, order_actions
from ..provider.accounts import waits_for_press
from ..provider.record import recorded
from ..provider.routes import route
from ..provider.transaction_codes import new_transaction_code
from .find import can_be_found, find, find_lost, is_as_requested, is_clear, supersede_lost_link
from .pending_action import attempt_quietly, fulfil, note, put_to_person, record

logger = logging.getLogger("pagoefectivo.provider")

#: Pause after a lost answer before another code is requested, and the most lost answers of one pending action: a lost
#: code may still be mailed to the payer and paid.
AFTER_LOST = timedelta(minutes=1)
MOST_LOST = 2
#: The most requests of one pending action without a code, among them requests that the provider knows nothing of.
MOST_IN_VAIN = 5
#: A lost code is looked for at once if the request has taken at most so many seconds: the payer waits.
AT_ONCE = 5.0
#: Shortest pause before checking again whether a request whose process died counts as lost.
SOON = timedelta(seconds=5)
#: Evidence of two lost answers.
_TWICE = {"about": "answers_lost"}
#: Statuses of requests that gave no code: refused, or with a lost answer (superseded for links).
_ENDED = (CipStatus.REFUSED, CipStatus.LOST, CipStatus.SUPERSEDED)
#: The fields of a requested code that change when the code is asked for again, because the first request was not sent.
_ASKED_AGAIN = ("channel", "account", "expires_at", "asked_at", "changed_at", "version", "poll_at")


def issue_code(order: Order, *, now: datetime | None = None) -> Order:
    """Have a code issued for a new order without a code, and return the order afterwards.

    Errors of the provider are logged, not raised: see the order's state and events. An order in any state but new is
    returned unchanged. Inside a transaction the code is requested after the commit.
    """
    now = now or current_time()
    try:
        record(order, PendingAction.ISSUE, actor=SHOP, now=now)
    except InvalidRequest:
        order.reload()
        return order
    try:
        return fulfil(order, PendingAction.ISSUE, issue, now)
    except PagoEfectivoError as error:
        logger.warning("Order %s has no code yet: %s", order.pk, error)
        order.reload()
        return order


def issue_quietly(order: Order, now: datetime) -> None:
    """Request a code after a commit, and reload ``order`` so that the caller's object shows the code."""
    attempt_quietly(order.pk, PendingAction.ISSUE, issue, max(now, current_time()), wait=True)
    order.reload()


def issue(order: Order, now: datetime, wait: bool) -> datetime | None:
    """Request a code for a claimed order from each channel in turn; return when to go on, None if nothing is left.

    ``wait`` False: raises ``Unavailable`` if another transaction holds the order before the request. The answer is
    applied with waiting in any case, since the answer to a request can't be asked for again.

    Raises ``Unavailable`` or ``Misconfigured`` if no channel could be asked, and for a reissue ``Refused`` if every
    channel refused, or ``InReview`` or ``InvalidRequest`` if the order may not get another code any more.
    """
    reissue, begun = order.pending_action == PendingAction.REISSUE, time.monotonic()
    cips = _requests_of(order)
    if again := _busy_until(cips, now):
        return again
    if any(cip.status == CipStatus.LOST and not cip.is_known for cip in cips):
        if again := find_lost(order, now, wanted=reissue):
            return again
        cips = _requests_of(order)
    lost = _lost_of_this_action(order, cips)
    links = [cip for cip in lost if cip.status == CipStatus.SUPERSEDED]
    # The provider knows nothing of a lost request about which it can be asked: ``find_lost`` would have held the order.
    doubtful = [cip for cip in lost if cip.status == CipStatus.LOST and not can_be_found(cip)]
    if max(len(doubtful), len(links)) >= MOST_LOST or len(lost) >= MOST_IN_VAIN:
        # Else the payer may press for a link.
        if any(cip.status == CipStatus.LOST for cip in lost) or order.state not in IN_STATES["open_link"]:
            put_to_person(order, Kind.LOST_CODE, now, _TWICE)
        return None
    return request_code(order, _moved_on(now, begun), reissue=reissue, wait=wait)


def request_code(
    order: Order, now: datetime, *, reissue: bool = False, pressed: bool = False, wait: bool
) -> datetime | None:
    """Request a code from each channel of the order's route in turn; returns and raises like ``issue``.

    ``reissue``: the code replaces another. ``pressed``: the payer wants to pay by a link now; without,
    nothing is requested from a channel whose link would end before the order.
    """
    problem: PagoEfectivoError | None = None
    refusal: Report | None = None
    first, begun = now, time.monotonic()
    for channel in _channels(order, now, reissue=reissue, pressed=pressed):
        if isinstance(channel, PagoEfectivoError):
            problem = channel
            continue
        if not (reissue or pressed) and waits_for_press(channel, order.expires_at, now):
            if problem:  # the channels before are asked once more by the payer's press, and staff reads why
                note(order, {"action": PendingAction.ISSUE, "about": "waits_for_press", **of_error(problem)}, now)
            return None
        # The lease of a request begins with the request, and not with the channels that were asked before.
        now = _moved_on(first, begun)
        cip = _request(order, channel, now, reissue=reissue, pressed=pressed, wait=wait)
        if cip is None:
            return None
        try:
            report = _ask(channel, order, cip, now)
        except (Unavailable, Misconfigured) as error:
            # The request was certainly not sent, so the same row may be used for the next request, on any channel.
            Cip.objects.using(database()).filter(pk=cip.pk, status=CipStatus.REQUESTED).update(asked_at=None)
            problem = error
            continue
        advance(report, wanted=reissue, actor=PROVIDER, now=now)
        if report.fact == Fact.ISSUED and not _moved(cip):
            _of_another_order(order, report, now)
            return None
        if report.fact == Fact.LOST:
            supersede_lost_link(cip, now)
            return now + AFTER_LOST
        if report.fact != Fact.REFUSED:  # found at once, the code may be paid already
            return None
        refusal = report
    if problem:  # a channel that can't be asked now may take the order later, whatever the others said
        raise problem
    if refusal is None:  # tried again, since the settings may be mended
        raise refuse_change("issue", "no_route", order)
    if reissue:
        raise _no_other_code(order, refusal, now)
    # The order is rejected by now, unless the route became another meanwhile.
    again = not pressed and any(_channels(order, now, reissue=reissue, pressed=pressed))
    return now + SOON if again else None


def _of_another_order(order: Order, report: Report, now: datetime) -> None:
    """Count a request as lost whose answer names another order's code, and tell a person."""
    data = {"about": "code_of_another_order", "code": report.code}
    lost = replace(report, fact=Fact.LOST, code="", provider_id="", data=data)
    advance(lost, actor=PROGRAM, now=now)
    put_to_person(order, Kind.LOST_CODE, now, data)


def _moved_on(now: datetime, begun: float) -> datetime:
    """Return a moment later than ``now`` by the whole seconds since ``begun``, a moment of ``time.monotonic``."""
    return now + timedelta(seconds=int(time.monotonic() - begun))


def _no_other_code(order: Order, refusal: Report, now: datetime) -> Refused:
    """Return the error for a reissue that every channel refused, after telling a person."""
    said = error_in(refusal.told) or ""
    refused = Refused(_("No provider issues another code. %(said)s"), code="code_refused", said=said)
    put_to_person(order, Kind.NOT_CONFIRMED, now, of_error(refused))
    return refused


def _ask(channel: Channel, order: Order, cip: Cip, now: datetime) -> Report:
    """Return the provider's answer as a report: issued, refused or lost.

    Raises ``Unavailable`` or ``Misconfigured`` only if the request was certainly not sent.
    """
    charge = Charge(
        transaction_code=cip.transaction_code,
        amount=order.amount,
        currency=order.currency,
        expires_at=cip.expires_at or order.action_date or order.expires_at,
        payer=order.payer,
        concept=order.concept,
        language=order.language,
    )
    answer, begun = Fact.LOST, time.monotonic()
    ends = now + channel.life if channel.life else None
    data: Data = {}
    try:
        with recorded(channel, order=order):
            report = channel.issue(charge).storable()
        if not is_clear(report):
            raise ValueError(f"{type(channel).__name__}.issue() names neither digits nor the provider's id.")
        return replace(report, expires_at=report.expires_at or ends)
    except (Unavailable, Misconfigured):
        raise
    except Refused as error:
        answer, data = Fact.REFUSED, of_error(error)
    except OutcomeUnknown as error:
        data = of_error(error)
        if channel.can_find and time.monotonic() - begun < AT_ONCE:
            with suppress(PagoEfectivoError):  # a yes counts; a no comes too early, and an error is none
                found = find(channel, cip, now)
                clear = found and is_clear(found) and is_as_requested(found, order)
                if found and clear and found.fact in (Fact.ISSUED, Fact.PAYMENT):
                    return replace(found, asked_at=None, version=None, expires_at=found.expires_at or ends)
    except Exception:
        # A bug of ours or the channel's: the request may have been sent, so the code counts as lost.
        logger.exception("Issuing a code for order %s failed; it may exist.", order.pk)
    return Report(account=cip.account, fact=answer, transaction_code=cip.transaction_code, data=data)


def _channels(order: Order, now: datetime, *, reissue: bool, pressed: bool) -> Iterator[Channel | PagoEfectivoError]:
    """Yield the channels of the order's route, without channels that refused the order before.

    The route goes on behind the channel whose answer to the last request got lost. A channel that can't be built is
    yielded as the error. For a reissue only the refusals since it was requested count, for a press none.
    """
    since = order.action_requested_at or order.created_at
    rows = Cip.objects.using(database()).filter(order=order, status__in=_ENDED).order_by("pk")
    # A press asks anew whoever refused; a first code and a reissue don't.
    refused = {
        cip.account
        for cip in rows
        if cip.status == CipStatus.REFUSED and not pressed and not (reissue and (cip.asked_at or since) < since)
    }
    requests = [cip for cip in rows if cip.status != CipStatus.REFUSED and cip.asked_at and cip.asked_at >= since]
    after = requests[-1].account if requests and not requests[-1].is_known else ""
    for channel in route(order, now, after=after):
        if isinstance(channel, Misconfigured) or channel.account not in refused:
            yield channel


def _requests_of(order: Order) -> list[Cip]:
    return list(Cip.objects.using(database()).filter(order=order).order_by("pk"))


def _busy_until(cips: Sequence[Cip], now: datetime) -> datetime | None:
    """Return until when another process may be working on one of these requests, None if no request is running.

    A request whose process died is declared lost by ``reconcile``.
    """
    running = [cip.asked_at for cip in cips if cip.status == CipStatus.REQUESTED and cip.asked_at]
    return max(running[0] + LEASE, now + SOON) if running else None


def _lost_of_this_action(order: Order, cips: Sequence[Cip]) -> list[Cip]:
    """Return the unanswered requests of the order's pending action: lost, and superseded where of links."""
    since = order.action_requested_at or order.created_at
    lost = [cip for cip in cips if not cip.is_known and cip.status in (CipStatus.LOST, CipStatus.SUPERSEDED)]
    return [cip for cip in lost if cip.asked_at and cip.asked_at >= since]


def _moved(cip: Cip) -> bool:
    return not Cip.objects.using(database()).filter(pk=cip.pk, status=CipStatus.REQUESTED).exists()


def _raise_if_over(locked: LockedOrder, action: str, until: datetime | None) -> None:
    """Raise ``InReview`` or ``InvalidRequest`` if an order may not get a code any more by an action that began earlier.

    A reissue requested before money came, or before the reference was ordered again, is not done any more; nor after
    ``until``, the date for which the code was to be.
    """
    why = ""
    if action == "open_link":
        why = order_actions(locked.situation())[action]
    if (action == "reissue" or locked.cips) and locked.in_review():
        why = why or "in_review"
    if action == "reissue" and locked.ordered_again():
        why = why or "ordered_again"
    if why:
        raise refuse_change(action, why, locked.order)
    if action == "reissue" and until and until <= locked.now:
        raise InvalidRequest(
            _("The date %(date)s has passed for which order %(order)s was to get a code."),
            code="date_passed",
            date=until.isoformat(),
            order=str(locked.order),
        )


def _request(order: Order, channel: Channel, now: datetime, *, reissue: bool, pressed: bool, wait: bool) -> Cip | None:
    """Claim the request by writing the code's row, with status requested, under the order's lock.

    None if the order needs no code or another process is requesting. Raises for a reissue that is not allowed any more.
    """
    with one_transaction() as alias:
        opening: dict[str, Any] = {"alias": alias, "now": now, "actor": PROGRAM}
        locked = lock_order(order, **opening) if wait else lock_free_order(order, **opening)
        if locked is None:
            raise Unavailable(
                _("Somebody else holds order %(order)s; its code is asked for later."),
                code="locked_before_issuing",
                order=str(order),
            )
        action = "open_link" if pressed else "reissue" if reissue else "issue"
        if locked.state not in IN_STATES[action]:
            return None
        live, until = locked.live_cip(), (locked.order.action_date if reissue else None) or locked.order.expires_at
        _raise_if_over(locked, action, None if live else until)
        if until <= now or (live and (live.status != CipStatus.REQUESTED or live.asked_at)):
            return None
        cip = live or Cip(order=locked.order, transaction_code=new_transaction_code(locked.order.reference, channel))
        cip.channel, cip.account = channel.alias, channel.account
        cip.expires_at = until if channel.expires_within else None
        cip.asked_at = cip.changed_at = now
        cip.version += 1
        cip.poll_at = next_poll(cip, now)
        cip.save(using=alias, update_fields=_ASKED_AGAIN if live else None)
        return cip
