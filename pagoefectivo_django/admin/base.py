"""The base of all admin pages of the app: ``RecordAdmin`` shows a record without editing, and buttons call flows."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from ..codes import plain
from ..documents.tables import Amount, Badge, Link, Table
from ..texts import one_line
from ..wording.data import error_of
from .actions import ActingAdmin
from .lists import BoundedPaginator, OrderedList
from .tables import amount_of, badge_of, column, short

#: The last parts of the look-ups that Django's own list filters put into an address, such as ``created_at__gte``.
ASKED_BY_FILTERS = {"exact", "isnull", "gte", "gt", "lte", "lt"}


class KnownValuesFilter(admin.SimpleListFilter):
    """A list filter over values known beforehand; Django's own would read the whole table for the distinct values."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{str(self.parameter_name): self.value()}) if self.value() else queryset


#: Shown in place of personal data to staff without the permission ``see_personal_data``.
MASK = "•••"
#: An e-mail address, or a telephone number with a country prefix.
_ADDRESS = re.compile(r"[^\s@<>()\"',;:{}\[\]]+@[^\s@<>()\"',;:{}\[\]]+|\+[0-9][0-9 ()-]{6,18}[0-9]")


def may_see_people(request: HttpRequest) -> bool:
    """Return whether the request's user has the permission to see personal data."""
    return bool(request.user.has_perm("pagoefectivo.see_personal_data"))


def masked(row: Any, value: Any) -> Any:
    """Return a personal value, or ``MASK`` if the viewer may not see personal data.

    A record that was not loaded by ``RecordAdmin.get_object`` names no viewer and is masked too.
    """
    return value if getattr(row, "names_people", False) or not value else MASK


class RecordAdmin(ActingAdmin):
    """The admin of a model that nobody edits; staff searches, looks, and acts by ``staff_actions``."""

    paginator = BoundedPaginator
    show_full_result_count = False
    #: Never: facets would count the whole table for each choice of each filter.
    show_facets = admin.ShowFacets.NEVER
    #: Empty: a list has one order, for which an index exists; see ``OrderedList``.
    sortable_by = ()
    # Named here, because a template of the shop's for all models (``admin/change_form.html``) would hide the banner and
    # the buttons.
    change_form_template = "admin/pagoefectivo/change_form.html"
    change_list_template = "admin/pagoefectivo/change_list.html"

    #: Fields besides those of the filters that links of the app, such as the dashboard's, may look up in a list's
    #: address.
    linked_fields: tuple[str, ...] = ()

    class Media:
        css = {"all": ["pagoefectivo/admin.css"]}

    # Overridden by subclasses.

    def found(self, request: HttpRequest, term: str) -> set[Any]:
        """Return the keys of the records that match a search term; each look-up uses an index."""
        return set()

    def panels(self, row: Any) -> list[Table]:
        """Return the tables that stand side by side on a record's page."""
        return []

    def sections(self, row: Any) -> list[Table]:
        """Return the tables below a record."""
        return []

    def links(self, request: HttpRequest, row: Any) -> list[tuple[str, Any]]:
        """Return addresses and labels of further pages and files about a record that the request's user may open."""
        return []

    def list_links(self, request: HttpRequest) -> list[tuple[str, Any]]:
        """Return addresses and labels of pages and files beside the list that the request's user may open."""
        return []

    def discrepancies(self, row: Any) -> list[Link | None]:
        """Return links to the open discrepancies about a record."""
        return []

    # Columns and fields that several records have.

    @column(_("status"), ordering="status")
    def status_badge(self, row: Any) -> Badge | None:
        return badge_of(row, "status")

    @column(_("amount"), ordering="amount")
    def money(self, row: Any) -> Amount | None:
        return amount_of(row)

    @column(_("last error"))
    def error_text(self, row: Any) -> str:
        return short(self.whole_error(row))

    @column(_("last error"))
    def whole_error(self, row: Any) -> str:
        """Return a record's last error, with e-mail addresses and telephone numbers masked from viewers without the
        permission.

        A mail server's refusal, for example, repeats the payer's address.
        """
        error = error_of(row.last_error, row.error_data)
        return error if getattr(row, "names_people", False) else _ADDRESS.sub(MASK, error)

    # Permissions.

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Return whether a list's address may contain a look-up: only look-ups of the list's filters and of
        ``linked_fields`` may.

        Django allows look-ups on any field of the model. By ``?email__startswith=a`` a viewer without the permission to
        see personal data would learn an e-mail address letter by letter.
        """
        field, _, last = lookup.rpartition("__")
        filters = self.get_list_filter(request)
        asked = {each if isinstance(each, str) else getattr(each, "parameter_name", "") for each in filters}
        return (field if field and last in ASKED_BY_FILTERS else lookup) in asked.union(self.linked_fields)

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        # Django's own method raises for a reverse relation, which is no concrete field of the row.
        own = any(to_field == field.name for field in self.opts.concrete_fields)
        return own and super().to_field_allowed(request, to_field)

    # Pages.

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[OrderedList]:
        return OrderedList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "links": self.list_links(request)})

    @sensitive_variables()
    def changeform_view(self, *args: Any, **kwargs: Any) -> Any:
        return super().changeform_view(*args, **kwargs)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        context |= {
            "buttons": self.buttons(request, obj),
            "links": self.links(request, obj),
            "discrepancies": self.discrepancies(obj),
            "panels": self.panels(obj),
            "tables": self.sections(obj),
        }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows that match a search term; digits may be grouped and padded with zeros, as a payer reads a
        code aloud.
        """
        term = one_line(search_term)
        digits = "".join(term.split())
        if digits.isascii() and digits.isdigit():
            term = plain(digits) or term
        return (queryset.filter(pk__in=self.found(request, term)) if term else queryset), False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return a record with ``viewer`` and ``names_people`` set: the user, and whether the user may see personal
        data.
        """
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            row.names_people, row.viewer = may_see_people(request), request.user
        return row
