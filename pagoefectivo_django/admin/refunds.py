"""The admin of refunds: the queue of money that goes back, and the file for the bank."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from ..actors import Actor
from ..conf import conf
from ..documents.tables import Cell, Link, Table, csv_pieces
from ..flows import approve_refund, close_refund, send_refund
from ..flows.ledger.remark import record_remark
from ..flows.refunds.refund import ask_account
from ..models import Payment, Refund
from ..models.refunds import RefundQuerySet
from ..states import RefundStatus, Remark
from .actions import StaffAction
from .base import KnownValuesFilter, RecordAdmin
from .exports import csv_response
from .forms import ReasonForm
from .lists import keys, orders_found
from .order_tables import actor_label, change_label, event_label, event_words, outcome_of
from .tables import OF_REFUNDS, Column, column, table


def _asked(refund: Refund) -> str:
    return gettext("%(refund)s: the payer is written in a moment.") % {"refund": refund}


def _outcome(refund: Refund) -> str:
    return gettext("%(refund)s: %(status)s") % {"refund": refund, "status": refund.get_status_display()}


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

    class Media:
        js = ["pagoefectivo/copy.js"]

    def found(self, request: HttpRequest, term: str) -> set[int]:
        return set(keys(Refund.objects.filter(order__in=orders_found(term, by_payer=False))))

    staff_actions = (
        StaffAction(
            "approve", _("Approve"), permission="approve_refund", flow=approve_refund, tell=_outcome, bulk=True
        ),
        StaffAction(
            "ask_account",
            _("Ask the payer for the account"),
            permission="send_refund",
            flow=ask_account,
            tell=_asked,
            bulk=True,
        ),
        StaffAction("send", _("Mark as sent"), permission="send_refund", flow=send_refund, tell=_outcome, bulk=True),
        StaffAction(
            "done",
            _("Done"),
            permission="send_refund",
            prompt=_("The payer has the money? When all that paid an order went back, the order is refunded."),
            form=ReasonForm,
            flow=partial(close_refund, done=True),
            tell=_outcome,
            bulk=True,
        ),
        StaffAction(
            "fail",
            _("Failed"),
            permission="send_refund",
            prompt=_("The money did not go back, and won't? The amount can be refunded anew."),
            form=ReasonForm,
            flow=partial(close_refund, done=False),
            tell=_outcome,
            bulk=True,
        ),
    )
    reasons = {"same_person": _("You asked for it: somebody else has to approve it.")}

    # Columns.

    @column(_("requested by"))
    def requested_text(self, refund: Refund) -> str:
        return Actor.parse(refund.requested_by).label

    @column(_("approved by"))
    def approved_text(self, refund: Refund) -> str:
        return Actor.parse(refund.approved_by).label

    @column(_("outcome"))
    def outcome_text(self, refund: Refund) -> str:
        return outcome_of(refund)

    @column(_("goes to"))
    def goes_to(self, refund: Refund) -> str:
        if refund.by_channel:
            return gettext("done by the provider")
        if refund.needs_account:
            return gettext("the payer has to say")
        return f"{refund.bank} •••• {refund.cci[-4:]}" if refund.cci else ""

    @column("CCI")
    def bank_account(self, refund: Refund) -> str:
        return grouped(refund.cci)

    @column(_("account holder"))
    def holder_end(self, refund: Refund) -> str:
        return f"{refund.holder[:1]}…" if refund.holder else ""

    @column(_("order"))
    def order_link(self, refund: Refund) -> Link | None:
        return self.link(refund.order)

    # The page of one refund.

    def get_fieldsets(self, request: HttpRequest, obj: Refund | None = None) -> Any:
        handles = _may("approve", request) or _may("send", request)
        provider_id = ("provider_id",) if obj and obj.provider_id else ()
        outcome = (("sent_at", "closed_at"), *provider_id, "outcome_text", ("attempts", "retry_at"), "whole_error")
        account: dict[str, Any] = {"fields": ("bank", "bank_account", "holder") if handles else ("bank", "holder_end")}
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
            (None, {"fields": (("order_link", "status_badge"), "money", "goes_to", "reason")}),
            (_("Account"), account),
            (_("Asked for"), {"fields": (("requested_text", "requested_at"), ("approved_text", "approved_at"))}),
            (_("Outcome"), {"fields": outcome}),
        )

    def sections(self, row: Refund) -> list[Table]:
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

    def asked_about(self) -> Sequence[Column]:
        return ((_("refund"), self.link), "status", (_("goes to"), self.goes_to))

    # For the bank.

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.bank_view)
        return [path("bank.csv", view, name="pagoefectivo_refund_bank"), *super().get_urls()]

    def list_links(self, request: HttpRequest) -> list[tuple[str, Any]]:
        return [(self.list_address("bank"), _("CSV for the bank"))] if _may("send", request) else []

    @sensitive_variables()
    def bank_view(self, request: HttpRequest) -> StreamingHttpResponse:
        """Return the refunds for staff to send by bank, as CSV: approved, with an account, not sent, not refunded by
        the provider.

        Each refund's order gets an event that records the download. Needs the permission ``send_refund``.
        """
        if not _may("send", request):
            raise PermissionDenied
        rows = Refund.objects.filter(status=RefundStatus.APPROVED, by_channel=False).exclude(cci="")
        for refund in rows.select_related("order"):
            record_remark(refund.order, Remark.DOWNLOADED, actor=request.user.get_username(), data={"file": "bank.csv"})
        of_bank = map(_for_bank, rows.select_related("order").order_by("pk").iterator())
        return csv_response(csv_pieces(Table("refunds", _FOR_BANK, of_bank)), f"refunds-{timezone.localdate()}.csv")


def _may(verb: str, request: HttpRequest) -> bool:
    return bool(request.user.has_perm(f"pagoefectivo.{verb}_refund"))


def grouped(cci: str) -> str:
    """Return a CCI (20 digits) in the groups that banks print; a spreadsheet would round the plain number."""
    return "-".join((cci[:3], cci[3:6], cci[6:18], cci[18:])) if cci else ""


_FOR_BANK = ("reference", "holder", "bank", "CCI", "currency", "amount", "refund")


def _for_bank(refund: Refund) -> Sequence[Cell]:
    about = (refund.order.reference, refund.holder, refund.bank, grouped(refund.cci))
    return (*about, refund.currency, refund.amount, refund.pk)


def _site(request: HttpRequest) -> str:
    return str(conf.public_url).rstrip("/") or request.build_absolute_uri("/").rstrip("/")
