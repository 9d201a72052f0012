"""The health of an account, read from the calls that are recorded already; all processes read the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ...models import ApiCall
from ...models.database import database

#: The calls that are looked at: the last ones of the last minutes.
CALLS, WITHIN = 20, timedelta(minutes=10)
#: How long after its last bad call a failing account is asked last.
PAUSE = timedelta(minutes=2)
#: The status of a provider that has too much to do; with the server errors and a missing answer, a bad call.
TOO_MANY = 429


@dataclass(frozen=True)
class Health:
    """An account's last calls: the number of calls, the number of bad calls, and until when the account is asked last.

    ``asked_last_until`` None: the account is asked in its own place.
    """

    calls: int = 0
    bad: int = 0
    asked_last_until: datetime | None = None


def health(account: str, now: datetime) -> Health:
    """Return an account's health; a channel without HTTP, of which no call is recorded, is well."""
    rows = ApiCall.objects.using(database()).filter(account=account, began_at__gt=now - WITHIN).order_by("-began_at")
    calls = list(rows.values_list("began_at", "status")[:CALLS])
    bad = [began_at for began_at, status in calls if status is None or status == TOO_MANY or status >= 500]
    until = bad[0] + PAUSE if 2 * len(bad) > len(calls) else None
    return Health(len(calls), len(bad), until if until and until > now else None)
