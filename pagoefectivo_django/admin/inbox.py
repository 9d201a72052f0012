"""The admin of notifications: the messages of providers, byte for byte."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..conf import conf
from ..flows.inbox.apply import retry
from ..flows.ledger.remark import record_remark
from ..flows.reports.accounts import known_accounts
from ..models import Notification, NotificationStatus
from ..models.clock import current_time
from ..states import Fact, Remark
from ..wording.data import error_of
from ..wording.events import fact_label
from .actions import StaffAction
from .base import KnownValuesFilter, RecordAdmin, masked
from .lists import keys
from .tables import column


class ChannelFilter(KnownValuesFilter):
    title = _("channel")
    parameter_name = "channel"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(alias, alias) for alias in conf.channels]


class FactFilter(KnownValuesFilter):
    title = _("fact")
    parameter_name = "fact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return Fact.choices


def _apply_now(row: Notification, *, actor: str) -> Notification:
    record_remark(None, Remark.RETRIED, actor=actor, data={"notification": row.identity[:12]})
    retry(row, current_time())
    return row


def _outcome(row: Notification) -> str:
    row.refresh_from_db()
    about = {"message": row, "status": row.get_status_display(), "error": error_of(row.last_error, row.error_data)}
    return gettext("%(message)s: %(status)s. %(error)s") % about


@admin.register(Notification)
class NotificationAdmin(RecordAdmin):
    """Messages whose signature was verified; staff can have a message applied again."""

    list_display = (
        "received_at", "channel", "fact_text", "code", "status_badge", "times_received", "attempts", "error_text",
    )  # fmt: skip
    list_filter = ("status", FactFilter, ChannelFilter, "received_at")
    search_fields = ("code", "identity")
    search_help_text = _("CIP or digest")
    ordering = ("-pk",)
    staff_actions = (
        StaffAction(
            "apply_now",
            _("Apply again now"),
            permission="change_notification",
            flow=_apply_now,
            fits=lambda row: row.status != NotificationStatus.APPLIED,
            tell=_outcome,
            bulk=True,
        ),
    )
    fieldsets = (
        (None, {"fields": ("channel", "account", "fact_text", "code", "status_badge")}),
        (_("Received"), {"fields": ("received_at", "last_received_at", "times_received")}),
        (_("Applying"), {"fields": ("attempts", "retry_at", "whole_error")}),
        (_("Message"), {"fields": ("body_text", "identity", "signature_text")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        # The list shows no body. On the record's own page ``body_text`` loads the bytes by a query of its own.
        return super().get_queryset(request).defer("body")

    @column(_("fact"), ordering="fact")
    def fact_text(self, row: Notification) -> Any:
        return fact_label(row.fact)

    @column(_("body"))
    def body_text(self, row: Notification) -> SafeString:
        text = masked(row, bytes(row.body).decode(errors="replace"))
        return format_html('<pre class="pagoefectivo-body">{}</pre>', text)

    @column(_("signature"))
    def signature_text(self, row: Notification) -> str:
        return "\n".join(f"{name}: {value[:12]}…" for name, value in row.headers.items())

    def found(self, request: HttpRequest, term: str) -> set[int]:
        mine = Notification.objects.filter(account__in=list(known_accounts()))
        return {*keys(mine.filter(code=term)), *keys(mine.filter(identity=term))}
