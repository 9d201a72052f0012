"""Make a code unpayable at the provider, and find out what became of it."""

from __future__ import annotations

import logging
from datetime import datetime

from ..channels.base import Report
from ..errors import InvalidRequest, OutcomeUnknown, PagoEfectivoError, Refused
from ..models import Cip
from ..models.database import database
from ..states import Fact, Kind
from ..traces import traced
from .accounts import channel_of
from .record import recorded
from .refresh import apply_answer, ask_provider
from .wish import MOST_ATTEMPTS, put_to_person

logger = logging.getLogger("pagoefectivo.provider")


def delete_code(cip: Cip, now: datetime) -> Report:
    """Delete a code and return what is known of it then: deleted, paid or expired.

    A refusal or a lost answer is followed by a question. Raises ``OutcomeUnknown`` if that doesn't tell either, and
    ``InvalidRequest`` if the channel can't delete.
    """
    channel, code = channel_of(cip), cip.code or ""
    if not channel.can_delete:
        raise InvalidRequest(f"Channel {channel.alias!r} can't delete codes; {code} stays payable until it expires.")
    try:
        with recorded(channel, codes=[code]):
            channel.delete(code)
    except (Refused, OutcomeUnknown):
        answer = ask_provider(channel, [code], now).get(code) if channel.can_search else None
        if answer is None or answer.fact in (Fact.ISSUED, Fact.UNKNOWN):
            raise OutcomeUnknown(
                f"The provider doesn't confirm that code {code} is deleted; it is asked again later."
            ) from None
        return answer
    return Report(account=cip.account, fact=Fact.CODE_DELETED, code=code)


@traced()
def delete_superseded(cip: Cip, now: datetime) -> bool:
    """Try once to delete a code that must not be paid any more; False if somebody else is at it."""
    if not cip.claim(now):
        return False
    try:
        apply_answer(delete_code(cip, now), actor="pagoefectivo", now=now)
    except Exception as error:  # the provider's, or a mistake of ours: the code must still go
        cip.put_off(now, f"{type(error).__name__}: {error}")
        if not isinstance(error, PagoEfectivoError):
            logger.exception("Code %s could not be deleted.", cip)
        if cip.attempts >= MOST_ATTEMPTS or isinstance(error, InvalidRequest):
            detail = f"Code {cip} must not be paid any more. {error}"
            put_to_person(cip.order, Kind.NOT_CONFIRMED, now, detail, f":cip:{cip.pk}")
            Cip.objects.using(database()).filter(pk=cip.pk, attempts=cip.attempts).update(next_attempt_at=None)
    return True
