"""Discrepancies: questions for a person, and the page to answer them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..errors import PagoEfectivoError
from ..flows import resolve_discrepancy
from ..forms import ResolveForm
from ..models import Discrepancy
from .base import RecordAdmin, Section, badge_of, table


@admin.register(Discrepancy)
class DiscrepancyAdmin(RecordAdmin):
    """Cases that no rule decides; staff resolves them with a reason."""

    list_display = ("kind", "order_link", "status_badge", "suggestion", "created_at", "resolution", "resolved_by")
    list_select_related = ("order",)
    list_filter = ("status", "kind", "created_at")
    search_fields = ("order__reference", "cip__code", "subject")
    search_help_text = _("Order, CIP or subject")
    ordering = ("status", "-pk")  # "open" comes before "resolved"
    fieldsets = (
        (None, {"fields": ("kind", "order_link", "cip", "payment", "notification", "created_at", "suggestion")}),
        (_("Answer"), {"fields": ("status_badge", "resolution", "resolved_by", "resolved_at", "reason")}),
    )

    @admin.display(description=_("order"), ordering="order__reference")
    def order_link(self, discrepancy: Discrepancy) -> SafeString | str:
        return self.link(discrepancy.order)

    @admin.display(description=_("status"), ordering="status")
    def status_badge(self, discrepancy: Discrepancy) -> SafeString | str:
        return badge_of(discrepancy, "status")

    def sections(self, row: Discrepancy) -> list[Section]:
        columns = list(dict.fromkeys(name for evidence in row.evidence for name in evidence))
        rows = [[evidence.get(name) for name in columns] for evidence in row.evidence]
        return [Section(_("evidence"), [name.replace("_", " ") for name in columns], rows)]

    def links(self, row: Discrepancy) -> list[tuple[str, Any]]:
        return [(self.address(row, "resolve"), _("Resolve"))] if row.status == Discrepancy.Status.OPEN else []

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.resolve_view)
        return [path("<path:object_id>/resolve/", view, name="pagoefectivo_discrepancy_resolve"), *super().get_urls()]

    def resolve_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the question and take its answer."""
        if not self.has_act_permission(request):
            raise PermissionDenied
        discrepancy = self.get_object(request, unquote(object_id))
        if discrepancy is None:
            raise Http404
        posted = request.method == "POST"
        if not posted and discrepancy.status != Discrepancy.Status.OPEN:
            return HttpResponseRedirect(self.address(discrepancy))
        form = ResolveForm(request.POST if posted else None, initial={"resolution": discrepancy.suggestion})
        if form.is_valid():
            try:
                resolve_discrepancy(discrepancy, **form.cleaned_data, actor=request.user.get_username())
            except PagoEfectivoError as error:
                form.add_error(None, str(error))
            else:
                text = gettext("%(question)s: resolved, %(answer)s.")
                about = {"question": discrepancy, "answer": discrepancy.get_resolution_display()}
                self.message_user(request, text % about, messages.SUCCESS)
                return HttpResponseRedirect(self.address(discrepancy))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": gettext("Resolve a question"),
            "subtitle": str(discrepancy),
            "sections": [self._question(discrepancy), *self.sections(discrepancy)],
            "form": form,
            "back": self.address(discrepancy),
        }
        return TemplateResponse(request, "admin/pagoefectivo/discrepancy/resolve.html", context)

    def _question(self, discrepancy: Discrepancy) -> Section:
        mine = Discrepancy.objects.filter(pk=discrepancy.pk).select_related("order", "payment")
        state = (_("state"), lambda row: row.order and badge_of(row.order, "state"))
        amount = (_("amount"), lambda row: row.order and row.order.money)
        order = (_("order"), lambda row: self.link(row.order))
        return table(_("question"), mine, ("kind", order, state, amount, "payment", "suggestion", "created_at"))
