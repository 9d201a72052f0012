"""The admin of orders: amounts, codes, payments and history, and the buttons and staff actions on an order."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import localize
from django.utils.html import format_html_join
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import get_valid_filename
from django.utils.timezone import localtime
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from ..actors import Actor
from ..conf import conf
from ..documents.evidence_json import evidence_json
from ..documents.tables import Badge, Link, Table
from ..errors import InvalidRequest
from ..flows import (
    actions_of,
    adopt_code,
    cancel_order,
    extend_order,
    mark_paid,
    refresh_order,
    refund_order,
    reissue_code,
)
from ..flows.ledger.remark import record_remark
from ..flows.privacy.erase import Erased, erase_payer, hand_out
from ..flows.reports.evidence import evidence
from ..models import Order, Payment, Refund
from ..models.clock import current_time
from ..models.database import in_shop_transaction
from ..money import CURRENCIES
from ..states import OrderState, RefundStatus, Remark
from ..wording.payer import PAYER_FIELDS
from .actions import StaffAction
from .base import KnownValuesFilter, RecordAdmin, masked, may_see_people
from .forms import AdoptForm, ExtendForm, MarkPaidForm, ReasonForm, RefundForm, ReissueForm
from .lists import orders_found
from .order_tables import code_label, order_tables
from .tables import OF_REFUNDS, Column, badge_of, column, table

logger = logging.getLogger("pagoefectivo.orders")


def _evidence_pdf(tables: Sequence[Table]) -> bytes:
    # Imported on use: Django imports every admin module at start, and reportlab is heavy.
    from ..documents.evidence_pdf import evidence_pdf

    return evidence_pdf(tables)


_EVIDENCE = {"pdf": _evidence_pdf, "json": evidence_json}


def _refresh(order: Order, *, actor: str) -> Order:
    record_remark(order, Remark.ASKED, actor=actor)
    return refresh_order(order)


def _unless_moved(action: str, flow: Callable[..., Order]) -> Callable[..., Order]:
    """Return a flow that refuses an order whose state forbids the action by now, which the flow would pass over."""

    def run(order: Order, **said: Any) -> Order:
        order.reload()
        if actions_of([order])[order][action] in OrderState:
            # Followed by the sentence of since().
            raise InvalidRequest(gettext_noop("Nothing was changed."), code="order_moved_on")
        return flow(order, **said)

    return run


def _erase(order: Order, *, actor: str, reason: str) -> Erased:
    return erase_payer(email=order.email, actor=actor, reason=reason)


def _links_of_shop(order: Order) -> list[tuple[str, Any]]:
    """Return the link of the setting ``ORDER_LINK``; none where the shop's function fails, which the log tells."""
    try:
        link_of = conf.link_of_order
        address, label = (link_of(order) if link_of else None) or ("", "")
    except Exception:  # the shop's own code, which must not hide the order from staff
        logger.exception("ORDER_LINK failed for order %s; its page has no link to the shop.", order.reference)
        return []
    return [(address, label)] if address else []


def _outcome(order: Order) -> str:
    """Return a message that says where an order stands after a flow.

    Inside a transaction of the shop the flow runs after the commit, and the message says so.
    """
    if in_shop_transaction():
        return gettext("%(order)s: will be done in a moment.") % {"order": order}
    until = localize(localtime(order.expires_at))
    about = {"order": order, "state": order.get_state_display(), "code": order.code or "–", "until": until}
    return gettext("%(order)s: %(state)s, CIP %(code)s, until %(until)s") % about


def _asked_back(refund: Refund) -> str:
    return gettext("%(refund)s: the refund waits for approval.") % {"refund": refund}


class CurrencyFilter(KnownValuesFilter):
    title = _("currency")
    parameter_name = "currency"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(currency, currency) for currency in CURRENCIES]


