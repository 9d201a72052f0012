"""Troubles of endpoints, for the alerts to staff."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils.formats import localize
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from ...flows.reports.troubles import admin_address
from ...mail.staff import Trouble
from ...models.database import database
from .models import Endpoint, EndpointStatus

#: How long an endpoint may fail before staff is told; after five days the endpoint is disabled, and told again.
TOLD_AFTER = timedelta(days=1)


def troubles(now: datetime) -> Iterator[Trouble]:
    """Yield the endpoints that were disabled because they failed too long, and those that have failed for a day."""
    failing = Q(status=EndpointStatus.ACTIVE, failing_since__lte=now - TOLD_AFTER)
    for endpoint in Endpoint.objects.using(database()).filter(Q(given_up_at__isnull=False) | failing).order_by("pk"):
        since = endpoint.failing_since or endpoint.given_up_at
        about = {"endpoint": endpoint.host, "when": localize(localtime(since))}
        if endpoint.given_up_at:
            text, kind = _("The webhook endpoint %(endpoint)s was disabled: it accepted nothing since %(when)s"), "off"
        else:
            text, kind = _("The webhook endpoint %(endpoint)s has accepted nothing since %(when)s"), "fails"
        link = admin_address("admin:pagoefectivo_webhooks_endpoint_change", endpoint.pk)
        yield Trouble("receiver", f"webhooks {kind} {endpoint.pk}", text % about, link)
