"""Repair of due dates too far in the future, which only a wrong clock can have written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.db.models import F, Q, QuerySet

from ...conf import conf
from ...models import Cip, FailingReceiver, Order, UnknownCode
from ...models.database import Attempted, database, make_due
from ...models.heartbeat import in_pace
from ...models.orders import KNOWN
from ...states import CipStatus
from ..outbox.budget import TimeBudget

#: How often such dates are looked for.
PACE = timedelta(minutes=10)
#: The longest that work, a pause or a second look is ever put off: an hour, with a margin.
LONGEST = timedelta(hours=3)
#: The longest between two scheduled questions about a code, which come daily at least, with a margin.
RAREST = timedelta(days=2)


def mend_dates(budget: TimeBudget) -> int:
    """Make everything due that is put off for longer than anything should be, and return the number of rows.

    A database whose clock was wrong for an hour, or a release that trusted a machine's clock, leaves such dates behind:
    a delivery, a code, a pause of the year 2030.
    """
    if not in_pace("dates of the future", PACE, budget.now):
        return 0
    return sum(make_due(rows, field, budget.now, wait=False) for rows, field in _impossible(budget.now))


def _impossible(now: datetime) -> Iterator[tuple[QuerySet[Any], str]]:
    """Yield querysets of rows with an impossible date, and the date's field."""
    alias, late = database(), now + LONGEST
    for model in apps.get_app_config("pagoefectivo").get_models():
        if issubclass(model, Attempted):
            yield model._base_manager.using(alias).filter(retry_at__gt=late), "retry_at"
    cips = Cip.objects.using(alias)
    # A lost code without digits is due at its own date, for a discrepancy, and not before.
    asked = (KNOWN & Q(poll_at__gt=now + RAREST)) | Q(status=CipStatus.REQUESTED, poll_at__gt=late)
    yield cips.filter(asked), "poll_at"
    yield cips.filter(look_at__gt=late), "look_at"
    yield UnknownCode.objects.using(alias).filter(look_at__gt=late), "look_at"
    # An open order ends at its date plus grace; a later ``lapses_at`` is impossible.
    lapsing = Order.objects.using(alias).filter(lapses_at__gt=late)
    yield lapsing.filter(lapses_at__gt=F("expires_at") + conf.grace), "lapses_at"
    yield FailingReceiver.objects.using(alias).filter(paused_until__gt=late), "paused_until"
