"""The admin of calls to providers: request, answer and duration, redacted."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ..documents.tables import Badge
from ..models import ApiCall
from .base import RecordAdmin
from .lists import keys
from .tables import column


class FailedFilter(admin.SimpleListFilter):
    """A filter for calls without an answer or with a status of 500 or more."""

    title = _("failed")
    parameter_name = "failed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Yes"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiCall]) -> QuerySet[ApiCall]:
        return queryset.filter(Q(status__isnull=True) | Q(status__gte=500)) if self.value() else queryset


@admin.register(ApiCall)
class ApiCallAdmin(RecordAdmin):
    """Calls to providers, with the facts that a provider's support asks for: request id, time, address and order."""

    list_display = ("began_at", "channel", "method", "path", "outcome", "milliseconds", "trace")
    list_filter = (FailedFilter, "began_at")
    linked_fields = ("account",)
    search_fields = ("trace",)
    search_help_text = _("Request id")
    ordering = ("-pk",)
    fieldsets = (
        (None, {"fields": (("began_at", "milliseconds"), ("method", "path"), "outcome", ("channel", "account"))}),
        (_("What it is about"), {"fields": ("trace", "order_links")}),
        (_("Bodies, without secrets and personal data"), {"fields": ("request_text", "answer_text")}),
    )

    def found(self, request: HttpRequest, term: str) -> set[int]:
        return set(keys(ApiCall.objects.filter(trace=term)))

    @column(_("outcome"))
    def outcome(self, call: ApiCall) -> Badge:
        return Badge("failed" if call.failed else "done", call.status or call.error)

    @column(_("orders"))
    def order_links(self, call: ApiCall) -> SafeString:
        subjects = call.subjects.select_related("order").order_by("pk")
        return format_html_join(", ", "{}", ((self.link(subject.order),) for subject in subjects))

    @column(_("request"))
    def request_text(self, call: ApiCall) -> SafeString | str:
        return _body(call.request)

    @column(_("answer"))
    def answer_text(self, call: ApiCall) -> SafeString | str:
        return _body(call.answer)


def _body(text: str) -> SafeString | str:
    return format_html('<pre class="pagoefectivo-body">{}</pre>', text) if text else "–"
