"""Staff's actions: each is declared once, as a ``StaffAction``, for a record's page and for the list."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME as CHOSEN
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_variables

from ..documents.tables import Link, Table
from ..errors import PagoEfectivoError
from ..flows import actions_of
from ..flows.possible.rules import full_name
from ..models.database import outside_atomic_requests
from .forms import StaffForm
from .tables import Column, table

logger = logging.getLogger("pagoefectivo.orders")

#: The most rows for which one request may call a flow: each call may ask the provider and so take seconds.
MOST_AT_ONCE = 50


@dataclass(frozen=True)
class StaffAction:
    """An action of staff: a button on each record's page and, with ``bulk``, an action of the list.

    Either way the flow is called once for each record, and refuses by raising a ``PagoEfectivoError``.
    """

    #: The last part of the page's address, of its URL name, and by default the action that ``actions_of`` is asked for.
    name: str
    label: Any
    #: The codename of the only permission that is needed, of this app or, with a label and a dot before, of another app
    #: of ours; no permission implies another.
    permission: str
    #: Called with the record, ``actor=`` the username, and the form's cleaned data as keywords; records the event.
    flow: Callable[..., Any]
    #: Called with the flow's result; returns the message for staff.
    tell: Callable[[Any], Any]
    #: What staff reads before confirming. Empty: a button or the list acts at once.
    prompt: Any = ""
    #: Called with the posted data (None before) and the record (None: the records chosen in the list).
    form: Callable[[Any, Any], forms.Form] = StaffForm
    bulk: bool = False
    #: Called with the record; returns whether the action is possible. None: ``actions_of`` decides.
    fits: Callable[[Any], bool] | None = None

    def why_not(self, row: Any) -> str:
        """Return the code of the reason against the action for a record now, or "" if the action is possible."""
        if self.fits:
            return "" if self.fits(row) else "unfit"
        return why_not(row, self.name)

    def is_allowed(self, request: HttpRequest) -> bool:
        """Return whether the request's user has the action's permission."""
        return bool(request.user.has_perm(full_name(self.permission)))


def why_not(row: Any, action: str) -> str:
    """Return the code of the reason against an action for a record now, or "" if the action is possible.

    The answer of ``actions_of`` is kept on the record, so a page with many buttons asks once.
    """
    if "_actions" not in row.__dict__:
        viewer = getattr(row, "viewer", None)  # set by RecordAdmin.get_object
        row.__dict__["_actions"] = actions_of([row], viewer.get_username() if viewer else "")[row]
    found: str = row.__dict__["_actions"][action]
    return found


class ActingAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """The admin of a model with ``staff_actions``: the buttons, the pages that ask, and the actions of the list."""

    list_per_page = MOST_AT_ONCE
    staff_actions: tuple[StaffAction, ...] = ()
    #: By reason code, the text beside a disabled button; for reasons that the record's page does not show by itself.
    reasons: Mapping[str, Any] = {}

    def __init__(self, model: type[Model], admin_site: admin.AdminSite) -> None:
        super().__init__(model, admin_site)
        self.actions = [*(self.actions or ()), *(self._of_list(each) for each in self.staff_actions if each.bulk)]

    # Overridden by subclasses.

    def asked_about(self) -> Sequence[Column]:
        """Return the columns that identify the records on a page that asks for confirmation."""
        return ((str(self.opts.verbose_name), self.link),)

    def summary(self, row: Any) -> list[Table]:
        """Return the tables above the form of an action on one record: the facts that staff needs to confirm."""
        return [table(str(self.opts.verbose_name), [row], self.asked_about())]

    def since(self, row: Any) -> str:
        """Return a sentence about the person and the time that brought a record to its state, or "".

        The sentence follows the error of a flow, for a staff member whom a colleague has forestalled.
        """
        return ""

    # One record.

    def get_urls(self) -> list[URLPattern]:
        def of(action: StaffAction) -> URLPattern:
            # Inside a transaction no flow can ask the provider.
            view = self.admin_site.admin_view(outside_atomic_requests(partial(self.action_view, action)))
            name = f"{self.opts.app_label}_{self.opts.model_name}_{action.name}"
            return path(f"<path:object_id>/{action.name}/", view, name=name)

        return [*map(of, self.staff_actions), *super().get_urls()]

    @sensitive_variables()
    def action_view(self, action: StaffAction, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return the page of an action for GET; for POST act, and show a refusal as an error of the form.

        Raises ``PermissionDenied`` without the action's permission and ``Http404`` for an unknown record. A GET for an
        action that is not possible redirects to the record.
        """
        if not action.is_allowed(request):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        posted = request.method == "POST"
        # An order in review opens the page: the page shows the discrepancy that staff has to resolve first.
        if not posted and action.why_not(row) not in ("", "in_review"):
            return HttpResponseRedirect(self.address(row))
        form = action.form(request.POST if posted else None, row)
        if form.is_valid():
            refused = self._act(request, action, row, form)
            if not refused:
                there = type(row)._base_manager.filter(pk=row.pk).exists()
                return HttpResponseRedirect(self.address(row) if there else self.list_address())
            form.add_error(None, refused)
        more = {"tables": self.summary(row), "subtitle": str(row), "back": self.address(row)}
        return self.ask(request, action.label, form, prompt=action.prompt, **more)

    def buttons(self, request: HttpRequest, row: Any) -> list[tuple[StaffAction, str, Any]]:
        """Return the actions that a record's page offers, each with its address and an empty text.

        An action that is refused for one of ``reasons`` comes with the text of the reason: the button is disabled.
        """
        allowed = [(action, action.why_not(row)) for action in self.staff_actions if action.is_allowed(request)]
        return [
            (action, self.address(row, action.name), self.reasons[why] if why else "")
            for action, why in allowed
            if not why or why in self.reasons
        ]

    # The rows that are chosen in the list.

    def _of_list(self, action: StaffAction) -> Callable[..., HttpResponse | None]:
        """Return an action as Django's list calls it: with the admin, the request and the chosen rows."""

        def run(_admin: Any, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
            return self._act_on_chosen(action, request, rows)

        run.__name__ = action.name
        return admin.action(run, description=action.label)

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> dict[str, Any]:
        """Return the list's actions for which the request's user has the permission.

        ``action_location`` is given by Django from 6.1 on, which looks for the parameter by its name.
        """
        refused = {action.name for action in self.staff_actions if not action.is_allowed(request)}
        where = {"action_location": action_location} if action_location else {}
        found = super().get_actions(request, **where)
        return {str(name): each for name, each in found.items() if name not in refused}

    @sensitive_variables()
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not all(one.isascii() and one.isdigit() and len(one) < 19 for one in request.POST.getlist(CHOSEN)):
            raise BadRequest("A key of a chosen row is no number.")  # Django's own admin answers 500
        asked = {each.name for each in self.staff_actions if each.bulk}.intersection(request.POST.getlist("action"))
        if asked.difference(self.get_actions(request)):
            raise PermissionDenied
        return super().changelist_view(request, extra_context)

    def _act_on_chosen(self, action: StaffAction, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        """Return the page that asks for confirmation, or act on each row and return None: Django shows the list.

        Each row has a message of its own. A row whose flow fails with an error of the program stops no other row; the
        error is logged.
        """
        if rows.count() > MOST_AT_ONCE:
            text = gettext("Choose at most %(most)d at once; nothing was done.") % {"most": MOST_AT_ONCE}
            self.message_user(request, text, messages.ERROR)
            return None
        confirmed = not action.prompt or "confirmed" in request.POST
        form = action.form(request.POST if confirmed else None, None)
        if not form.is_valid():
            tables = [table(str(self.opts.verbose_name_plural), rows, self.asked_about())]
            more = {"tables": tables, "rows": rows, "action": action.name, "action_checkbox_name": CHOSEN}
            return self.ask(request, action.label, form, prompt=action.prompt, back=request.get_full_path(), **more)
        for row in list(rows):
            try:
                refused = self._act(request, action, row, form)
            except Exception:
                logger.exception("Staff's action %s failed for %s %s.", action.name, self.opts.model_name, row.pk)
                refused = gettext("it failed by an error of the program, which is in the log.")
            if refused:
                self.message_user(request, f"{row}: {refused}", messages.ERROR)
        return None

    # Both.

    def _act(self, request: HttpRequest, action: StaffAction, row: Any, form: forms.Form) -> str:
        """Call an action's flow for a record and show the message; return the sentences of a refusal, or ""."""
        try:
            done = action.flow(row, actor=request.user.get_username(), **form.cleaned_data)
        except PagoEfectivoError as error:
            return f"{error.sentence} {self.since(row)}".rstrip()
        self.message_user(request, action.tell(done), messages.SUCCESS)
        return ""

    def ask(self, request: HttpRequest, label: Any, form: forms.Form, **more: Any) -> HttpResponse:
        """Return a page that asks with a form; ``more``: its ``prompt``, ``tables``, and ``back``, where *no* leads."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": label,
            "form": form,
            "confirm": gettext("Yes: %(action)s") % {"action": label},
            **more,
        }
        return TemplateResponse(request, "admin/pagoefectivo/confirm.html", context)

    # Addresses on this admin site.

    def address(self, row: Model, page: str = "change") -> str:
        """Return the path of a record's page on this admin site."""
        name = f"admin:{row._meta.app_label}_{row._meta.model_name}_{page}"
        return reverse(name, args=[quote(row.pk)], current_app=self.admin_site.name)

    def list_address(self, page: str = "changelist") -> str:
        """Return the path of the model's list on this admin site, or of a page beside the list."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, current_app=self.admin_site.name)

    def link(self, row: Model | None, text: Any = None) -> Link | None:
        """Return a link to a record; without an address where this admin site has no page for the model."""
        known = row and self.admin_site.is_registered(type(row))
        return Link(text or str(row), self.address(row) if known else "") if row else None
