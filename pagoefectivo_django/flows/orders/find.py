"""Find codes whose answer got lost, where the provider can be asked by our number."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from ...actors import POLL, PROGRAM
from ...channels.base import Channel, Presents, Report
from ...errors import Misconfigured, PagoEfectivoError
from ...facts import Data, of_error, utc
from ...models import Cip, Order
from ...models.database import LEASE, database, one_transaction
from ...models.orders import KNOWN
from ...states import CipStatus, Fact, Kind
from ..ledger.advance import advance
from ..ledger.decisions import Supersession
from ..ledger.locked import lock_free_order
from ..ledger.subject import Subject
from ..provider.accounts import channel_of
from ..provider.record import recorded

#: Pause between two questions about a lost code.
PAUSE = timedelta(minutes=1)
#: When "no such request" counts, after the request began: a minute after the last moment at which the request may end.
NO_COUNTS_AFTER = LEASE + timedelta(minutes=1)
#: How long a provider may be silent about a lost code before a person is told.
SILENCE = timedelta(hours=1)


def find(channel: Channel, cip: Cip, now: datetime) -> Report | None:
    """Return the provider's report about a request with our number, None if the provider knows no such request."""
    with recorded(channel, order=cip.order):
        report = channel.find(cip.transaction_code)
    if report is None:
        return None
    names = {"transaction_code": cip.transaction_code, "asked_at": now, "version": cip.version}
    return replace(report.storable(), **names)


def is_clear(report: Report) -> bool:
    """Return whether an answer names the code and a fact, so that the request needs no further question."""
    return report.fact not in (Fact.UNKNOWN, Fact.ABSENT) and bool(report.code or report.provider_id)


def is_as_requested(report: Report, order: Order) -> bool:
    """Return whether a code that can be paid is over the order's money and names what the payer pays by."""
    money = order.money
    same = report.amount in (None, money.amount) and report.currency in ("", money.currency)
    return report.fact != Fact.ISSUED or (same and bool(report.code or report.url))


def find_lost(order: Order, now: datetime, *, wanted: bool) -> datetime | None:
    """Look for an order's lost codes and apply what is found; return when to look again.

    None: nothing stands in the way of another request. Until the provider has answered nobody else is asked for a code,
    since the lost one could be paid too; a provider silent for an hour is told to a person.
    """
    again: datetime | None = None
    problem: Data
    for cip in Cip.objects.using(database()).filter(~KNOWN, order=order, status=CipStatus.LOST).select_related("order"):
        began_at = cip.asked_at or cip.changed_at
        if not can_be_found(cip):
            continue
        try:
            report = find(channel_of(cip), cip, now)
        except PagoEfectivoError as error:  # refused keys too: such an answer is no "no"
            report, problem = None, of_error(error)
        else:
            problem = _problem(report, order)
        if problem:
            # What was made otherwise than requested stays so; a silent provider may still answer.
            if (report is not None and is_clear(report)) or now - began_at >= SILENCE:
                put_lost_to_person(cip, now, problem)
            again = now + PAUSE
        elif report:
            advance(report, actor=POLL, wanted=wanted, now=now)
        elif now < began_at + NO_COUNTS_AFTER:
            again = began_at + NO_COUNTS_AFTER
    return again


def can_be_found(cip: Cip) -> bool:
    """Return whether a code's provider can be asked by our number; not at an account that is configured no longer."""
    try:
        return channel_of(cip).can_find
    except Misconfigured:  # shown to staff
        return False


def _problem(report: Report | None, order: Order) -> Data:
    """Return why an answer about a lost code can't be applied, as data; {} for one that can."""
    if report is None:
        return {}
    if not is_clear(report):
        return {"about": "known_without_state"}
    return {} if is_as_requested(report, order) else {"about": "made_otherwise"}


def supersede_lost_link(cip: Cip, now: datetime, *, wait: bool = True) -> bool:
    """Supersede a request for a link whose answer got lost; False if the request was for a code.

    Nobody but the shop would have told the payer of the link, so another is requested without a discrepancy. Where the
    provider can be asked by our number, it still is: whoever has the link after all may pay.
    """
    try:
        if channel_of(cip).presents != Presents.LINK:
            return False
    except Misconfigured:
        return False
    gone = Supersession(cip.order, data={"about": "link_lost"}, code=cip, nobody_knows=False)
    advance(gone, actor=PROGRAM, wait=wait, now=now)
    return True


def put_lost_to_person(cip: Cip, now: datetime, data: Data) -> bool:
    """Open a discrepancy about a code lost until now; False while another process holds the order."""
    with one_transaction() as alias:
        locked = lock_free_order(cip.order, alias=alias, now=now, actor=POLL)
        if locked is None:
            return False
        mine = next(each for each in locked.cips if each.pk == cip.pk)
        if not mine.is_known:
            evidence = {"at": utc(now), "transaction_code": mine.transaction_code, **data}
            locked.history.open_discrepancy(Kind.LOST_CODE, Subject.of_cip(mine, locked.order), evidence)
            locked.write()
    return True
