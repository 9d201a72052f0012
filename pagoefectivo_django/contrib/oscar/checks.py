"""Checks of the settings that concern Oscar; the catalogue is in the manual, ``docs/reference/checks.rst``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning
from django.db import router

from ...conf import conf
from ...models.database import database
from ...states import OrderState
from .placed import ShopOrder


def check_oscar(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Return what keeps Oscar's orders from following ours."""
    found: list[CheckMessage] = []
    if router.db_for_write(ShopOrder) != database():
        hint = "Route Oscar's apps and pagoefectivo to one database: both orders are written in one transaction."
        found.append(Error("Oscar's orders are in another database than ours.", hint=hint, id="pagoefectivo.E040"))
    names = [config.name for config in apps.get_app_configs()]
    if names.index("pagoefectivo_django.contrib.oscar") > names.index("oscar"):
        hint = "Move 'pagoefectivo_django.contrib.oscar' above 'oscar.config.Shop': its templates extend Oscar's."
        problem = "Oscar's templates hide those by which its pages show PagoEfectivo."
        found.append(Error(problem, hint=hint, id="pagoefectivo.E041"))
    return [*found, *_statuses()]


def _statuses() -> list[CheckMessage]:
    statuses, pipeline = conf.oscar_statuses, list(ShopOrder.all_statuses())
    if not statuses:
        hint = "Name the status of a paid and of a cancelled order: {'paid': …, 'expired': …, 'cancelled': …}."
        problem = "PAGOEFECTIVO['OSCAR_STATUSES'] is empty: no order changes its status when it is paid or expires."
        return [Warning(problem, hint=hint, id="pagoefectivo.W040")]
    wrong: list[str] = [] if isinstance(statuses, Mapping) else [f"is {statuses!r}"]
    for state, status in statuses.items() if not wrong else ():
        if state not in OrderState.values:
            wrong.append(f"has the state {state!r}")
        if status not in pipeline:
            wrong.append(f"has the status {status!r} for {state!r}")
    hint = f"States are {', '.join(OrderState.values)}; statuses of OSCAR_ORDER_STATUS_PIPELINE: {', '.join(pipeline)}."
    return [Error(f"PAGOEFECTIVO['OSCAR_STATUSES'] {one}.", hint=hint, id="pagoefectivo.E042") for one in wrong]