@admin.register(Order)
class OrderAdmin(RecordAdmin):
    """Orders with codes and payments; staff refreshes, cancels, extends, reissues, and records by hand."""

    list_display = ("reference", "state_badge", "money", "code", "expires_at", "account")
    list_select_related = ("cip",)
    list_filter = ("state", CurrencyFilter, "created_at")
    linked_fields = ("cip", "expires_at", "paid_at", "settled_at")
    search_fields = (
        "reference",
        "email",
        "cips__code",
        "cips__transaction_code",
        "cips__provider_id",
        "cips__other_code",
        "operation_number",
    )
    search_help_text = _(
        "Beginning of a reference or e-mail; a CIP, transaction code, operation number or the provider's id"
    )
    ordering = ("-pk",)
    fieldsets = (
        (None, {"fields": (("reference", "state_badge"), ("money", "code"), ("account", "expires_at"))}),
        (_("Payment"), {"fields": (("paid_at", "operation_number"), "settled_at")}),
        (_("Payer"), {"fields": ("email_text", "payer_text", "language")}),
        (_("Sale"), {"fields": ("concept_text", "metadata_text", "created_at")}),
    )
    #: Shown while the order has a pending or deferred action.
    pending_fieldset = (
        _("Still to be done at the provider"),
        {"fields": (("pending_text", "action_date"), "action_requested_text", ("attempts", "retry_at"), "whole_error")},
    )

    staff_actions = (
        StaffAction(
            "refresh", _("Ask the provider"), permission="change_order", flow=_refresh, tell=_outcome, bulk=True
        ),
        StaffAction(
            "cancel",
            _("Cancel"),
            permission="change_order",
            prompt=_("Cancel? The code is deleted at the provider and can't be paid any more."),
            form=ReasonForm,
            flow=_unless_moved("cancel", cancel_order),
            tell=_outcome,
            bulk=True,
        ),
        StaffAction(
            "extend",
            _("Extend"),
            permission="change_order",
            prompt=_("Until when shall it be payable? The code stays the same."),
            form=ExtendForm,
            flow=_unless_moved("extend", extend_order),
            tell=_outcome,
            bulk=True,
        ),
        StaffAction(
            "reissue",
            _("Reissue"),
            permission="change_order",
            prompt=_(
                "Issue another code? The present one is deleted at the provider, and the payer needs the new one."
            ),
            form=ReissueForm,
            flow=_unless_moved("reissue", reissue_code),
            tell=_outcome,
            bulk=True,
        ),
        StaffAction(
            "mark_paid",
            _("Mark as paid"),
            permission="mark_paid",
            prompt=_(
                "The order will count as paid in full and the shop will ship it, though the provider has told of no "
                "payment. Do this only if you have seen the money: in the provider's portal, or at the bank. Should "
                "the provider tell of the same operation later, nothing more happens; of another, you are asked."
            ),
            form=MarkPaidForm,
            flow=mark_paid,
            tell=_outcome,
        ),
        StaffAction(
            "adopt_code",
            _("Attach a code"),
            permission="adopt_code",
            prompt=_(
                "A code of this order whose answer got lost will be attached to it. The provider is asked, and has to "
                "show that the code was asked for this order; if it was paid, the order is paid."
            ),
            form=AdoptForm,
            flow=adopt_code,
            tell=_outcome,
        ),
        StaffAction(
            "refund",
            _("Refund"),
            permission="add_refund",
            prompt=_(
                "A refund will be asked for. No money moves before somebody approves it; then the provider gives it "
                "back if it can, else staff does, to the account that the payer names."
            ),
            form=RefundForm,
            flow=refund_order,
            tell=_asked_back,
        ),
        StaffAction(
            "erase_payer",
            _("Erase the payer's data"),
            permission="erase_payer",
            prompt=_(
                "Name, e-mail, document and everything else that names this payer is taken out of all orders of the "
                "same e-mail address, for good. What was paid stays. Orders that a discrepancy, a refund or a receiver "
                "still needs follow when that has ended. Export the data first if the payer asked for it."
            ),
            form=ReasonForm,
            flow=_erase,
            fits=lambda order: bool(order.email),
            tell=lambda found: (
                gettext("%(done)d orders name nobody any more; %(kept)d follow later.")
                % {"done": len(found.erased), "kept": len(found.kept)}
            ),
        ),
    )

    # Columns.

    @column(_("state"), ordering="state")
    def state_badge(self, order: Order) -> Badge | None:
        return badge_of(order, "state")

    @column("CIP")
    def code(self, order: Order) -> Link | str:
        return code_label(order.cip) if order.cip else ""

    @column(_("account"))
    def account(self, order: Order) -> str:
        return order.cip.account if order.cip else ""

    @column(_("pending action"))
    def pending_text(self, order: Order) -> str:
        if not order.deferred_action:
            return order.get_pending_action_display()
        pending_action = order.get_deferred_action_display()
        return gettext("%(action)s: waits for the answer to the open discrepancy") % {"action": pending_action}

    @column(_("requested by"))
    def action_requested_text(self, order: Order) -> str:
        return Actor.parse(order.action_requested_by).label

    @column(_("payer"))
    def payer_text(self, order: Order) -> SafeString:
        told = ((PAYER_FIELDS.get(name, name), masked(order, value)) for name, value in order.payer_data.items())
        return format_html_join(mark_safe("<br>"), "{}: {}", told)  # nosec B308 # a constant

    @column(_("e-mail"))
    def email_text(self, order: Order) -> str:
        return str(masked(order, order.email))

    @column(_("concept"))
    def concept_text(self, order: Order) -> str:
        return str(masked(order, order.concept))

    @column(_("metadata"))
    def metadata_text(self, order: Order) -> str:
        return str(masked(order, json.dumps(order.metadata, ensure_ascii=False) if order.metadata else ""))

    def found(self, request: HttpRequest, term: str) -> set[int]:
        return orders_found(term, by_payer=may_see_people(request))

    def since(self, row: Order) -> str:
        """Return a sentence about the person and the time that brought an order to its state, or ""."""
        row.refresh_from_db()
        moved = row.events.filter(state_after=row.state).exclude(state_before=row.state).order_by("-number").first()
        if moved is None:
            return ""
        when = localize(localtime(moved.created_at))
        about = {"state": row.get_state_display(), "when": when, "actor": moved.actor.label}
        return gettext("It is %(state)s since %(when)s, by %(actor)s.") % about

    # The page of one order.

    def get_fieldsets(self, request: HttpRequest, obj: Order | None = None) -> Any:
        return (
            (*self.fieldsets, self.pending_fieldset)
            if obj and (obj.pending_action or obj.deferred_action)
            else self.fieldsets
        )

    def discrepancies(self, row: Order) -> list[Link | None]:
        return [self.link(discrepancy) for discrepancy in row.discrepancies.open().select_related("order")]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.evidence_view)
        file = path("<path:object_id>/evidence.<str:kind>", view, name="pagoefectivo_order_evidence")
        payer = self.admin_site.admin_view(self.payer_view)
        data = path("<path:object_id>/payer.json", payer, name="pagoefectivo_order_payer")
        return [file, data, *super().get_urls()]

    def links(self, request: HttpRequest, row: Order) -> list[tuple[str, Any]]:
        name = "admin:pagoefectivo_order_evidence"
        kinds = (("pdf", _("Evidence (PDF)")), ("json", _("Evidence (JSON)")))
        current = self.admin_site.name
        found: list[tuple[str, Any]] = [
            *_links_of_shop(row),
            *((reverse(name, args=[row.pk, kind], current_app=current), label) for kind, label in kinds),
        ]
        if row.email and request.user.has_perm("pagoefectivo.erase_payer"):
            data = reverse("admin:pagoefectivo_order_payer", args=[row.pk], current_app=current)
            found.append((data, _("Payer's data (JSON)")))
        if request.user.has_perm("pagoefectivo.send_refund") and self.admin_site.is_registered(Refund):
            wanted = row.refunds.without_account().filter(status=RefundStatus.APPROVED).select_related("order")
            found += [
                (self.address(one), gettext("Account for the refund of %s") % one.money.display) for one in wanted
            ]
        return found

    @sensitive_variables()
    def evidence_view(self, request: HttpRequest, object_id: str, kind: str) -> HttpResponse:
        """Return the evidence file about an order for the provider's support, as PDF or JSON, without personal data."""
        row, write = self.get_object(request, unquote(object_id)), _EVIDENCE.get(kind)
        if row is None or write is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        found = evidence(row, now=current_time())
        name = get_valid_filename(f"evidence-{row.reference}.{kind}")
        headers = {"Content-Disposition": content_disposition_header(True, name), "Cache-Control": "no-store"}
        return HttpResponse(write(found), content_type=f"application/{kind}", headers=headers)

    @sensitive_variables()
    def payer_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return all stored data of an order's payer as a JSON file, for a payer who asks for it.

        Needs the permission ``erase_payer``. Bank accounts of refunds are included only for viewers who may approve or
        send.
        """
        if not request.user.has_perm("pagoefectivo.erase_payer"):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None or not row.email:
            raise Http404
        accounts = any(
            request.user.has_perm(f"pagoefectivo.{staff_action}_refund") for staff_action in ("approve", "send")
        )
        found = hand_out(email=row.email, actor=request.user.get_username(), accounts=accounts)
        headers = {"Content-Disposition": "attachment; filename=payer.json", "Cache-Control": "no-store"}
        return JsonResponse(found, headers=headers)

    def sections(self, row: Order) -> list[Table]:
        return order_tables(self, row)

    def asked_about(self) -> Sequence[Column]:
        return ((_("order"), self.link), "state", (_("amount"), self.money), "cip", "expires_at")

    def summary(self, row: Order) -> list[Table]:
        payments = Payment.objects.filter(cip__order=row).select_related("cip").prefetch_related("refunds")
        discrepancies = row.discrepancies.open().select_related("order")
        of_payment = ("cip", (_("payment"), str), "paid_at", "status", *OF_REFUNDS)
        return [
            *super().summary(row),
            table(_("codes"), row.cips.order_by("pk"), ("code", "status", "account", "transaction_code", "asked_at")),
            table(_("payments"), payments.order_by("pk"), of_payment),
            table(_("open discrepancies"), discrepancies, ((_("discrepancy"), self.link), "created_at")),
        ]
