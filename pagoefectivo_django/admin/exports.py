"""The accountant's exports: a form that asks for contents and period, and a CSV or XLSX file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _

from ..documents.tables import ENCODINGS, SEPARATORS, Table, csv_pieces, write_xlsx
from ..errors import PagoEfectivoError
from ..flows.provider.accounts import accounts
from ..flows.reports.export import HEADINGS, Export, export_rows
from ..models import Settlement
from ..models.clock import current_time
from ..money import CURRENCIES
from ..workdays import lima_day
from .base import RecordAdmin
from .forms import day_field

_WITHIN = (MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(2199, 12, 31)))
_OPTIONAL: dict[str, Any] = {"required": False, "validators": _WITHIN}
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _channels() -> list[tuple[str, Any]]:
    """Return the choices of the account field: every configured account with its alias, and accounts that have
    settlements.
    """
    known = {account: f"{channel.alias} ({account})" for account, channel in accounts().items()}
    settled = Settlement.objects.order_by().values_list("account", flat=True).distinct()
    return [("", _("all")), *({account: account for account in settled} | known).items()]


class ExportForm(forms.Form):
    """The contents, period, account and currency of an export, and the format of the file. Days are Lima's."""

    what = forms.ChoiceField(label=_("What"), choices=Export.choices)
    since = day_field(_("From"), help_text=_("Empty: from the beginning. Days are Lima's."), **_OPTIONAL)
    until = day_field(_("Until"), help_text=_("This day too. Empty: until now."), **_OPTIONAL)
    account = forms.ChoiceField(label=_("Channel"), choices=_channels, required=False)
    currency = forms.ChoiceField(
        label=_("Currency"), choices=[("", _("all")), *((name, name) for name in CURRENCIES)], required=False
    )
    file_type = forms.ChoiceField(
        label=_("File"),
        choices=[("csv", "CSV"), ("xlsx", "XLSX (Excel)")],
        help_text=_("In a CSV a text that a spreadsheet would take for a formula or a number begins with '."),
    )
    encoding = forms.ChoiceField(
        label=_("Encoding of the CSV"), choices=list(zip(ENCODINGS, ("UTF-8", "Windows-1252"), strict=True))
    )
    separator = forms.ChoiceField(
        label=_("Separator of the CSV"),
        choices=list(zip(SEPARATORS, (_("comma ( , )"), _("semicolon ( ; )")), strict=True)),
        help_text=_("Excel splits by the one of your computer's region."),
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a period that ends before it begins."""
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and until < since:
            raise ValidationError(_("The period ends before it begins; please exchange the days."))
        return self.cleaned_data


def export_view(model_admin: RecordAdmin, request: HttpRequest) -> HttpResponseBase:
    """Return the export form, or the file for a valid form; a CSV is streamed, an XLSX is written to a temporary file
    first.

    Raises ``PermissionDenied`` without the permission ``export_settlement``.
    """
    if not request.user.has_perm("pagoefectivo.export_settlement"):
        raise PermissionDenied
    form = ExportForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            return _file(**form.cleaned_data)
        except PagoEfectivoError as error:
            form.add_error(None, error.sentence)
    prompt = _("Times are Lima's. Nothing about the payers is in the file.")
    back = model_admin.list_address()
    return model_admin.ask(request, _("Export"), form, prompt=prompt, back=back, confirm=_("Export"))


def _file(
    what: str, since: date | None, until: date | None, file_type: str, encoding: str, separator: str, **only: str
) -> HttpResponseBase:
    now = current_time()
    table = Table(what, HEADINGS[what], export_rows(what, since=since, until=until, now=now, **only))
    days = "-".join(str(day) for day in (since, until or lima_day(now)) if day)
    name = f"{what}-{days}.{file_type}"
    if file_type == "xlsx":
        with ExitStack() as opened:
            file = opened.enter_context(tempfile.TemporaryFile())
            write_xlsx(file, table)
            file.seek(0)
            opened.pop_all()  # the response closes it
        return FileResponse(file, as_attachment=True, filename=name, content_type=XLSX)
    return csv_response(csv_pieces(table, encoding=encoding, separator=separator), name, encoding)


def csv_response(pieces: Iterator[bytes], name: str, encoding: str = "utf-8-sig") -> StreamingHttpResponse:
    """Return a streamed CSV that the browser saves under a name."""
    charset = encoding.removesuffix("-sig")
    response = StreamingHttpResponse(pieces, content_type=f"text/csv; charset={charset}")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
