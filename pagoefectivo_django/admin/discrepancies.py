"""The admin of discrepancies: the list, the comparison of the evidence, and the staff actions that resolve a case."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from ..actors import Actor
from ..documents.tables import Link, Table
from ..flows import assign_discrepancy, comment_on, reopen_discrepancy, resolve_discrepancy
from ..flows.possible.rules import PERMISSIONS, answers_to
from ..models import Discrepancy, Settlement
from ..states import Kind
from ..wording.evidence import closing_words
from .actions import StaffAction, why_not
from .base import RecordAdmin
from .comparison import Comparison
from .explanations import EXPLANATIONS
from .forms import AssignForm, CommentForm, ReasonForm, ResolveForm
from .lists import codes_found, keys, orders_found
from .tables import badge_of, column, table


def _resolved(done: Discrepancy) -> str:
    about = {"discrepancy": done, "answer": done.get_resolution_display()}
    return gettext("%(discrepancy)s: resolved, %(answer)s.") % about


def _reopened(done: Discrepancy) -> str:
    return gettext("%(discrepancy)s: open again.") % {"discrepancy": done}


def _assigned(done: Discrepancy) -> str:
    about = {"discrepancy": done, "who": done.assigned_to or gettext("nobody")}
    return gettext("%(discrepancy)s: assigned to %(who)s.") % about


def _commented(done: Discrepancy) -> str:
    return gettext("%(discrepancy)s: the comment is in its timeline.") % {"discrepancy": done}


def _is_open(discrepancy: Discrepancy) -> bool:
    return discrepancy.status == Discrepancy.Status.OPEN


def _resolve_form(data: Any, discrepancy: Discrepancy) -> ResolveForm:
    """Return the form with the resolutions for which the viewer has the permission.

    A GET offers only resolutions that are possible now. A POST accepts all, so that the flow can say why a resolution
    has become impossible.
    """
    viewer = discrepancy.viewer  # type: ignore[attr-defined] # set by RecordAdmin.get_object
    may = [answer for answer in answers_to(discrepancy) if viewer.has_perm(f"pagoefectivo.{PERMISSIONS[answer]}")]
    return ResolveForm(
        data, discrepancy, may if data else [answer for answer in may if not why_not(discrepancy, answer)]
    )


def _assign(discrepancy: Discrepancy, *, actor: str, who: str, name: str) -> Discrepancy:
    to = {AssignForm.ME: actor, AssignForm.OTHER: name, AssignForm.NOBODY: ""}[who]
    return assign_discrepancy(discrepancy, to, actor=actor)


class AgeFilter(admin.SimpleListFilter):
    title = _("age")
    parameter_name = "age"
    #: The youngest and the oldest age, in days; None: no limit.
    SPANS: dict[str, tuple[int, int | None]] = {"0": (0, 0), "1-3": (1, 3), "4-7": (4, 7), "8": (8, None)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        labels = (_("today"), _("1 to 3 days"), _("4 to 7 days"), _("over 7 days"))
        return list(zip(self.SPANS, labels, strict=True))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in self.SPANS:
            return queryset
        youngest, oldest = self.SPANS[str(self.value())]
        queryset = queryset.filter(created_at__lt=_days_ago(youngest - 1))
        return queryset if oldest is None else queryset.filter(created_at__gte=_days_ago(oldest))


class AmountFilter(admin.SimpleListFilter):
    title = _("amount")
    parameter_name = "amount"
    _large = Q(amount__gt=1000) | Q(amount__lt=-1000)  # an amount that goes back is negative in a statement
    _small = Q(amount__gt=-100, amount__lt=100)
    RANGES = {"small": _small, "middle": ~_small & ~_large & Q(amount__isnull=False), "large": _large}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(zip(self.RANGES, (_("under 100"), _("100 to 1000"), _("over 1000")), strict=True))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(self.RANGES.get(str(self.value()), Q()))


class AssignedFilter(admin.SimpleListFilter):
    title = _("assigned to")
    parameter_name = "assigned"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("me", _("me")), ("nobody", _("nobody"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        of = {"me": request.user.get_username(), "nobody": ""}
        return queryset.filter(assigned_to=of[str(self.value())]) if self.value() in of else queryset


def _days_ago(days: int) -> datetime:
    """Return the moment at which the day ``days`` days ago began, in the reader's time zone."""
    return timezone.make_aware(datetime.combine(timezone.localdate() - timedelta(days=days), time.min))


