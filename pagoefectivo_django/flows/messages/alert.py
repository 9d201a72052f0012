"""Alerts to staff by mail: new troubles at most every ten minutes, and once a day all troubles still open.

Troubles are read from the database each time, so no alert can be lost; ``StaffAlert`` only records which were told. The
mail is sent in its own thread, outside of every transaction; a failed mail is tried again after ten minutes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connections
from django.utils import translation

from ...conf import conf
from ...mail.staff import Trouble, compose_alert
from ...models import Heartbeat, StaffAlert
from ...models.clock import current_time
from ...models.database import after_commit, database
from ...models.heartbeat import claim_interval
from ...workdays import lima_day, midnight
from ..reports.troubles import others, silent_since, troubles

logger = logging.getLogger("pagoefectivo.worker")

#: How often troubles are read, and how often a mail is sent at most.
LOOK_EVERY, MAIL_EVERY = timedelta(minutes=1), timedelta(minutes=10)
#: The hour in Lima from which the daily mail is sent.
DAILY_AT = timedelta(hours=8)
#: Seconds that a worker waits for the mail server; the mail's thread goes on after that.
LONGEST_WAIT = 20.0

_sending: threading.Thread | None = None


def tell_staff(now: datetime, *, wait: float = LONGEST_WAIT) -> bool:
    """Mail staff the troubles not told yet, and the daily mail when due; return whether a mail was begun.

    Any number of processes may call this function at any time: the pace and the record of troubles told are shared.
    Inside a transaction the mail waits for the commit. ``wait``: seconds to wait for the mail server.
    """
    to = recipients()
    if not to or not claim_interval("staff look", LOOK_EVERY, now):
        return False
    with translation.override(settings.LANGUAGE_CODE):
        found = list(troubles(now))
        new, daily = _untold(found), _is_daily(now)
        told = set(found) - set(new)
        still = [*(one for one in found if one in told), *others()] if daily else []
        if not (new or still) or not claim_interval("staff mail", MAIL_EVERY, now):
            return False
        message = compose_alert(new, still, to=to)
    after_commit(_begin, message, new, daily, now, wait)
    return True


def notice_silence() -> None:
    """Tell staff that no worker runs, from a webhook or page; never raises, and never waits for the mail server."""
    try:
        if recipients() and silent_since(now := current_time()):
            tell_staff(now, wait=0)
    except Exception as error:  # a webhook or a page must not fail because of an alert
        logger.warning("Nobody could be told that the worker is silent (%s).", type(error).__name__)


def recipients() -> list[str]:
    """Return the addresses in ``STAFF_ALERTS``, else in ``MANAGERS``; an entry is an address, or (name, address)."""
    chosen = settings.MANAGERS if conf.staff_alerts is None else conf.staff_alerts
    return [one if isinstance(one, str) else one[1] for one in chosen]


def _untold(found: Sequence[Trouble]) -> list[Trouble]:
    """Return the troubles not told yet, and delete the records of troubles that are over."""
    rows = StaffAlert.objects.using(database())
    told = {(kind, subject): pk for pk, kind, subject in rows.values_list("pk", "kind", "subject")}
    there = {(one.kind, one.subject) for one in found}
    if over := [pk for name, pk in told.items() if name not in there]:
        rows.filter(pk__in=over).delete()
    return [one for one in found if (one.kind, one.subject) not in told]


def _is_daily(now: datetime) -> bool:
    """Return whether the daily mail is due and not sent yet; the first call ever counts as a daily mail."""
    due = midnight(lima_day(now)) + DAILY_AT
    due -= timedelta(days=due > now)
    rows = Heartbeat.objects.using(database())
    last = rows.filter(name="staff daily").values_list("beaten_at", flat=True).first()
    if last is None:
        rows.bulk_create([Heartbeat(name="staff daily", beaten_at=now)], ignore_conflicts=True)
    return last is not None and not due <= last <= now


def _begin(message: EmailMessage, new: Sequence[Trouble], daily: bool, now: datetime, wait: float) -> None:
    """Send a mail in a new thread, and wait at most ``wait`` seconds; while the last thread hangs, send nothing."""
    global _sending
    if _sending and _sending.is_alive():
        logger.warning("The last mail to staff still hangs at the mail server; the next is tried in ten minutes.")
        return
    _sending = threading.Thread(target=_send, args=(message, new, daily, now), name="pagoefectivo-staff", daemon=True)
    _sending.start()
    _sending.join(wait)


def _send(message: EmailMessage, new: Sequence[Trouble], daily: bool, now: datetime) -> None:
    try:
        message.send()
        rows = [StaffAlert(kind=one.kind, subject=one.subject, told_at=now) for one in new]
        StaffAlert.objects.using(database()).bulk_create(rows, ignore_conflicts=True)
        if daily:
            Heartbeat.objects.using(database()).filter(name="staff daily").update(beaten_at=now)
    except Exception as error:  # the text of any error may repeat an address
        logger.warning("Staff could not be told (%s); it is tried again in ten minutes.", type(error).__name__)
    finally:
        connections.close_all()  # the connections of this thread
