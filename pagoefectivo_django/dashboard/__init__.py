"""The dashboard on the first page of the app in the admin, as words and links; the folder imports no admin.

The template tag is loaded in every project, also in a project without ``django.contrib.admin``.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest

from ..flows.reports.accounts import environment_of, environments, known_accounts
from ..flows.reports.health import waiting
from .channels import channels_panel
from .health import health_panels, verdicts
from .sales import sales_panels


def dashboard(request: HttpRequest, now: datetime) -> dict[str, Any]:
    """Return the template's context for one environment; ``{"shown": False}`` for users who may not see orders."""
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
        "panels": [*sales_panels(mine, now), *health_panels(request, mine, state, now), channels_panel(mine)],
    }
