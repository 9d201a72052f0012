"""Orders: what is owed, how it is paid, and everything that happened."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.formats import localize
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..flows import cancel_order, extend_order, refresh_order, reissue_code
from ..forms import ExtendForm, ReissueForm
from ..models import Delivery, Notification, Order, OrderEvent, Payment
from ..models.database import in_shop_transaction
from ..money import CURRENCIES
from ..states import OrderState
from .base import KnownValuesFilter, RecordAdmin, Section, badge, badge_of, fact_label, table
from .outbox import heard

#: Calls a flow for an order, with the date that was asked for.
Flow = Callable[[Order, datetime | None], Order]


class CurrencyFilter(KnownValuesFilter):
    title = _("currency")
    parameter_name = "currency"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(currency, currency) for currency in CURRENCIES]


@admin.register(Order)
class OrderAdmin(RecordAdmin):
    """Orders, their codes and payments; staff refreshes, cancels, extends and reissues."""

    list_display = ("reference", "state_badge", "money", "code", "expires_at", "account")
    list_select_related = ("cip",)
    list_filter = ("state", CurrencyFilter, "created_at")
    search_fields = ("reference", "email", "cips__code")
    search_help_text = _("Reference, CIP or e-mail")
    ordering = ("-pk",)
    actions = ("refresh", "cancel", "extend", "reissue")
    fieldsets = (
        (None, {"fields": (("reference", "state_badge"), ("money", "code"), ("account", "expires_at"))}),
        (_("Payment"), {"fields": (("paid_at", "operation_number"),)}),
        (_("Payer"), {"fields": ("email", "payer_text", "language")}),
        (_("Sale"), {"fields": ("concept", "metadata", "created_at")}),
    )
    #: Shown while something is wished for.
    wish_fieldset = (
        _("Still to be done at the provider"),
        {"fields": (("wish", "wish_date"), "wish_actor", ("attempts", "next_attempt_at"), "last_error")},
    )

    # Columns.

    @admin.display(description=_("state"), ordering="state")
    def state_badge(self, order: Order) -> SafeString | str:
        return badge_of(order, "state")

    @admin.display(description=_("amount"), ordering="amount")
    def money(self, order: Order) -> str:
        return str(order.money)

    @admin.display(description="CIP")
    def code(self, order: Order) -> str:
        return order.code

    @admin.display(description=_("account"))
    def account(self, order: Order) -> str:
        return order.cip.account if order.cip else ""

    @admin.display(description=_("payer"))
    def payer_text(self, order: Order) -> SafeString:
        return format_html_join(mark_safe("<br>"), "{}: {}", order.payer_data.items())

    # The page of one order.

    def get_fieldsets(self, request: HttpRequest, obj: Order | None = None) -> Any:
        return (*self.fieldsets, self.wish_fieldset) if obj and obj.wish else self.fieldsets

    def questions(self, row: Order) -> list[SafeString | str]:
        return [self.link(question) for question in row.discrepancies.open().select_related("order")]

    def sections(self, row: Order) -> list[Section]:
        events = row.events.select_related("cip").order_by("number")
        cips = row.cips.order_by("pk")
        payments = Payment.objects.filter(cip__order=row).select_related("cip").order_by("pk")
        mine = reduce(or_, (Q(account=cip.account, code=cip.code) for cip in cips if cip.code), Q(pk__in=[]))
        notifications = Notification.objects.filter(mine).defer("body").order_by("received_at", "pk")
        deliveries = Delivery.objects.filter(event__order=row).select_related("event").order_by("event__number", "pk")
        state = (_("state"), _change)
        told = (_("fact"), lambda row: fact_label(row.fact))
        error = (_("last error"), self.error_text)
        amount = (_("amount"), lambda payment: f"{payment.currency} {payment.amount:.2f}")
        of_cip = ("code", "status", "account", "transaction_code", "expires_at", "asked_at", "changed_at", error)
        of_payment = ("cip", "operation_number", amount, "paid_at", "first_heard_at", "standing")
        of_message = ((_("notification"), self.link), "received_at", told, "fate", "times_received", "attempts", error)
        of_delivery = ((_("delivery"), self.link), (_("delivered"), heard), "attempts", "next_attempt_at", error)
        return [
            table(_("timeline"), events, ("created_at", "kind", told, state, "actor", "cip", "detail")),
            table(_("codes"), cips, of_cip),
            table(_("payments"), payments, of_payment),
            table(_("notifications"), notifications, of_message),
            table(_("deliveries"), deliveries, of_delivery),
        ]

    # Actions.

    @admin.action(permissions=["act"], description=_("Ask the provider"))
    def refresh(self, request: HttpRequest, orders: QuerySet[Order]) -> HttpResponse | None:
        if self.too_many(request, orders):
            return None
        return self.for_each(request, orders, refresh_order, _outcome)

    @admin.action(permissions=["act"], description=_("Cancel"))
    def cancel(self, request: HttpRequest, orders: QuerySet[Order]) -> HttpResponse | None:
        def flow(order: Order, until: datetime | None) -> Order:
            return cancel_order(order, actor=request.user.get_username())

        question = _("Cancel? The code is deleted at the provider and can't be paid any more.")
        return self._confirmed(request, orders, "cancel", question, forms.Form, flow)

    @admin.action(permissions=["act"], description=_("Extend"))
    def extend(self, request: HttpRequest, orders: QuerySet[Order]) -> HttpResponse | None:
        def flow(order: Order, until: datetime | None) -> Order:
            assert until
            return extend_order(order, until, actor=request.user.get_username())

        question = _("Until when shall it be payable? The code stays the same.")
        return self._confirmed(request, orders, "extend", question, ExtendForm, flow)

    @admin.action(permissions=["act"], description=_("Reissue"))
    def reissue(self, request: HttpRequest, orders: QuerySet[Order]) -> HttpResponse | None:
        def flow(order: Order, until: datetime | None) -> Order:
            return reissue_code(order, expires_at=until, actor=request.user.get_username())

        question = _("Issue another code? The present one is deleted at the provider, and the payer needs the new one.")
        return self._confirmed(request, orders, "reissue", question, ReissueForm, flow)

    def _confirmed(
        self,
        request: HttpRequest,
        orders: QuerySet[Order],
        action: str,
        question: Any,
        form_class: type[forms.Form],
        flow: Flow,
    ) -> HttpResponse | None:
        """Show what would be done and ask; call the flow once that was answered."""
        if self.too_many(request, orders):
            return None
        orders = orders.select_related("cip")
        form = form_class(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            until = form.cleaned_data.get("expires_at")
            return self.for_each(request, orders, lambda order: flow(order, until), _outcome)
        label = getattr(self, action).short_description
        columns = ((_("order"), self.link), "state", (_("amount"), self.money), "cip", "expires_at")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": label,
            "question": question,
            "sections": [table(_("orders"), orders, columns)],
            "rows": orders,
            "form": form,
            "action": action,
            "confirm": gettext("Yes: %(action)s") % {"action": label},
            "from_record": "from_record" in request.POST,
            "back": self.address(orders[0]) if "from_record" in request.POST and orders else request.get_full_path(),
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/pagoefectivo/confirm.html", context)


def _outcome(order: Order) -> str:
    """Return where an order stands after a flow, for a message."""
    if in_shop_transaction():
        return gettext("%(order)s: will be done in a moment.") % {"order": order}
    until = localize(localtime(order.expires_at))
    about = {"order": order, "state": order.get_state_display(), "code": order.code or "–", "until": until}
    return gettext("%(order)s: %(state)s, CIP %(code)s, until %(until)s") % about


def _change(event: OrderEvent) -> SafeString | str:
    before, after = (
        badge(state, OrderState(state).label if state in OrderState.values else state)
        for state in (event.state_before, event.state_after)
    )
    return after if before in ("", after) else format_html("{} → {}", before, after)
