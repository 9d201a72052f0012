"""What every admin page of this app shows at its top, and what its first page shows."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils import timezone

from ..dashboard import dashboard
from ..dashboard.books import books
from ..flows.overview.health import ASLEEP_AFTER
from ..models import Discrepancy, Heartbeat

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


@register.inclusion_tag("admin/pagoefectivo/dashboard.html", takes_context=True)
def pagoefectivo_dashboard(context: dict[str, Any]) -> dict[str, Any]:
    """Answer the three questions of the morning, to who may see orders."""
    return dashboard(context["request"], timezone.now())


@register.inclusion_tag("admin/pagoefectivo/books.html", takes_context=True)
def pagoefectivo_books(context: dict[str, Any]) -> dict[str, Any]:
    """Show the equation of the books and the age of what is not settled, to who may see settlements."""
    return books(context["request"], timezone.now())
