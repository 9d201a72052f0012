"""The table of everything that waits: for whom, and since when. Every state that is not final is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..documents.tables import Table
from ..flows.reports.health import MOST_COUNTED
from ..flows.reports.queues import REFUND_LISTS, queues
from .panels import Row, link

#: By queue name: a label, the responsible side, the model of the list behind the count ("": no list) and its filters.
QUEUES: dict[str, tuple[Any, Any, str, dict[str, Any]]] = {
    "new": (gettext_lazy("orders without a code"), gettext_lazy("the worker"), "order", {"state__exact": "new"}),
    "cancel": (gettext_lazy("cancellations on their way"), gettext_lazy("the worker"), "", {}),
    "extend": (gettext_lazy("extensions on their way"), gettext_lazy("the worker"), "", {}),
    "reissue": (gettext_lazy("new codes on their way"), gettext_lazy("the worker"), "", {}),
    "requested": (gettext_lazy("codes that are being asked for"), gettext_lazy("the worker"), "", {}),
    "lost": (gettext_lazy("codes whose answer is not known"), gettext_lazy("the worker, then staff"), "", {}),
    "unknown": (
        gettext_lazy("codes that we don't know, of which a message told"),
        gettext_lazy("the worker, while their account is set"),
        "",
        {},
    ),
    "deletion": (gettext_lazy("codes to delete at the provider"), gettext_lazy("the worker, then staff"), "", {}),
    "paused": (
        gettext_lazy("receivers that are left alone for a pause"),
        gettext_lazy("the worker, then staff"),
        "delivery",
        {"delivered": "no"},
    ),
    "refund_requested": (
        gettext_lazy("refunds to approve"),
        gettext_lazy("staff"),
        "refund",
        REFUND_LISTS["refund_requested"],
    ),
    "refund_account": (
        gettext_lazy("refunds without the payer's account"),
        gettext_lazy("the payer"),
        "refund",
        REFUND_LISTS["refund_account"],
    ),
    "refund_approved": (
        gettext_lazy("refunds to send"),
        gettext_lazy("staff, or the worker where the provider sends"),
        "refund",
        REFUND_LISTS["refund_approved"],
    ),
    "refund_sent": (gettext_lazy("refunds to close"), gettext_lazy("staff"), "refund", REFUND_LISTS["refund_sent"]),
    "draft": (
        gettext_lazy("statements to confirm"),
        gettext_lazy("staff"),
        "settlement",
        {"status__exact": "draft"},
    ),
    "matching": (
        gettext_lazy("statements that are being matched"),
        gettext_lazy("the worker"),
        "settlement",
        {"status__exact": "matching"},
    ),
    "line_new": (
        gettext_lazy("lines to match"),
        gettext_lazy("the worker, once the statement is confirmed"),
        "settlementline",
        {"status__exact": "new"},
    ),
    "line_asking": (
        gettext_lazy("lines about which the provider is asked"),
        gettext_lazy("the worker"),
        "settlementline",
        {"status__exact": "asking"},
    ),
    "erasure": (gettext_lazy("payers to erase once nothing of theirs is open"), gettext_lazy("the worker"), "", {}),
}


def queues_panel(accounts: Mapping[str, str], now: datetime, may: Callable[[str], bool]) -> Table:
    """Return the table of all queues besides discrepancies, messages and deliveries, which have panels of their own.

    ``may(model)`` says whether the viewer may see a model's list; queues of other models are left out.
    """
    rows: list[Row] = []
    for queue in queues(accounts):
        what, who, model, wanted = QUEUES[queue.name]
        if model and not may(model.removesuffix("line")):
            continue
        count = _("%(count)d or more") % {"count": queue.count} if queue.count >= MOST_COUNTED else str(queue.count)
        oldest = timesince(queue.since, now) if queue.since else "–"
        rows.append([what, link(count, model, **wanted) if model else count, who, oldest])
    return Table(_("What waits"), [_("what"), _("count"), _("who moves it on"), _("oldest")], rows)
