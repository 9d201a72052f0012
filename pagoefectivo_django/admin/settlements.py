"""The admin of settlements: the provider's statements, their lines, and the deposits at the bank."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from ..actors import Actor
from ..documents.tables import Amount, Link, Table
from ..errors import PagoEfectivoError
from ..flows import enter_deposit, match_line, unmatch_line
from ..flows.outbox.budget import TimeBudget
from ..flows.settlements.imports import (
    confirm_settlement,
    discard_settlement,
    match_settlement,
    problem_of,
    read_settlement,
)
from ..models import Deposit, Discrepancy, Match, Settlement, SettlementLine
from ..models.clock import current_time
from ..models.database import outside_atomic_requests
from ..states import LineStatus, SettlementStatus, StatementKind
from ..wording.data import in_words
from ..wording.reading import RULES, reading_lines
from .actions import StaffAction
from .base import RecordAdmin
from .exports import export_view
from .forms import ConfirmForm, DepositForm, MatchForm, ReasonForm, StatementForm
from .lists import keys, orders_found
from .tables import Column, column, table, who

#: The time that a request spends on matching; the worker matches the rest.
BUDGET = timedelta(seconds=8)
#: The number of lines in a preview.
SHOWN = 20

_AUTHOR: Column = (_("who"), who("author"))
_RULE: Column = (_("known by"), lambda match: RULES.get(match.rule, match.rule))
_OF_LINE: tuple[Column, ...] = ("number", "code", "transaction_code", "gross", "fee", "tax", "net", "paid_at")
#: Two columns of lines whose payments were exchanged.
_EXCHANGED: tuple[Column, ...] = (
    (_("payment's amount"), lambda line: Amount(*line.paid) if line.exchanged else None),
    (_("exchange rate"), lambda line: line.rate_text),
)


def _confirm(draft: Settlement, *, actor: str, skip_bad: bool = False) -> Settlement:
    counted = confirm_settlement(draft, skip_bad=skip_bad)
    return match_settlement(counted, TimeBudget(current_time(), BUDGET))


def _discard(draft: Settlement, *, actor: str) -> Settlement:
    discard_settlement(draft)
    return draft


def _told(settlement: Settlement) -> str:
    about = {"settlement": settlement, "status": settlement.get_status_display()}
    return gettext("%(settlement)s: %(status)s.") % about


def _is_draft(settlement: Settlement) -> bool:
    return settlement.status == SettlementStatus.DRAFT


@admin.register(Settlement)
class SettlementAdmin(RecordAdmin):
    """Statements; staff imports a file after a preview, and enters deposits at the bank."""

    list_display = ("name", "kind", "dated", "status_badge", "line_count", "open_money", "account")
    list_filter = ("kind", "status", "dated")
    search_fields = ("reference", "file_name")

    def found(self, request: HttpRequest, term: str) -> set[int]:
        # A search in the middle of a text has no index; a table with one row for each file is short enough.
        return set(keys(Settlement.objects.filter(Q(reference__contains=term) | Q(file_name__contains=term))))

    search_help_text = _("Transfer number or file")
    ordering = ("-dated", "-pk")
    fieldsets = (
        (None, {"fields": (("name", "status_badge"), ("kind", "dated"), ("account", "currency"), "progress")}),
        (_("File"), {"fields": ("file_name", "reading_text", ("imported_text", "created_at"), "finished_at")}),
    )
    staff_actions = (
        StaffAction(
            "confirm",
            _("Import"),
            permission="import_settlement",
            prompt=_(
                "Its lines will be matched with our payments; what differs becomes a discrepancy. A file is no proof: "
                "about orders that are not paid here the provider is asked."
            ),
            form=ConfirmForm,
            flow=_confirm,
            fits=lambda settlement: _is_draft(settlement) and settlement.line_count > 0,
            tell=_told,
        ),
        StaffAction(
            "discard",
            _("Discard"),
            permission="import_settlement",
            prompt=_("Nothing of this file will be kept."),
            flow=_discard,
            fits=_is_draft,
            tell=lambda draft: gettext("%(settlement)s was discarded.") % {"settlement": draft},
        ),
        StaffAction(
            "deposit",
            _("Enter a deposit"),
            permission="match_settlement",
            prompt=_("What reached the bank of this settlement; a difference to its sum becomes a discrepancy."),
            form=DepositForm,
            flow=enter_deposit,
            fits=lambda settlement: not _is_draft(settlement) and settlement.kind == StatementKind.SETTLEMENT,
            tell=lambda deposit: gettext("%(deposit)s: entered.") % {"deposit": deposit},
        ),
    )

    # Columns.

    @column(_("settlement"), ordering="reference")
    def name(self, settlement: Settlement) -> str:
        return str(settlement)

    @column(_("not at the bank yet"), ordering="open_amount")
    def open_money(self, settlement: Settlement) -> Amount | None:
        return Amount(settlement.open_amount, settlement.currency) if _pays_out(settlement) else None

    @column(_("progress"))
    def progress(self, settlement: Settlement) -> str:
        left = settlement.lines.filter(status__in=(LineStatus.NEW, LineStatus.ASKING)).count()
        about = {"done": settlement.line_count - left, "lines": settlement.line_count}
        return gettext("%(done)d of %(lines)d lines") % about

    @column(_("imported by"))
    def imported_text(self, settlement: Settlement) -> str:
        return Actor.parse(settlement.imported_by).label

    @column(_("how it was read"))
    def reading_text(self, settlement: Settlement) -> str:
        return "\n".join(reading_lines(settlement.reading))

    # The page of one settlement.

    def discrepancies(self, row: Settlement) -> list[Link | None]:
        return [self.link(discrepancy) for discrepancy in row.discrepancies.open().select_related("order")[:10]]

    def sections(self, row: Settlement) -> list[Table]:
        found = [self._lines_by_status(row)]
        if row.fault_count:
            faults = [[fault["line"], fault["column"], problem_of(fault)] for fault in row.faults]
            title = gettext("bad lines: %(count)d") % {"count": row.fault_count}
            found.append(Table(title, [_("line"), _("column"), _("what is wrong")], faults))
        if _pays_out(row):
            deposits = row.deposits.order_by("pk")
            found.append(table(_("deposits"), deposits, ("received_on", _amount(row), "reference", _AUTHOR, "reason")))
        first = row.lines.order_by("number")[:SHOWN]
        columns = (*_OF_LINE, *_exchanged(first), "status", (_("why"), why_words))
        found.append(table(_("first lines"), first, columns))
        return found

    def summary(self, row: Settlement) -> list[Table]:
        return [
            table(_("settlement"), [row], (*self.asked_about(), "line_count", "fault_count")),
            *self.sections(row)[:2],
        ]

    def asked_about(self) -> Sequence[Column]:
        return ((_("settlement"), self.link), "kind", "dated", "account", "currency", (_("open"), self.open_money))

    def _lines_by_status(self, row: Settlement) -> Table:
        sums = row.lines.values("status").annotate(
            count=Count("pk"), gross=Sum("gross"), fee=Sum("fee"), tax=Sum("tax"), net=Sum("net")
        )
        by_status = {found["status"]: found for found in sums.order_by()}
        known = self.admin_site.is_registered(SettlementLine)
        lines = f"{_list_of(self, SettlementLine)}?settlement__id__exact={row.pk}&status__exact=" if known else ""
        rows = [
            [
                Link(status.label, f"{lines}{status.value}" if known else ""),
                by_status[status]["count"],
                *(Amount(by_status[status][name], row.currency) for name in ("gross", "fee", "tax", "net")),
            ]
            for status in LineStatus
            if status in by_status
        ]
        return Table(_("lines"), [_("status"), _("lines"), _("gross"), _("fee"), _("IGV"), _("net")], rows)

    # Upload and exports.

    def get_urls(self) -> list[URLPattern]:
        upload = self.admin_site.admin_view(self.import_view)
        export = self.admin_site.admin_view(self.export_view)
        return [
            path("import/", upload, name="pagoefectivo_settlement_import"),
            path("export/", export, name="pagoefectivo_settlement_export"),
            *super().get_urls(),
        ]

    def list_links(self, request: HttpRequest) -> list[tuple[str, Any]]:
        pages = (("import", _("Import a statement")), ("export", _("Exports")))
        may = request.user.has_perm
        return [(self.list_address(page), label) for page, label in pages if may(f"pagoefectivo.{page}_settlement")]

    @outside_atomic_requests  # inside a transaction no flow can ask the provider
    @sensitive_variables()
    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Return the upload form; for a valid file read a draft and redirect to the draft's page, the preview."""
        if not request.user.has_perm("pagoefectivo.import_settlement"):
            raise PermissionDenied
        form = StatementForm(request.POST, request.FILES) if request.method == "POST" else StatementForm()
        if form.is_valid():
            said = dict(form.cleaned_data)
            file = said.pop("file")
            try:
                draft = read_settlement(file, file.name, actor=request.user.get_username(), **said)
            except PagoEfectivoError as error:
                form.add_error("file", error.sentence)
            else:
                if not _is_draft(draft):
                    text = gettext("This file was imported before; nothing changes.")
                    self.message_user(request, text, messages.WARNING)
                return HttpResponseRedirect(self.address(draft))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": _("Import a statement"),
            "form": form,
            "back": self.list_address(),
        }
        return TemplateResponse(request, "admin/pagoefectivo/settlement/import.html", context)

    @sensitive_variables()
    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        return export_view(self, request)


