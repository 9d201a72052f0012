"""Make a code unpayable at the provider, and find out what became of it."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from ...channels.base import Report
from ...conf import conf
from ...errors import Misconfigured, OutcomeUnknown, PagoEfectivoError, Refused
from ...models import Cip, Discrepancy
from ...models.database import LEASE, database, one_transaction
from ...states import CipStatus, Fact, Kind, PendingAction, Remark
from ...traces import traced
from ..ledger.history import closed
from ..ledger.locked import lock_free_order, lock_order
from ..ledger.remark import record_remark
from ..ledger.schedule import MOST_ATTEMPTS
from ..provider.accounts import accounts, channel_of
from ..provider.look_up import ask_provider
from ..provider.record import recorded
from .refresh import apply_answer

logger = logging.getLogger("pagoefectivo.provider")


class StillPayable(OutcomeUnknown):
    """A code may still be paid, and asking once more would tell nothing else: the answer is there, or nobody gives one.

    ``final``: the provider doesn't know the code, can't delete codes at all, or its account is configured no longer.
    ``nobody``: nobody can be asked what became of it. ``watched``: it can't be deleted, but asked about.
    """

    def __init__(self, message: str, *, final: bool = True, nobody: bool = False, watched: bool = False) -> None:
        super().__init__(message)
        self.final, self.nobody, self.watched = final, nobody, watched


def delete_code(cip: Cip, now: datetime) -> Report:
    """Delete a code and return what is known of it then: deleted, paid or expired.

    A refusal or a lost answer is followed by a question. Raises ``StillPayable`` if the answer is that it may still be
    paid or if nobody can answer; ``Unavailable`` or ``OutcomeUnknown`` if no answer came.
    """
    code = cip.code or ""
    if cip.account not in accounts():
        raise StillPayable(f"Account {cip.account} of code {code} is configured no longer.", nobody=True)
    channel = channel_of(cip)
    if not channel.can_delete:
        detail = f"Channel {channel.alias!r} can't delete codes; {code} stays payable until it expires."
        raise StillPayable(detail, nobody=not channel.can_search, watched=channel.can_search)
    try:
        with recorded(channel, codes=[code]):
            channel.delete(code)
    except (Refused, OutcomeUnknown) as error:
        if not channel.can_search:
            if isinstance(error, Refused):
                raise StillPayable(f"The provider refuses to delete code {code}: {error}", final=False) from None
            raise
        answer = ask_provider(channel, [code], now).get(code)
        if answer is None or answer.fact == Fact.ABSENT:
            raise StillPayable(f"The provider doesn't know code {code}.") from None
        if answer.fact in (Fact.ISSUED, Fact.UNKNOWN):
            detail = f"The provider doesn't confirm that code {code} is deleted; it is asked again later."
            if isinstance(error, Refused):
                raise StillPayable(detail, final=False) from None
            raise OutcomeUnknown(detail) from None
        return answer
    return Report(account=cip.account, fact=Fact.CODE_DELETED, code=code)


def begin_deletion(cip: Cip, now: datetime, *, date: datetime | None = None, wait: bool = False) -> bool:
    """Write down, under its order's lock, that the code which can be paid is being deleted.

    ``date``: the clock wants it, because of this date; False if the order has another by now or wishes for something.
    ``wait`` False: also if somebody else holds the order.

    From here until the deletion is over, or a lease has passed, nobody is told that the code was extended. Should this
    process die, the next round deletes it.
    """
    with one_transaction() as alias:
        opening: dict[str, Any] = {"alias": alias, "now": now, "actor": "clock"}
        locked = lock_order(cip.order, **opening) if wait else lock_free_order(cip.order, **opening)
        mine = next((each for each in locked.cips if each.pk == cip.pk), None) if locked else None
        if locked is None or mine is None or mine.status != CipStatus.CURRENT:
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
    """Leave a code as it is whose deletion the provider did not confirm."""
    mine = Cip.objects.using(database()).filter(pk=cip.pk, status=CipStatus.CURRENT)
    mine.filter(retry_at=cip.retry_at).update(retry_at=None)


@traced()
def delete_superseded(cip: Cip, now: datetime) -> bool:
    """Try once to delete a code that must not be paid any more; False if somebody else is at it.

    It stays due until the provider confirms that it can't be paid, or its date and its watch have passed. A person
    knows of it while nobody can be asked, and when the provider doesn't confirm it.
    """
    if not cip.claim(now):
        return False
    try:
        apply_answer(delete_code(cip, now), actor="pagoefectivo", wait=False, now=now)
    except Exception as error:  # the provider's, or a mistake of ours: the code must still go
        if not isinstance(error, PagoEfectivoError):
            logger.exception("Code %s could not be deleted.", cip)
        doubt = error if isinstance(error, StillPayable) else None
        if _is_over(cip, now) or (doubt and doubt.watched and _is_left(cip, now)):
            Cip.objects.using(database()).filter(pk=cip.pk, attempts=cip.attempts).update(retry_at=None)
            return True
        cip.put_off(now, f"{type(error).__name__}: {error}")
        if (doubt and doubt.nobody) or isinstance(error, Misconfigured) or cip.attempts >= MOST_ATTEMPTS:
            ask_if_payable(cip, now, str(error))
    return True


def ask_if_payable(cip: Cip, now: datetime, detail: str) -> None:
    """Let a person know that a code which must not be paid any more may still be; at the next attempt if it is held."""
    with one_transaction() as alias:
        locked = lock_free_order(cip.order, alias=alias, now=now, actor="pagoefectivo")
        if locked is None:
            return
        mine = next(each for each in locked.cips if each.pk == cip.pk)
        if mine.retry_at is not None:
            evidence = {"at": now.isoformat(), "code": mine.code or "", "detail": detail[:500]}
            locked.history.open_discrepancy(
                Kind.STILL_PAYABLE, f"cip:{mine.pk}", evidence, order=locked.order, cip=mine
            )
            locked.write()


def _is_left(cip: Cip, now: datetime) -> bool:
    """Leave a code that can't be deleted to those who ask about it, and say so."""
    detail = f"deletion of {cip}: it can't be deleted; it is watched"
    record_remark(cip.order, Remark.ENDED, actor="pagoefectivo", detail=detail, now=now)
    return True


def _is_over(cip: Cip, now: datetime) -> bool:
    """Leave a code alone whose date and watch have passed, and say so; False while it is watched, or its order held."""
    if now <= cip.expires_at + conf.poll_after_expiry:
        return False
    with one_transaction() as alias:
        locked = lock_free_order(cip.order, alias=alias, now=now, actor="pagoefectivo")
        if locked is None:
            return False
        asked = Discrepancy.objects.using(alias).filter(kind=Kind.STILL_PAYABLE, cip=cip.pk).open()
        asked.update(**closed("pagoefectivo", "Its date and its watch have passed.", now))
        locked.note(Fact.CODE_EXPIRED, cip, "no answer from the provider: its date and its watch have passed")
        locked.write()
    return True
