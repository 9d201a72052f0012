"""The admin of deliveries: which receiver has received which event, and which receivers keep failing."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _

from ..errors import InvalidRequest
from ..flows.ledger.remark import record_remark
from ..flows.outbox.publish import deliver_again, end_pause
from ..models import Delivery, FailingReceiver
from ..signals import SIGNALS
from ..states import Remark
from ..wording.events import kind_label
from .base import RecordAdmin, Section, badge, table
from .lists import keys, orders_found

#: The most deliveries on a failing receiver's page, oldest first.
MOST_SHOWN = 20


def heard(delivery: Delivery) -> Any:
    """Return when a delivery arrived, or a badge *nobody listens* if this process has no receiver of the delivery's
    name.
    """
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
    """Deliveries of events to receivers; staff can have an event delivered again."""

    list_display = ("kind", "order_link", "heard_text", "attempts", "retry_at", "receiver", "error_text")
    list_select_related = ("event__order",)
    list_filter = (DeliveredFilter,)
    search_fields = ("event__order__reference",)
    search_help_text = _("Beginning of an order's reference; a CIP, transaction code or operation number")
    ordering = ("-pk",)
    actions = ("deliver_once_more",)
    fields = ("kind", "order_link", "receiver", "heard_text", "attempts", "retry_at", "whole_error")

    @admin.display(description=_("event"), ordering="event__kind")
    def kind(self, delivery: Delivery) -> str:
        return kind_label(delivery.event.kind)

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
            data = {"event": delivery.event.kind, "receiver": delivery.receiver}
            record_remark(delivery.event.order, Remark.RETRIED, actor=actor, data=data)
            deliver_again(delivery)

        return self.for_each(request, rows.select_related("event__order"), flow, _outcome)

    def found(self, request: HttpRequest, term: str) -> set[int]:
        return set(keys(Delivery.objects.filter(event__order__in=orders_found(term, by_payer=False))))


def _outcome(delivery: Delivery) -> str:
    return gettext("%(delivery)s: the worker delivers it in its next round.") % {"delivery": delivery}


@admin.register(FailingReceiver)
class FailingReceiverAdmin(RecordAdmin):
    """Receivers that keep failing, with the end of each pause; staff can end a pause."""

    list_display = ("receiver", "failures", "since", "paused_until")
    search_fields = ("receiver",)
    search_help_text = _("Part of a receiver's name")
    ordering = ("since", "pk")
    actions = ("try_now",)
    fields = ("receiver", ("failures", "since"), "paused_until")

    # The permissions are those of deliveries: view_delivery shows a failing receiver, change_delivery has it tried
    # again.

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return any(request.user.has_perm(f"pagoefectivo.{verb}_delivery") for verb in ("view", "change"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) or super().has_module_permission(request)

    def has_act_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("pagoefectivo.change_delivery")

    def found(self, request: HttpRequest, term: str) -> set[int]:
        return set(keys(FailingReceiver.objects.filter(receiver__contains=term)))

    def offers(self, row: FailingReceiver, action: str) -> bool:
        return row.paused_until is not None

    def sections(self, row: FailingReceiver) -> list[Section]:
        waiting = Delivery.objects.filter(receiver=row.receiver, delivered_at__isnull=True)
        order = (_("order"), lambda delivery: self.link(delivery.event.order))
        columns = ((_("delivery"), self.link), order, "attempts", "retry_at", (_("last error"), self.error_text))
        oldest = waiting.select_related("event__order").order_by("retry_at", "pk")[:MOST_SHOWN]
        return [table(_("deliveries that wait"), oldest, columns)]

    @admin.action(permissions=["act"], description=_("Try now"))
    def try_now(self, request: HttpRequest, rows: QuerySet[FailingReceiver]) -> HttpResponse | None:
        if self.too_many(request, rows):
            return None
        actor = request.user.get_username()

        def flow(row: FailingReceiver) -> None:
            if not end_pause(row):
                raise InvalidRequest(
                    gettext_noop("The receiver is not left alone; nothing was changed."), code="receiver_not_paused"
                )
            record_remark(None, Remark.RETRIED, actor=actor, data={"receiver": str(row)})

        return self.for_each(request, rows, flow, _tried)


def _tried(row: FailingReceiver) -> str:
    return gettext("%(receiver)s: the worker tries it in its next round.") % {"receiver": row}
