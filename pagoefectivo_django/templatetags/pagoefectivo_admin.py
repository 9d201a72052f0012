"""Template tags for the admin: the banner on every page of this app, and the panels of the first page."""

from __future__ import annotations

from typing import Any

from django import template
from django.views.decorators.debug import sensitive_variables

from ..dashboard import dashboard
from ..dashboard.books import books
from ..dashboard.panels import on_site_of
from ..flows.messages.alert import notice_silence
from ..flows.reports.health import is_asleep
from ..models import Discrepancy, Heartbeat
from ..models.clock import current_time

register = template.Library()


@register.inclusion_tag("admin/pagoefectivo/banner.html", takes_context=True)
@sensitive_variables()
def pagoefectivo_banner(context: dict[str, Any]) -> dict[str, Any]:
    """Warn if no worker ran lately, by mail too, and show the number of open discrepancies."""
    notice_silence()
    last = Heartbeat.objects.filter(name="tick").values_list("beaten_at", flat=True).first()
    user = context["request"].user
    may_see = user.has_perm("pagoefectivo.view_discrepancy") or user.has_perm("pagoefectivo.change_discrepancy")
    return {
        "asleep": is_asleep(last, current_time()),
        "last": last,
        "discrepancies": Discrepancy.objects.open().count() if may_see else 0,
        "request": context["request"],  # {% url %} takes the admin site's name from the request
    }


@register.inclusion_tag("admin/pagoefectivo/dashboard.html", takes_context=True)
@sensitive_variables()
def pagoefectivo_dashboard(context: dict[str, Any]) -> dict[str, Any]:
    """Show the dashboard to users who may see orders."""
    with on_site_of(context["request"]):
        return dashboard(context["request"], current_time())


@register.inclusion_tag("admin/pagoefectivo/books.html", takes_context=True)
@sensitive_variables()
def pagoefectivo_books(context: dict[str, Any]) -> dict[str, Any]:
    """Show the equation of the books, and the age of unsettled payments, to users who may see settlements."""
    with on_site_of(context["request"]):
        return books(context["request"], current_time())
