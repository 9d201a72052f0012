"""How a statement was read, and by what a line is matched, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from .sentences import NAMES

#: The names of the formats that we ship; a format of the shop is shown by the shop's name.
FORMATS: dict[str, Any] = {"cip_report": _("CIP report"), "settlement_text": _("settlement text")}
#: The columns of a statement.
COLUMNS: dict[str, Any] = {
    **{name: NAMES[name] for name in ("code", "transaction_code", "operation_number", "currency", "fee", "tax")},
    "gross": _("gross"),
    "net": _("net"),
    "commission": _("fee and IGV"),
    "paid_at": _("paid"),
    "status": _("status"),
    "payment_amount": _("payment's amount"),
    "payment_currency": _("payment's currency"),
    "rate": _("exchange rate"),
    "payer": _("payer"),
    "collector": _("collector"),
}
#: The property that a line and a payment share.
RULES: dict[str, Any] = {
    "code": "CIP",
    "transaction_code": _("transaction code"),
    "operation_number": _("operation number"),
    "hand": _("by hand"),
}
_NAMES: dict[str, Any] = {
    "format": _("format"),
    "encoding": _("encoding"),
    "separator": _("separator"),
    "quoting": _("quotes"),
    "sheet": _("sheet"),
    "header": _("row of the headings"),
    "decimal": _("decimal mark"),
    "dates": _("dates"),
    "fees": _("fees"),
    "columns": _("columns"),
    "notes": _("note"),
}
_VALUES: dict[str, Any] = {
    **FORMATS,
    "comma": _("comma"),
    "semicolon": _("semicolon"),
    "tab": _("tab"),
    "bar": _("bar"),
    "double quotes": _("double quotes"),
    "none": _("none"),
    "deducted": _("negative, as deductions"),
    "codes_of_different_lengths": _("Codes have different lengths; they are compared without leading zeros."),
}


def reading_lines(reading: Mapping[str, Any]) -> Iterator[str]:
    """Yield how a statement was read, a line for each property, in the active language."""
    for name, value in reading.items():
        if name == "columns":
            shown = ", ".join(f"{COLUMNS.get(ours, ours)} = {heading}" for ours, heading in value.items())
        else:
            shown = " ".join(str(_VALUES.get(one, one)) for one in (value if isinstance(value, list) else [value]))
        yield f"{_NAMES.get(name, name)}: {shown}"