@admin.register(SettlementLine)
class SettlementLineAdmin(RecordAdmin):
    """Lines of statements; staff matches lines that no rule matched, and undoes wrong matches."""

    list_display = ("__str__", "status_badge", "code", "transaction_code", "gross_money", "net", "paid_at", "why_text")
    list_select_related = ("settlement",)
    list_filter = ("status",)
    linked_fields = ("settlement__id",)
    search_fields = ("code", "settlement__reference", "matches__payment")
    search_help_text = _("CIP or settlement; of matched ones also transaction code, operation number or order")
    ordering = ("-pk",)

    def found(self, request: HttpRequest, term: str) -> set[int]:
        lines = SettlementLine.objects.all()
        matches = Match.objects.filter(payment__cip__order__in=orders_found(term, by_payer=False))
        return {
            *keys(lines.filter(code=term)),
            *keys(lines.filter(settlement__in=keys(Settlement.objects.filter(reference=term)))),
            *keys(matches, "line"),
        }

    fieldsets = (
        (None, {"fields": (("settlement_link", "number"), ("status_badge", "why_text"))}),
        (
            _("As the file says"),
            {"fields": (("code", "transaction_code"), ("operation_number", "paid_at"), "collector")},
        ),
        (_("Money"), {"fields": (("gross_money", "net"), ("fee", "tax"), ("payment_money", "exchange_rate"))}),
    )
    staff_actions = (
        StaffAction(
            "match",
            _("Match by hand"),
            permission="match_settlement",
            prompt=_("This line will be the payment of the code that you name; amount and currency must be the same."),
            form=MatchForm,
            flow=match_line,
            fits=lambda line: line.status in (LineStatus.DISCREPANCY, LineStatus.IGNORED) and line.gross > 0,
            tell=lambda line: gettext("%(line)s is matched.") % {"line": line},
        ),
        StaffAction(
            "unmatch",
            _("Undo the match"),
            permission="match_settlement",
            prompt=_("The line becomes a discrepancy again, and its order is not settled any more."),
            form=ReasonForm,
            flow=unmatch_line,
            fits=lambda line: line.status == LineStatus.MATCHED,
            tell=lambda line: gettext("The match of %(line)s is undone.") % {"line": line},
        ),
    )

    @column(_("why"))
    def why_text(self, line: SettlementLine) -> str:
        return why_words(line)

    @column(_("settlement"))
    def settlement_link(self, line: SettlementLine) -> Link | None:
        return self.link(line.settlement)

    @column(_("gross"), ordering="gross")
    def gross_money(self, line: SettlementLine) -> Amount:
        return Amount(line.gross, line.currency)

    @column(_("payment's amount"))
    def payment_money(self, line: SettlementLine) -> Amount:
        return Amount(*line.paid)

    @column(_("exchange rate"))
    def exchange_rate(self, line: SettlementLine) -> str:
        return line.rate_text or "–"

    def discrepancies(self, row: SettlementLine) -> list[Link | None]:
        asked = Discrepancy.objects.filter(line=row).open().select_related("order")
        return [self.link(discrepancy) for discrepancy in asked]

    def sections(self, row: SettlementLine) -> list[Table]:
        matches = Match.objects.filter(line=row).select_related("payment__cip__order", "refund").order_by("pk")
        order = (_("order"), lambda match: self.link(match.payment.cip.order))
        undoes = (_("undoes"), lambda match: gettext("yes") if match.undoes_id else "")
        columns = ("created_at", order, "payment", "refund", "amount", _RULE, _AUTHOR, "reason", undoes)
        return [table(_("matches"), matches, columns)]

    def summary(self, row: SettlementLine) -> list[Table]:
        columns: tuple[Column, ...] = ((_("settlement"), self.settlement_link), *_OF_LINE, *_exchanged([row]))
        return [table(_("line"), [row], columns), *self.sections(row)]


def _exchanged(lines: Iterable[SettlementLine]) -> tuple[Column, ...]:
    """Return the columns of payments that were exchanged, if any of the lines has one."""
    return _EXCHANGED if any(line.exchanged for line in lines) else ()


def why_words(line: SettlementLine) -> str:
    """Return why a line has its status: a program's reason in words, and what a person wrote."""
    return " ".join(filter(None, [in_words({"about": line.about, **line.data}), line.reason]))


def _pays_out(settlement: Settlement) -> bool:
    return settlement.kind == StatementKind.SETTLEMENT


def _amount(settlement: Settlement) -> Column:
    def shown(deposit: Deposit) -> Amount:
        return Amount(deposit.amount, settlement.currency)

    return (_("amount"), shown)


def _list_of(here: RecordAdmin, model: type[SettlementLine]) -> str:
    return RecordAdmin(model, here.admin_site).list_address()
