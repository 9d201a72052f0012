"""The admin of refunds: the queue of money that goes back, and the file for the bank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from ..actors import Actor
from ..conf import conf
from ..documents.tables import Cell, csv_pieces
from ..flows import approve_refund, close_refund, send_refund
from ..flows.ledger.remark import record_remark
from ..flows.refunds.refund import ask_account
from ..forms import ReasonForm
from ..models import Payment, Refund
from ..models.refunds import RefundQuerySet
from ..states import RefundStatus, Remark
from .base import OF_REFUNDS, Column, KnownValuesFilter, RecordAdmin, Section, badge_of, is_possible, table
from .exports import csv_response
from .lists import keys, orders_found
from .order_tables import actor_label, change_label, event_label, event_words, outcome_of


class AccountFilter(KnownValuesFilter):
    title = _("payer's account")
    parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("wanted", _("wanted")), ("known", _("known, or none is needed"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        refunds = cast(RefundQuerySet, queryset)
        if self.value() == "wanted":
            return refunds.without_account()
        return refunds.with_account() if self.value() == "known" else refunds


@admin.register(Refund)
class RefundAdmin(RecordAdmin):
    """Refunds that wait for approval, for the payer's account or for the bank; staff approves, sends and closes."""

    list_display = ("__str__", "status_badge", "goes_to", "requested_at", "requested_text")
    list_select_related = ("order",)
    list_filter = ("status", AccountFilter, "requested_at")
    search_fields = ("order__reference", "payment__cip__code", "payment__operation_number")
    search_help_text = _("Order, CIP or operation number")
    # Open refunds first, oldest first; then closed refunds, newest first.
    ordering = (F("closed_at").desc(nulls_first=True), "requested_at")
    change_list_template = "admin/pagoefectivo/refund/change_list.html"

    class Media:
        js = ["pagoefectivo/copy.js"]

    def found(self, request: HttpRequest, term: str) -> set[int]:
        return set(keys(Refund.objects.filter(order__in=orders_found(term, by_payer=False))))

    actions = ("approve", "ask_account", "send", "done", "fail")
    reasons = {"same_person": _("You asked for it: somebody else has to approve it.")}

    # Columns.

    @admin.display(description=_("status"), ordering="status")
    def status_badge(self, refund: Refund) -> SafeString | str:
        return badge_of(refund, "status")

    @admin.display(description=_("requested by"))
    def requested_text(self, refund: Refund) -> str:
        return Actor.parse(refund.requested_by).label

    @admin.display(description=_("approved by"))
    def approved_text(self, refund: Refund) -> str:
        return Actor.parse(refund.approved_by).label

    @admin.display(description=_("outcome"))
    def outcome_text(self, refund: Refund) -> str:
        return outcome_of(refund)

    @admin.display(description=_("goes to"))
    def goes_to(self, refund: Refund) -> str:
        if refund.by_channel:
            return gettext("done by the provider")
        if refund.needs_account:
            return gettext("the payer has to say")
        return f"{refund.bank} •••• {refund.cci[-4:]}" if refund.cci else ""

    @admin.display(description="CCI")
    def account(self, refund: Refund) -> str:
        return grouped(refund.cci)

    @admin.display(description=_("account holder"))
    def holder_end(self, refund: Refund) -> str:
        return f"{refund.holder[:1]}…" if refund.holder else ""

    @admin.display(description=_("order"))
    def order_link(self, refund: Refund) -> SafeString | str:
        return self.link(refund.order)

    # Permissions.

    def has_approve_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("pagoefectivo.approve_refund")

    def has_send_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("pagoefectivo.send_refund")

    # The page of one refund.

    def get_fieldsets(self, request: HttpRequest, obj: Refund | None = None) -> Any:
        handles = self.has_approve_permission(request) or self.has_send_permission(request)
        account: dict[str, Any] = {"fields": ("bank", "account", "holder") if handles else ("bank", "holder_end")}
        if obj and obj.needs_account and handles:
            account["description"] = format_html(
                '{}<code class="pagoefectivo-link">{}</code>'
                '<button type="button" class="button" data-copied="{}">{}</button>',
                _("The payer names the account at this link, which works for two weeks."),
                _site(request) + obj.account_url,
                gettext("Copied"),
                gettext("Copy the link"),
            )
        return (
            (None, {"fields": (("order_link", "status_badge"), ("amount", "currency"), "goes_to", "reason")}),
            (_("Account"), account),
            (_("Asked for"), {"fields": (("requested_text", "requested_at"), ("approved_text", "approved_at"))}),
            (
                _("Outcome"),
                {"fields": (("sent_at", "closed_at"), "outcome_text", ("attempts", "retry_at"), "whole_error")},
            ),
        )

    def sections(self, row: Refund) -> list[Section]:
        payments = Payment.objects.filter(pk=row.payment_id).select_related("cip").prefetch_related("refunds")
        of_payment = ("cip", (_("payment"), str), "paid_at", "first_heard_at", "status", *OF_REFUNDS)
        events = row.order.events.order_by("number")
        of_event = (
            "created_at",
            (_("what"), event_label),
            (_("what happened"), event_words),
            "reason",
            (_("who"), actor_label),
            (_("state"), change_label),
        )
        return [
            table(_("payment"), payments, of_payment),
            table(_("timeline of the order"), events, of_event),
        ]

    def offers(self, row: Refund, action: str) -> bool:
        return is_possible(row, action)

    def asked_about(self) -> Sequence[Column]:
        return ((_("refund"), self.link), "status", (_("goes to"), self.goes_to))

    # Actions.

    @admin.action(permissions=["approve"], description=_("Approve"))
    def approve(self, request: HttpRequest, refunds: QuerySet[Refund]) -> HttpResponse | None:
        if self.too_many(request, refunds):
            return None
        actor = request.user.get_username()
        return self.for_each(request, refunds, lambda refund: approve_refund(refund, actor=actor), _outcome)

    @admin.action(permissions=["send"], description=_("Ask the payer for the account"))
    def ask_account(self, request: HttpRequest, refunds: QuerySet[Refund]) -> HttpResponse | None:
        if self.too_many(request, refunds):
            return None
        actor = request.user.get_username()
        return self.for_each(request, refunds, lambda refund: ask_account(refund, actor=actor), _asked)

    @admin.action(permissions=["send"], description=_("Mark as sent"))
    def send(self, request: HttpRequest, refunds: QuerySet[Refund]) -> HttpResponse | None:
        if self.too_many(request, refunds):
            return None
        actor = request.user.get_username()
        return self.for_each(request, refunds, lambda refund: send_refund(refund, actor=actor), _outcome)

    @admin.action(permissions=["send"], description=_("Done"))
    def done(self, request: HttpRequest, refunds: QuerySet[Refund]) -> HttpResponse | None:
        prompt = _("The payer has the money? When all that paid an order went back, the order is refunded.")
        return self._close(request, refunds, "done", prompt)

    @admin.action(permissions=["send"], description=_("Failed"))
    def fail(self, request: HttpRequest, refunds: QuerySet[Refund]) -> HttpResponse | None:
        prompt = _("The money did not go back, and won't? The amount can be refunded anew.")
        return self._close(request, refunds, "fail", prompt)

    def _close(self, request: HttpRequest, refunds: QuerySet[Refund], action: str, prompt: Any) -> HttpResponse | None:
        def flow(refund: Refund, reason: str) -> Refund:
            return close_refund(refund, done=action == "done", actor=request.user.get_username(), reason=reason)

        return self.confirmed(request, refunds.select_related("order"), action, prompt, ReasonForm, flow, _outcome)

    # For the bank.

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.bank_view)
        return [path("bank.csv", view, name="pagoefectivo_refund_bank"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        may_send = self.has_send_permission(request)
        return super().changelist_view(request, {**(extra_context or {}), "may_send": may_send})

    @sensitive_variables()
    def bank_view(self, request: HttpRequest) -> StreamingHttpResponse:
        """Return the refunds for staff to send by bank, as CSV: approved, with an account, not sent, not refunded by
        the provider.

        Each refund's order gets an event that records the download. Needs the permission ``send_refund``.
        """
        if not self.has_send_permission(request):
            raise PermissionDenied
        rows = Refund.objects.filter(status=RefundStatus.APPROVED, by_channel=False).exclude(cci="")
        for refund in rows.select_related("order"):
            record_remark(refund.order, Remark.DOWNLOADED, actor=request.user.get_username(), data={"file": "bank.csv"})
        pieces = csv_pieces(_FOR_BANK, map(_for_bank, rows.select_related("order").order_by("pk").iterator()))
        return csv_response(pieces, f"refunds-{timezone.localdate()}.csv")


def grouped(cci: str) -> str:
    """Return a CCI (20 digits) in the groups that banks print; a spreadsheet would round the plain number."""
    return "-".join((cci[:3], cci[3:6], cci[6:18], cci[18:])) if cci else ""


_FOR_BANK = ("reference", "holder", "bank", "CCI", "currency", "amount", "refund")


def _for_bank(refund: Refund) -> Sequence[Cell]:
    about = (refund.order.reference, refund.holder, refund.bank, grouped(refund.cci))
    return (*about, refund.currency, refund.amount, refund.pk)


def _site(request: HttpRequest) -> str:
    return str(conf.public_url).rstrip("/") or request.build_absolute_uri("/").rstrip("/")


def _asked(refund: Refund) -> str:
    return gettext("%(refund)s: the payer is written in a moment.") % {"refund": refund}


def _outcome(refund: Refund) -> str:
    return gettext("%(refund)s: %(status)s") % {"refund": refund, "status": refund.get_status_display()}
