"""The admin of deliveries: which receiver has received which event, and which receivers keep failing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from ..documents.tables import Badge, Link, Table
from ..errors import InvalidRequest
from ..flows.ledger.redeliver import redeliver
from ..flows.ledger.remark import record_remark
from ..flows.outbox.publish import end_pause
from ..models import Delivery, FailingReceiver
from ..signals import SIGNALS
from ..states import Remark
from ..wording.events import kind_label
from .actions import StaffAction
from .base import RecordAdmin
from .lists import keys, orders_found
from .tables import column, table

#: The most deliveries on a failing receiver's page, oldest first.
MOST_SHOWN = 20


def heard(delivery: Delivery) -> datetime | Badge | None:
    """Return when a delivery arrived, or a badge *nobody listens* if this process has no receiver of the delivery's
    name.
    """
    signal = SIGNALS.get(delivery.event.kind)
    if delivery.delivered_at or (signal and delivery.receiver in signal.by_name):
        return delivery.delivered_at
    return Badge("unheard", _("nobody listens"))


def _try_now(row: FailingReceiver, *, actor: str) -> FailingReceiver:
    if not end_pause(row):
        raise InvalidRequest(
            gettext_noop("The receiver is not left alone; nothing was changed."), code="receiver_not_paused"
        )
    record_remark(None, Remark.RETRIED, actor=actor, data={"receiver": str(row)})
    return row


class DeliveredFilter(admin.SimpleListFilter):
    title = _("delivered")
    parameter_name = "delivered"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", _("No")), ("yes", _("Yes"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        return queryset.filter(delivered_at__isnull=self.value() == "no") if self.value() else queryset


@admin.register(Delivery)
class DeliveryAdmin(RecordAdmin):
    """Deliveries of events to receivers; staff can have an event delivered again."""

    list_display = ("kind", "order_link", "heard_text", "attempts", "retry_at", "receiver", "error_text")
    list_select_related = ("event__order",)
    list_filter = (DeliveredFilter,)
    search_fields = ("event__order__reference",)
    search_help_text = _("Beginning of an order's reference; a CIP, transaction code or operation number")
    ordering = ("-pk",)
    staff_actions = (
        StaffAction(
            "deliver_once_more",
            _("Deliver again"),
            permission="change_delivery",
            flow=redeliver,
            fits=lambda delivery: True,
            tell=lambda delivery: (
                gettext("%(delivery)s: the worker delivers it in its next round.") % {"delivery": delivery}
            ),
            bulk=True,
        ),
    )
    fields = ("kind", "order_link", "receiver", "heard_text", "attempts", "retry_at", "whole_error")

    @column(_("event"), ordering="event__kind")
    def kind(self, delivery: Delivery) -> str:
        return kind_label(delivery.event.kind)

    @column(_("order"))
    def order_link(self, delivery: Delivery) -> Link | None:
        return self.link(delivery.event.order)

    @column(_("delivered"), ordering="delivered_at")
    def heard_text(self, delivery: Delivery) -> Any:
        return heard(delivery)

    def found(self, request: HttpRequest, term: str) -> set[int]:
        return set(keys(Delivery.objects.filter(event__order__in=orders_found(term, by_payer=False))))


@admin.register(FailingReceiver)
class FailingReceiverAdmin(RecordAdmin):
    """Receivers that keep failing, with the end of each pause; staff can end a pause."""

    list_display = ("receiver", "failures", "since", "paused_until")
    search_fields = ("receiver",)
    search_help_text = _("Part of a receiver's name")
    ordering = ("since", "pk")
    staff_actions = (
        StaffAction(
            "try_now",
            _("Try now"),
            permission="change_delivery",
            flow=_try_now,
            fits=lambda row: row.paused_until is not None,
            tell=lambda row: gettext("%(receiver)s: the worker tries it in its next round.") % {"receiver": row},
            bulk=True,
        ),
    )
    fields = ("receiver", ("failures", "since"), "paused_until")

    # The permissions are those of deliveries: view_delivery shows a failing receiver, change_delivery has it tried
    # again.

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return any(request.user.has_perm(f"pagoefectivo.{verb}_delivery") for verb in ("view", "change"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) or super().has_module_permission(request)

    def found(self, request: HttpRequest, term: str) -> set[int]:
        return set(keys(FailingReceiver.objects.filter(receiver__contains=term)))

    def sections(self, row: FailingReceiver) -> list[Table]:
        waiting = Delivery.objects.filter(receiver=row.receiver, delivered_at__isnull=True)
        order = (_("order"), lambda delivery: self.link(delivery.event.order))
        columns = ((_("delivery"), self.link), order, "attempts", "retry_at", (_("last error"), self.error_text))
        oldest = waiting.select_related("event__order").order_by("retry_at", "pk")[:MOST_SHOWN]
        return [table(_("deliveries that wait"), oldest, columns)]
