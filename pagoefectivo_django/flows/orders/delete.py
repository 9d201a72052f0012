"""Delete codes at the provider and find out the outcome."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_noop as _

from ...actors import CLOCK, PROGRAM
from ...channels.base import Report
from ...conf import conf
from ...errors import Misconfigured, OutcomeUnknown, PagoEfectivoError, Param, Refused
from ...facts import Data, of_error, utc
from ...models import Cip, Discrepancy, Order
from ...models.database import LEASE, database, one_transaction
from ...states import CipStatus, Fact, Kind, PendingAction, Remark
from ...traces import traced
from ..ledger.history import closed
from ..ledger.locked import lock_free_order, lock_order
from ..ledger.remark import record_remark
from ..ledger.schedule import MOST_ATTEMPTS
from ..ledger.subject import Subject
from ..provider.accounts import accounts, channel_of
from ..provider.look_up import ask_provider, ref_of, report_on
from ..provider.record import recorded
from .refresh import apply_answer

logger = logging.getLogger("pagoefectivo.provider")

_NOT_CONFIRMED = _("The provider doesn't confirm that code %(cip)s is deleted; it is asked again later.")


class StillPayable(OutcomeUnknown):
    """A code may still be paid, and asking the provider again now would not help.

    ``final``: waiting is in vain, since the provider doesn't know the code or can't delete codes, or the account is no
    longer configured. ``nobody``: the provider can't be asked about the code. ``watched``: the code can't be deleted,
    but polling goes on.
    """

    def __init__(
        self,
        message: str = "",
        /,
        *,
        final: bool = True,
        nobody: bool = False,
        watched: bool = False,
        code: str = "",
        **params: Param,
    ) -> None:
        super().__init__(message, code=code, **params)
        self.final, self.nobody, self.watched = final, nobody, watched


def delete_code(cip: Cip, now: datetime) -> Report:
    """Delete a code at the provider and return a report of the outcome: deleted, paid or expired.

    After a refusal or a lost answer the provider is asked about the code. Raises ``StillPayable`` if the code may still
    be paid or nobody can tell; ``Unavailable``, ``OutcomeUnknown`` or ``Misconfigured`` if no answer comes.
    """
    code = str(cip)
    if cip.account not in accounts():
        raise StillPayable(
            _("Account %(account)s of code %(cip)s is configured no longer."),
            nobody=True,
            code="account_of_code_not_configured",
            account=cip.account,
            cip=code,
        )
    channel = channel_of(cip)
    if not channel.can_delete:
        raise StillPayable(
            _("Channel '%(channel)s' can't delete codes; %(cip)s stays payable until it expires."),
            nobody=not channel.can_look_up,
            watched=channel.can_look_up,
            code="cannot_delete",
            channel=channel.alias,
            cip=code,
        )
    try:
        with recorded(channel, order=Order(pk=cip.order_id)):
            channel.delete(ref_of(cip))
    except (Refused, OutcomeUnknown) as error:
        if not channel.can_look_up:
            if isinstance(error, Refused):
                raise StillPayable(
                    _("The provider refuses to delete code %(cip)s: %(said)s"),
                    final=False,
                    code="deletion_refused",
                    cip=code,
                    said=error,
                ) from None
            raise
        answer = ask_provider(channel, [ref_of(cip)], now).get(ref_of(cip))
        if answer is None or answer.fact == Fact.ABSENT:
            raise StillPayable(_("The provider doesn't know code %(cip)s."), code="code_unknown", cip=code) from None
        if answer.fact in (Fact.ISSUED, Fact.IN_PROCESS, Fact.UNKNOWN):
            if isinstance(error, Refused):
                raise StillPayable(_NOT_CONFIRMED, final=False, code="deletion_not_confirmed", cip=code) from None
            raise OutcomeUnknown(_NOT_CONFIRMED, code="deletion_not_confirmed", cip=code) from None
        return answer
    return report_on(cip, Fact.CODE_DELETED)


def begin_deletion(cip: Cip, now: datetime, *, date: datetime | None = None, wait: bool = False) -> bool:
    """Mark, under the order's lock, a current code as being deleted; False if the code must not be deleted now.

    ``date``: the expiry date for which the clock deletes the code; the result is False if the order has another date by
    now or a pending action, or if a deletion is due already. ``wait`` False: False also if another transaction holds
    the order.

    The mark is ``retry_at``, one lease ahead. A marked code is not extended. If this process dies, the worker deletes
    the code once the lease is over.
    """
    with one_transaction() as alias:
        opening: dict[str, Any] = {"alias": alias, "now": now, "actor": CLOCK}
        locked = lock_order(cip.order, **opening) if wait else lock_free_order(cip.order, **opening)
        mine = next((each for each in locked.cips if each.pk == cip.pk), None) if locked else None
        if locked is None or mine is None or mine.status != CipStatus.CURRENT or mine.in_process_at:
            return False
        moved = locked.order.expires_at != date or locked.order.pending_action in (
            PendingAction.CANCEL,
            PendingAction.EXTEND,
            PendingAction.REISSUE,
        )
        if date and (moved or mine.retry_at):
            return False
        until = now + LEASE
        Cip.objects.using(alias).filter(pk=cip.pk).update(retry_at=until)
    cip.retry_at = until
    return True


def give_up_deletion(cip: Cip) -> None:
    """Remove the mark of ``begin_deletion`` from a code whose deletion the provider did not confirm."""
    mine = Cip.objects.using(database()).filter(pk=cip.pk, status=CipStatus.CURRENT)
    mine.filter(retry_at=cip.retry_at).update(retry_at=None)


@traced()
def delete_superseded(cip: Cip, now: datetime) -> bool:
    """Try once to delete a code due for deletion; False if another process is working on the code.

    Attempts go on until the provider confirms that the code can't be paid, or until the code's date and polling time
    have passed. A discrepancy is opened if the provider can't be asked, or after ``MOST_ATTEMPTS`` in vain.
    """
    if not cip.claim(now):
        return False
    if cip.in_process_at:  # a code is never deleted while a payment of the code is in process
        if _is_over(cip, now):
            Cip.objects.using(database()).filter(pk=cip.pk, attempts=cip.attempts).update(retry_at=None)
        else:
            cip.put_off(now, "payment_in_process")
        return True
    try:
        apply_answer(delete_code(cip, now), actor=PROGRAM, wait=False, now=now)
    except Exception as error:  # an error of the provider or a bug of ours: the code must still be deleted
        if not isinstance(error, PagoEfectivoError):
            logger.exception("Code %s could not be deleted.", cip)
        refused = error if isinstance(error, StillPayable) else None
        if _is_over(cip, now) or (refused and refused.watched and _is_left(cip, now)):
            Cip.objects.using(database()).filter(pk=cip.pk, attempts=cip.attempts).update(retry_at=None)
            return True
        cip.put_off(now, error)
        if (refused and refused.nobody) or isinstance(error, Misconfigured) or cip.attempts >= MOST_ATTEMPTS:
            ask_if_payable(cip, now, of_error(error))
    return True


def ask_if_payable(cip: Cip, now: datetime, data: Data) -> None:
    """Open a ``STILL_PAYABLE`` discrepancy about a code due for deletion.

    While another transaction holds the order nothing is opened; the next attempt to delete the code tries again.
    """
    with one_transaction() as alias:
        locked = lock_free_order(cip.order, alias=alias, now=now, actor=PROGRAM)
        if locked is None:
            return
        mine = next(each for each in locked.cips if each.pk == cip.pk)
        if mine.retry_at is not None:
            evidence = {"at": utc(now), "code": mine.code or "", **data}
            locked.history.open_discrepancy(Kind.STILL_PAYABLE, Subject.of_cip(mine, locked.order), evidence)
            locked.write()


def _is_left(cip: Cip, now: datetime) -> bool:
    """Record that attempts to delete a code end, since the code can't be deleted but is polled; always True."""
    data = {"about": "deletion_ended", "code": str(cip)}
    record_remark(cip.order, Remark.ENDED, actor=PROGRAM, data=data, now=now)
    return True


def _is_over(cip: Cip, now: datetime) -> bool:
    """Record the end of attempts to delete a code whose date and polling time have passed.

    False while the code is polled, or while another transaction holds the order.
    """
    if now <= cip.until + conf.poll_after_expiry:
        return False
    with one_transaction() as alias:
        locked = lock_free_order(cip.order, alias=alias, now=now, actor=PROGRAM)
        if locked is None:
            return False
        discrepancies = Discrepancy.objects.using(alias).filter(kind=Kind.STILL_PAYABLE, cip=cip.pk).open()
        discrepancies.update(**closed(PROGRAM, "watch_passed", now))
        locked.note(Fact.CODE_EXPIRED, cip, {"about": "watch_passed"})
        locked.write()
    return True
