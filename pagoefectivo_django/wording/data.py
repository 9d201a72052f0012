"""The data of events, evidence, refunds and lines in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime
from django.utils.formats import localize
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..facts import error_in
from ..money import display
from ..signals import LABELS
from ..states import Fact, Kind, OrderState, PendingAction, RefundStatus, Resolution
from .sentences import ANSWERS, MESSAGES, NAMES, SENTENCES, SOURCES, WAYS

_ACTIONS = {choice: choice.label for choice in PendingAction}
_FACTS = {choice: choice.label for choice in Fact}
#: By key, the words for each value.
_CHOICES: dict[str, Mapping[Any, Any]] = {
    "action": _ACTIONS,
    "wanted": _ACTIONS,
    "fact": _FACTS,
    "told": _FACTS,
    "state": {choice: choice.label for choice in OrderState},
    "status": {choice: choice.label for choice in RefundStatus},
    "discrepancy": {choice: choice.label for choice in Kind},
    "resolution": {choice: choice.label for choice in Resolution},
    "source": SOURCES,
    "way": WAYS,
    "message": MESSAGES,
    "event": LABELS,
}
_MOMENTS = {"at", "paid_at", "received_at", "heard", "until"}
_AMOUNTS = {
    "amount",
    "returned",
    "together",
    "fee",
    "tax",
    "left",
    "payer_total",
    "settled_amount",
    "deposit",
    "counted_out",
    "contract_fee",
    "contract_tax",
}
#: Amounts in ``settled_currency``, where the payer paid in another.
_SETTLED = {"settled_amount", "fee", "tax"}
#: By its sign, a difference from the amount due.
_SIGNS = {1: gettext_lazy("%s too much"), 0: "%s", -1: gettext_lazy("%s too little")}
#: Keys of which the sentences are made.
_SAID_BY_SENTENCES = {"about", "answer", "error", "told", "exception"}
#: Keys that are shown with each amount.
_CURRENCIES = {"currency", "settled_currency"}
_PLACES = re.compile(r"%\((\w+)\)")


def in_words(data: Mapping[str, Any]) -> str:
    """Return data as text in the active language: what happened, and each further value with its name."""
    sentences = list(_templates(data))
    used = {name for sentence in sentences for name in _PLACES.findall(sentence)} | _SAID_BY_SENTENCES | _CURRENCIES
    values = (f"{NAMES.get(name, name)}: {value_of(name, data)}" for name in data if name not in used)
    return " ".join(filter(None, [sentences_of(data), "; ".join(values)]))


def sentences_of(data: Mapping[str, Any]) -> str:
    """Return what data says in sentences: what happened, what the provider answered, and an error."""
    words = _Words(data)
    error = error_in(data) if "error" in data else None
    return " ".join([*(sentence % words for sentence in _templates(data)), *([error.sentence] if error else [])])


def error_of(text: str, data: Mapping[str, Any] | None) -> str:
    """Return why the last attempt at a record's work failed, in words; empty while no attempt has failed.

    ``text`` and ``data`` are the record's ``last_error`` and ``error_data``. A mistake of a program, such as a receiver
    of the shop's, is shown in the words of that program's error.
    """
    return in_words(data) if text and data and data.get("about") != "mistake" else text


def value_of(name: str, data: Mapping[str, Any], currency: str = "") -> str:
    """Return one value of data in words; ``currency`` is that of amounts in data without a currency of its own."""
    value = data.get(name)
    if value in (None, ""):
        return _("nobody") if name == "to" and name in data else ""
    currency = data.get("currency") or currency
    if name in _MOMENTS:
        moment = parse_datetime(str(value))
        return localize(localtime(moment)) if moment else str(value)
    if name == "due":
        return localize(parse_date(str(value))) or str(value)
    if name in _SETTLED:
        currency = data.get("settled_currency") or currency
    if name in _AMOUNTS:
        return display(Decimal(str(value)), currency)
    if name == "difference":
        amount = Decimal(str(value))
        return str(_SIGNS[(amount > 0) - (amount < 0)]) % display(abs(amount), currency)
    if name == "payments":
        return ", ".join(" ".join(filter(None, [value_of("amount", one), one["operation_number"]])) for one in value)
    return str(_CHOICES[name].get(value, value) if name in _CHOICES else value)


class _Words(dict[str, str]):
    """The values of data in words, by the names in a sentence."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__({name: value_of(name, data) for name in data})

    def __missing__(self, name: str) -> str:
        return ""


def _templates(data: Mapping[str, Any]) -> Iterator[str]:
    for table, name in ((SENTENCES, "about"), (ANSWERS, "answer")):
        if code := data.get(name):
            yield str(table.get(code, code))
