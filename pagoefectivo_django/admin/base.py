"""What all our admin pages share: records are looked at, never edited, and buttons call flows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..codes import plain
from ..errors import PagoEfectivoError
from ..states import Fact

#: More than this is not done in one request: each of them may ask the provider.
MOST_AT_ONCE = 50

Row = TypeVar("Row", bound=Model)

#: The name of a field, or a heading and a function of a row.
Column = str | tuple[Any, Callable[[Any], Any]]


@dataclass(frozen=True)
class Section:
    """A table below a record."""

    title: Any
    columns: list[Any]
    rows: list[list[Any]]


def table(title: Any, rows: QuerySet[Any], columns: Sequence[Column]) -> Section:
    """Return a table of rows."""
    fields = rows.model._meta
    return Section(
        title,
        [fields.get_field(column).verbose_name if isinstance(column, str) else column[0] for column in columns],
        [[_cell(row, column) if isinstance(column, str) else column[1](row) for column in columns] for row in rows],
    )


def _cell(row: Any, name: str) -> Any:
    return badge_of(row, name) if row._meta.get_field(name).choices else getattr(row, name)


def badge(value: str, label: Any) -> SafeString | str:
    """Return a state as text in a coloured frame."""
    return format_html('<span class="pagoefectivo-badge pagoefectivo-{}">{}</span>', value, label) if value else ""


def badge_of(row: Any, name: str) -> SafeString | str:
    """Return a field that has choices as a badge."""
    return badge(getattr(row, name), getattr(row, f"get_{name}_display")())


def fact_label(fact: str) -> Any:
    """Return a fact in the reader's language, or as it is if we don't know it."""
    return Fact(fact).label if fact in Fact.values else fact


def short(text: str) -> str:
    """Return the beginning of an error message."""
    return Truncator(text).chars(80)


class KnownValuesFilter(admin.SimpleListFilter):
    """A filter over values known beforehand, so that no page searches the table for them."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{str(self.parameter_name): self.value()}) if self.value() else queryset


class RecordAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A record that nobody edits; its actions need the change permission and stand on its own page too."""

    list_per_page = MOST_AT_ONCE
    show_full_result_count = False
    # Named here so that a template of the shop's for all its models doesn't hide the banner and the buttons.
    change_form_template = "admin/pagoefectivo/change_form.html"
    change_list_template = "admin/pagoefectivo/change_list.html"

    class Media:
        css = {"all": ["pagoefectivo/admin.css"]}

    # To be written by subclasses.

    def sections(self, row: Any) -> list[Section]:
        """Return the tables below a record."""
        return []

    def questions(self, row: Any) -> list[SafeString | str]:
        """Return links to the open questions about a record."""
        return []

    def links(self, row: Any) -> list[tuple[str, Any]]:
        """Return the addresses of further pages on which staff acts on a record."""
        return []

    @admin.display(description=_("last error"))
    def error_text(self, row: Any) -> str:
        return short(row.last_error)

    # Permissions.

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_act_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether somebody may use the buttons: those with the change permission."""
        return super().has_change_permission(request, obj)

    # Pages.

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        asked = set(request.POST.getlist("action"))
        if asked.intersection(self.actions or ()) and not self.has_act_permission(request):
            raise PermissionDenied
        return super().changelist_view(request, extra_context)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        may_act = self.has_act_permission(request)
        context |= {
            "sections": self.sections(obj),
            "questions": self.questions(obj),
            "buttons": [(name, getattr(self, str(name)).short_description) for name in self.actions or () if may_act],
            "links": self.links(obj) if may_act else [],
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find a code as the payer reads it aloud: in groups, padded with zeros."""
        digits = "".join(search_term.split())
        if digits.isascii() and digits.isdigit():
            search_term = plain(digits) or search_term
        return super().get_search_results(request, queryset, search_term)

    # What the pages and actions of subclasses are made of.

    def address(self, row: Model, page: str = "change") -> str:
        """Return the path of a page about a record on this admin site."""
        name = f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}"
        return reverse(name, args=[quote(row.pk)], current_app=self.admin_site.name)

    def link(self, row: Model | None, text: Any = None) -> SafeString | str:
        """Return a link to a record."""
        return format_html('<a href="{}">{}</a>', self.address(row), text or row) if row else ""

    def too_many(self, request: HttpRequest, rows: QuerySet[Any]) -> bool:
        """Return whether there are more rows than one request can do, and say so."""
        many = rows.count() > MOST_AT_ONCE
        if many:
            text = gettext("Choose at most %(most)d at once; nothing was done.") % {"most": MOST_AT_ONCE}
            self.message_user(request, text, messages.ERROR)
        return many

    def for_each(
        self, request: HttpRequest, rows: Iterable[Row], flow: Callable[[Row], Any], tell: Callable[[Row], Any]
    ) -> HttpResponse | None:
        """Call a flow for each row and tell what came of it; return to the page whose button it was."""
        done = list(rows)
        for row in done:
            try:
                flow(row)
            except PagoEfectivoError as error:
                self.message_user(request, f"{row}: {error}", messages.ERROR)
            else:
                self.message_user(request, tell(row), messages.SUCCESS)
        return HttpResponseRedirect(self.address(done[0])) if "from_record" in request.POST and done else None
