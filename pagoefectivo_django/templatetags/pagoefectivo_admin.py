"""What every admin page of this app shows at its top."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import template
from django.utils import timezone

from ..models import Discrepancy, Heartbeat

#: A worker makes its round every few seconds; after this long nobody does.
ASLEEP_AFTER = timedelta(minutes=5)

register = template.Library()


@register.inclusion_tag("admin/pagoefectivo/banner.html", takes_context=True)
def pagoefectivo_banner(context: dict[str, Any]) -> dict[str, Any]:
    """Warn when no worker ran lately, and count the questions that wait for a person."""
    last = Heartbeat.objects.filter(name="tick").values_list("beaten_at", flat=True).first()
    user = context["request"].user
    may_see = user.has_perm("pagoefectivo.view_discrepancy") or user.has_perm("pagoefectivo.change_discrepancy")
    return {
        "asleep": last is None or last < timezone.now() - ASLEEP_AFTER,
        "last": last,
        "questions": Discrepancy.objects.open().count() if may_see else 0,
        "request": context["request"],  # {% url %} takes the admin site's name from it
    }