@admin.register(Discrepancy)
class DiscrepancyAdmin(RecordAdmin):
    """Cases that no rule decides; staff compares, assigns, comments, and resolves each with a reason."""

    list_display = ("kind", "about", "money", "age", "status_badge", "assigned_to", "suggestion")
    list_select_related = ("order", "settlement", "line__settlement")
    list_filter = ("status", "kind", AgeFilter, AmountFilter, AssignedFilter)
    search_fields = ("order__reference", "cip__code", "subject", "settlement__reference")
    search_help_text = _("Order, CIP, subject or settlement")
    ordering = ("status", "-pk")  # "open" comes before "resolved"
    change_form_template = "admin/pagoefectivo/discrepancy/change_form.html"

    def found(self, request: HttpRequest, term: str) -> set[int]:
        asked = Discrepancy.objects.all()
        settlements = keys(Settlement.objects.filter(reference__contains=term))
        return {
            *keys(asked.filter(order__in=orders_found(term, by_payer=False))),
            *keys(asked.filter(cip__in=codes_found(term))),
            *keys(asked.filter(kind__in=Kind.values, subject=term)),
            *keys(asked.filter(settlement__in=settlements)),
            *keys(asked.filter(line__settlement__in=settlements)),
        }

    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("kind", "status_badge"),
                    "explanation",
                    ("suggestion", "money"),
                    ("assigned_text", "created_at"),
                )
            },
        ),
    )
    #: Shown for a resolved discrepancy.
    answer_fieldset = (_("Answer"), {"fields": (("resolution", "resolved_text"), "resolved_at", "closing_text")})
    staff_actions = (
        StaffAction(
            "resolve",
            _("Resolve"),
            permission="change_discrepancy",
            prompt=_(
                "Accept: its payment pays the order. Refund: all that is left of its payment is asked back, and waits "
                "for approval. Ignore: nothing happens; the line of a statement that it is about counts as ignored."
            ),
            form=_resolve_form,
            flow=resolve_discrepancy,
            fits=_is_open,
            tell=_resolved,
        ),
        StaffAction(
            "reopen",
            _("Reopen"),
            permission="change_discrepancy",
            prompt=_(
                "It will wait for an answer again. What followed from the first answer stays as it is: an order that "
                "was accepted is paid, a refund is asked for. A discrepancy about money that came freezes its order."
            ),
            form=ReasonForm,
            flow=reopen_discrepancy,
            tell=_reopened,
        ),
        StaffAction(
            "assign",
            _("Assign"),
            permission="change_discrepancy",
            prompt=_("Who looks at it? Others may still answer it."),
            form=AssignForm,
            flow=_assign,
            tell=_assigned,
        ),
        StaffAction(
            "comment",
            _("Comment"),
            permission="change_discrepancy",
            prompt=_("It stays in the timeline for good. Please write no personal data of the payer."),
            form=CommentForm,
            flow=comment_on,
            tell=_commented,
        ),
    )

    # Columns.

    @column(_("about"), ordering="order__reference")
    def about(self, discrepancy: Discrepancy) -> Link | None:
        about = discrepancy.order or discrepancy.line or discrepancy.settlement
        return self.link(about)

    @column(_("age"), ordering="-created_at")
    def age(self, discrepancy: Discrepancy) -> str:
        days = (timezone.localdate() - timezone.localdate(discrepancy.created_at)).days
        return ngettext("%(days)d day", "%(days)d days", days) % {"days": days} if days > 0 else gettext("today")

    @column(_("assigned to"))
    def assigned_text(self, discrepancy: Discrepancy) -> str:
        return discrepancy.assigned_to or gettext("nobody")

    @column(_("resolved by"))
    def resolved_text(self, discrepancy: Discrepancy) -> str:
        return Actor.parse(discrepancy.resolved_by).label

    @column(_("reason"))
    def closing_text(self, discrepancy: Discrepancy) -> str:
        return closing_words(discrepancy.closed_because, discrepancy.reason)

    @column(_("what to do"))
    def explanation(self, discrepancy: Discrepancy) -> Any:
        return EXPLANATIONS[Kind(discrepancy.kind)]

    # The page of one discrepancy.

    def get_fieldsets(self, request: HttpRequest, obj: Discrepancy | None = None) -> Any:
        return self.fieldsets if obj is None or _is_open(obj) else (*self.fieldsets, self.answer_fieldset)

    def sections(self, row: Discrepancy) -> list[Table]:
        return self._comparison(row).sections()

    def panels(self, row: Discrepancy) -> list[Table]:
        return self._comparison(row).panels()

    def summary(self, row: Discrepancy) -> list[Table]:
        mine = Discrepancy.objects.filter(pk=row.pk).select_related("order", "payment")
        state = (_("state"), lambda row: row.order and badge_of(row.order, "state"))
        amount = (_("amount"), lambda row: row.order and row.order.money.display)
        order = (_("order"), lambda row: self.link(row.order))
        columns = ("kind", order, state, amount, "payment", "suggestion", "assigned_to", "created_at")
        return [table(_("discrepancy"), mine, columns), *self.sections(row)]

    def _comparison(self, discrepancy: Discrepancy) -> Comparison:
        return Comparison(discrepancy, self.link)
