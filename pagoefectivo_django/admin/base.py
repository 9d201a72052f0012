"""The base of all admin pages of the app: ``RecordAdmin`` shows a record without editing, and buttons call flows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME as CHOSEN
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from ..actors import Actor
from ..codes import plain
from ..errors import PagoEfectivoError
from ..flows import actions_of
from ..models.database import outside_atomic_requests
from ..money import display
from ..texts import one_line
from .lists import BoundedPaginator, OrderedList

#: The last parts of the look-ups that Django's own list filters put into an address, such as ``created_at__gte``.
ASKED_BY_FILTERS = {"exact", "isnull", "gte", "gt", "lte", "lt"}
#: The most rows for which one request may call a flow: each call may ask the provider and so take seconds.
MOST_AT_ONCE = 50

Row = TypeVar("Row", bound=Model)

#: A column of a table: the name of a field, or a heading and a function that returns the cell of a row.
Column = str | tuple[Any, Callable[[Any], Any]]


@dataclass(frozen=True)
class Section:
    """A table below a record: a title, the headings of the columns, and the rows of cells."""

    title: Any
    columns: list[Any]
    #: Left out of ``repr``: a cell may name a payer, and an error report prints the values of variables.
    rows: list[list[Any]] = field(repr=False)


@dataclass(frozen=True)
class StaffAction:
    """A staff action: a page that shows one record, says what will happen, and calls one flow when staff confirms."""

    #: The last part of the page's address, of its URL name, and by default the action that ``actions_of`` is asked for.
    name: str
    label: Any
    #: The codename of the only permission of this app that opens the page; no permission implies another.
    permission: str
    explanation: Any
    #: Called with the posted data (None for a GET) and the record; returns the form.
    form: Callable[[Any, Any], forms.Form]
    #: Called with the record, ``actor=`` the username, and the form's cleaned data as keywords.
    flow: Callable[..., Any]
    #: Called with the flow's result; returns the message for staff.
    tell: Callable[[Any], Any]
    #: Called with the record; returns whether the page may open. None: ``actions_of`` decides.
    fits: Callable[[Any], bool] | None = None

    def makes_sense(self, row: Any) -> bool:
        """Return whether the staff action is possible for a record now."""
        return self.fits(row) if self.fits else is_possible(row, self.name)


def is_possible(row: Any, action: str) -> bool:
    """Return whether ``actions_of`` allows an action for a record now."""
    return not why_not(row, action)


def why_not(row: Any, action: str) -> str:
    """Return the code of the reason against an action for a record now, or "" if the action is possible.

    The answer of ``actions_of`` is kept on the record, so a page with many buttons asks once.
    """
    if "_actions" not in row.__dict__:
        viewer = getattr(row, "viewer", None)  # set by RecordAdmin.get_object
        row.__dict__["_actions"] = actions_of([row], viewer.get_username() if viewer else "")[row]
    found: str = row.__dict__["_actions"].get(action, "")
    return found


def table(title: Any, rows: QuerySet[Any], columns: Sequence[Column]) -> Section:
    """Return a section with a row for each record of a queryset."""
    fields = rows.model._meta
    return Section(
        title,
        [fields.get_field(column).verbose_name if isinstance(column, str) else column[0] for column in columns],
        [[_cell(row, column) if isinstance(column, str) else column[1](row) for column in columns] for row in rows],
    )


def _cell(row: Any, name: str) -> Any:
    return badge_of(row, name) if row._meta.get_field(name).choices else getattr(row, name)


def badge(value: str, label: Any) -> SafeString | str:
    """Return a state's label in a coloured frame, or "" for an empty state."""
    return format_html('<span class="pagoefectivo-badge pagoefectivo-{}">{}</span>', value, label) if value else ""


def badge_of(row: Any, name: str) -> SafeString | str:
    """Return the value of a record's choice field as a badge."""
    return badge(getattr(row, name), getattr(row, f"get_{name}_display")())


def who(name: str) -> Callable[[Any], str]:
    """Return a function from a record to the actor stored in a field, in the reader's language."""
    return lambda row: Actor.parse(getattr(row, name)).label


def short(text: str) -> str:
    """Return the first 80 characters of an error message."""
    return Truncator(text).chars(80)


#: Two columns of a payment: the amount sent back so far, and the amount of refunds that are not sent yet.
OF_REFUNDS: tuple[Column, ...] = (
    (_("refunded"), lambda payment: display(payment.sent_back, payment.currency)),
    (_("being refunded"), lambda payment: display(payment.refunded - payment.sent_back, payment.currency)),
)


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


class RecordAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """The admin of a model that nobody edits; bulk actions and staff actions are buttons on the record's page too."""

    list_per_page = MOST_AT_ONCE
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

    #: The staff actions, each on a page of its own.
    staff_actions: tuple[StaffAction, ...] = ()
    #: By reason code, the text beside a disabled button; for reasons that the record's page does not show by itself.
    reasons: Mapping[str, Any] = {}
    #: Fields besides those of the filters that links of the app, such as the dashboard's, may look up in a list's
    #: address.
    linked_fields: tuple[str, ...] = ()

    class Media:
        css = {"all": ["pagoefectivo/admin.css"]}

    # Overridden by subclasses.

    def found(self, request: HttpRequest, term: str) -> set[Any]:
        """Return the keys of the records that match a search term; each look-up uses an index."""
        return set()

    def sections(self, row: Any) -> list[Section]:
        """Return the tables below a record."""
        return []

    def summary(self, row: Any) -> list[Section]:
        """Return the tables above the form of a staff action: the facts that staff needs before confirming."""
        return []

    def asked_about(self) -> Sequence[Column]:
        """Return the columns that identify the records on a bulk action's confirmation page."""
        return ()

    def offers(self, row: Any, action: str) -> bool:
        """Return whether a bulk action's button appears on a record's page."""
        return True

    def links(self, request: HttpRequest, row: Any) -> list[tuple[str, Any]]:
        """Return addresses and labels of further pages and files about a record, as far as the request's user may open
        each.
        """
        return []

    def since(self, row: Any) -> str:
        """Return a sentence about the person and the time that brought a record to its state, or "".

        The sentence follows the error of a flow, for a staff member whom a colleague has forestalled.
        """
        return ""

    def discrepancies(self, row: Any) -> list[SafeString | str]:
        """Return links to the open discrepancies about a record."""
        return []

    @admin.display(description=_("last error"))
    def error_text(self, row: Any) -> str:
        return short(self.whole_error(row))

    @admin.display(description=_("last error"))
    def whole_error(self, row: Any) -> str:
        """Return a record's last error, with e-mail addresses and telephone numbers masked from viewers without the
        permission.

        A mail server's refusal, for example, repeats the payer's address.
        """
        return str(row.last_error if getattr(row, "names_people", False) else _ADDRESS.sub(MASK, row.last_error))

    # Permissions.

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_act_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the request's user may use the usual buttons, which need the model's change permission."""
        return super().has_change_permission(request, obj)

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

    def get_urls(self) -> list[URLPattern]:
        def of(staff_action: StaffAction) -> URLPattern:
            @sensitive_variables()
            @outside_atomic_requests  # inside a transaction no flow can ask the provider
            def view(request: HttpRequest, object_id: str) -> HttpResponse:
                return self.staff_action_view(staff_action, request, object_id)

            name = f"{self.opts.app_label}_{self.opts.model_name}_{staff_action.name}"
            return path(f"<path:object_id>/{staff_action.name}/", self.admin_site.admin_view(view), name=name)

        return [*map(of, self.staff_actions), *super().get_urls()]

    def staff_action_view(self, staff_action: StaffAction, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return the page of a staff action for GET; for POST call the flow, and show a flow's refusal as an error of
        the form.

        Raises ``PermissionDenied`` without the action's permission and ``Http404`` for an unknown record. A GET for an
        action that is not possible redirects to the record.
        """
        if not _may(request, staff_action):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        posted = request.method == "POST"
        in_review = staff_action.fits is None and why_not(row, staff_action.name) == "in_review"
        if not posted and not staff_action.makes_sense(row) and not in_review:
            # An order in review opens the page all the same: the page shows the discrepancy that staff has to resolve
            # first.
            return HttpResponseRedirect(self.address(row))
        form = staff_action.form(request.POST if posted else None, row)
        if form.is_valid():
            try:
                done = staff_action.flow(row, actor=request.user.get_username(), **form.cleaned_data)
            except PagoEfectivoError as error:
                form.add_error(None, f"{error.sentence} {self.since(row)}".rstrip())
            else:
                self.message_user(request, staff_action.tell(done), messages.SUCCESS)
                return HttpResponseRedirect(self.address(row) if self._is_there(row) else self.list_address())
        return self.ask(
            request,
            staff_action.label,
            staff_action.explanation,
            self.summary(row),
            form,
            self.address(row),
            subtitle=str(row),
        )

    def ask(
        self,
        request: HttpRequest,
        label: Any,
        prompt: Any,
        sections: list[Section],
        form: forms.Form,
        back: str,
        **more: Any,
    ) -> HttpResponse:
        """Return the confirmation page: a prompt, tables about the records, a form, and the address that *back* leads
        to.
        """
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": label,
            "prompt": prompt,
            "sections": sections,
            "form": form,
            "confirm": gettext("Yes: %(action)s") % {"action": label},
            "back": back,
            **more,
        }
        return TemplateResponse(request, "admin/pagoefectivo/confirm.html", context)

    @sensitive_variables()
    def changeform_view(self, *args: Any, **kwargs: Any) -> Any:
        return super().changeform_view(*args, **kwargs)

    @sensitive_variables()
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not all(one.isascii() and one.isdigit() and len(one) < 19 for one in request.POST.getlist(CHOSEN)):
            raise BadRequest("A key of a chosen row is no number.")  # Django's own admin answers 500
        asked = set(request.POST.getlist("action")).intersection(self.actions or ())
        if asked.difference(self.get_actions(request)):
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
        actions = [str(name) for name in self.get_actions(request) if self.offers(obj, str(name))]
        staff_actions = [
            staff_action
            for staff_action in self.staff_actions
            if _may(request, staff_action) and staff_action.makes_sense(obj)
        ]
        refused = {str(name): why_not(obj, str(name)) for name in self.get_actions(request)} if self.reasons else {}
        context |= {
            "refused": [
                (getattr(self, name).short_description, self.reasons[why])
                for name, why in refused.items()
                if why in self.reasons
            ],
            "sections": self.sections(obj),
            "discrepancies": self.discrepancies(obj),
            "buttons": [(name, getattr(self, name).short_description) for name in actions],
            "links": [
                *((self.address(obj, staff_action.name), staff_action.label) for staff_action in staff_actions),
                *self.links(request, obj),
            ],
            "action_checkbox_name": CHOSEN,
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

    # For the pages and actions of subclasses.

    def address(self, row: Model, page: str = "change") -> str:
        """Return the path of a record's page on this admin site."""
        name = f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}"
        return reverse(name, args=[quote(row.pk)], current_app=self.admin_site.name)

    def list_address(self) -> str:
        """Return the path of the model's list on this admin site."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
        return reverse(name, current_app=self.admin_site.name)

    @staticmethod
    def _is_there(row: Model) -> bool:
        return type(row)._base_manager.filter(pk=row.pk).exists()

    def link(self, row: Model | None, text: Any = None) -> SafeString | str:
        """Return a link to a record, or the record's name where this admin site has no page for the model."""
        if not (row and self.admin_site.is_registered(type(row))):
            return str(text or row or "")
        return format_html('<a href="{}">{}</a>', self.address(row), text or row)

    def too_many(self, request: HttpRequest, rows: QuerySet[Any]) -> bool:
        """Return whether the chosen rows exceed ``MOST_AT_ONCE``, and tell staff if so."""
        many = rows.count() > MOST_AT_ONCE
        if many:
            text = gettext("Choose at most %(most)d at once; nothing was done.") % {"most": MOST_AT_ONCE}
            self.message_user(request, text, messages.ERROR)
        return many

    def for_each(
        self, request: HttpRequest, rows: Iterable[Row], flow: Callable[[Row], Any], tell: Callable[[Row], Any]
    ) -> HttpResponse | None:
        """Call a flow for each row and show a message with each result or error.

        Returns a redirect to the record's page if the button was pressed on that page, else None (Django shows the
        list).
        """
        done = list(rows)
        for row in done:
            try:
                flow(row)
            except PagoEfectivoError as error:
                self.message_user(request, f"{row}: {error.sentence} {self.since(row)}".rstrip(), messages.ERROR)
            else:
                self.message_user(request, tell(row), messages.SUCCESS)
        return HttpResponseRedirect(self.address(done[0])) if "from_record" in request.POST and done else None

    def confirmed(
        self,
        request: HttpRequest,
        rows: QuerySet[Any],
        action: str,
        prompt: Any,
        form_class: type[forms.Form],
        flow: Callable[..., Any],
        tell: Callable[[Any], Any],
    ) -> HttpResponse | None:
        """Return a bulk action's confirmation page; once confirmed, call the flow for each row with the form's cleaned
        data.
        """
        if self.too_many(request, rows):
            return None
        form = form_class(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            return self.for_each(request, rows, lambda row: flow(row, **form.cleaned_data), tell)
        from_record = "from_record" in request.POST
        back = self.address(rows[0]) if from_record and rows else request.get_full_path()
        chosen = table(self.opts.verbose_name_plural, rows, self.asked_about())
        more = {
            "rows": rows,
            "action": action,
            "from_record": from_record,
            "action_checkbox_name": CHOSEN,
        }
        label = getattr(self, action).short_description
        return self.ask(request, label, prompt, [chosen], form, back, **more)


def _may(request: HttpRequest, staff_action: StaffAction) -> bool:
    return request.user.has_perm(f"pagoefectivo.{staff_action.permission}")
