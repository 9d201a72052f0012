"""Deliveries: which receiver has heard of which event."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..flows.note import note
from ..flows.publish import deliver_again
from ..models import Delivery
from ..signals import SIGNALS
from ..states import Remark
from .base import RecordAdmin, badge
from .finding import keys, orders_found


def heard(delivery: Delivery) -> Any:
    """Return when a delivery arrived, or that this process knows nobody who listens."""
    signal = SIGNALS.get(delivery.event.kind)
    if delivery.delivered_at or (signal and delivery.receiver in signal.by_name):
        return delivery.delivered_at
    return badge("unheard", _("nobody listens"))


class DeliveredFilter(admin.SimpleListFilter):
    title = _("delivered")
    parameter_name = "delivered"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("no", _("No")), ("yes", _("Yes"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        return queryset.filter(delivered_at__isnull=self.value() == "no") if self.value() else queryset


@admin.register(Delivery)
class DeliveryAdmin(RecordAdmin):
    """One event for one receiver; staff has it delivered again."""

    list_display = ("kind", "order_link", "heard_text", "attempts", "next_attempt_at", "receiver", "error_text")
    list_select_related = ("event__order",)
    list_filter = (DeliveredFilter,)
    search_fields = ("event__order__reference",)
    search_help_text = _("Beginning of an order's reference; a CIP, transaction code or operation number")
    ordering = ("-pk",)
    actions = ("deliver_once_more",)
    fields = ("kind", "order_link", "receiver", "heard_text", "attempts", "next_attempt_at", "last_error")

    @admin.display(description=_("event"), ordering="event__kind")
    def kind(self, delivery: Delivery) -> str:
        return str(delivery.event.kind)

    @admin.display(description=_("order"))
    def order_link(self, delivery: Delivery) -> SafeString | str:
        return self.link(delivery.event.order)

    @admin.display(description=_("delivered"), ordering="delivered_at")
    def heard_text(self, delivery: Delivery) -> Any:
        return heard(delivery)

    @admin.action(permissions=["act"], description=_("Deliver again"))
    def deliver_once_more(self, request: HttpRequest, rows: QuerySet[Delivery]) -> HttpResponse | None:
        if self.too_many(request, rows):
            return None
        actor = request.user.get_username()

        def flow(delivery: Delivery) -> None:
            detail = f"{delivery.event.kind} {delivery.receiver}"
            note(delivery.event.order, Remark.RETRIED, actor=actor, detail=detail)
            deliver_again(delivery)

        return self.for_each(request, rows.select_related("event__order"), flow, _outcome)

    def found(self, request: HttpRequest, term: str) -> set[int]:
        return set(keys(Delivery.objects.filter(event__order__in=orders_found(term, by_payer=False))))


def _outcome(delivery: Delivery) -> str:
    return gettext("%(delivery)s: the worker delivers it in its next round.") % {"delivery": delivery}
