"""The first page of the app in the admin: what is shown, in words and links; it imports no admin.

Its template tag is loaded by every project, also by one without ``django.contrib.admin``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest

from ..flows.reports.accounts import environment_of, environments, known_accounts
from ..flows.reports.health import waiting
from .health import health_panels, verdicts
from .panels import Panel, Verdict
from .sales import sales_panels

__all__ = ["Panel", "Verdict", "dashboard"]


def dashboard(request: HttpRequest, now: datetime) -> dict[str, Any]:
    """Return what the dashboard's template shows of one environment, to who may see orders."""
    user = request.user
    if not (user.has_perm("pagoefectivo.view_order") or user.has_perm("pagoefectivo.change_order")):
        return {"shown": False}
    accounts = known_accounts()
    names = environments(accounts)
    chosen = request.GET.get("environment", "")
    chosen = chosen if chosen in names else (names or [""])[0]
    mine = {account: alias for account, alias in accounts.items() if environment_of(account) == chosen}
    state = waiting()
    return {
        "shown": True,
        "environments": names if len(names) > 1 else [],
        "environment": chosen,
        "verdicts": verdicts(request, mine, state, now),
        "panels": [*sales_panels(mine, now), *health_panels(request, mine, state, now)],
    }
