"""Discrepancies: questions for a person, and the page to answer them."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..flows import resolve_discrepancy
from ..forms import ResolveForm
from ..models import Discrepancy
from .base import Deed, RecordAdmin, Section, badge_of, table


def _tell(done: Discrepancy) -> str:
    about = {"question": done, "answer": done.get_resolution_display()}
    return gettext("%(question)s: resolved, %(answer)s.") % about


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
    deeds = (
        Deed(
            name="resolve",
            label=_("Resolve"),
            permission="change_discrepancy",
            explanation=_(
                "Accept: its payment pays the order. Refund: all that is left of its payment is asked back, and waits "
                "for approval. Ignore: nothing happens."
            ),
            form=ResolveForm,
            flow=resolve_discrepancy,
            fits=lambda question: question.status == Discrepancy.Status.OPEN,
            tell=_tell,
        ),
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

    def summary(self, row: Discrepancy) -> list[Section]:
        mine = Discrepancy.objects.filter(pk=row.pk).select_related("order", "payment")
        state = (_("state"), lambda row: row.order and badge_of(row.order, "state"))
        amount = (_("amount"), lambda row: row.order and row.order.money.display)
        order = (_("order"), lambda row: self.link(row.order))
        question = table(_("question"), mine, ("kind", order, state, amount, "payment", "suggestion", "created_at"))
        return [question, *self.sections(row)]
