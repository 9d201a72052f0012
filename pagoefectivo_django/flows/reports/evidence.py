"""Evidence about an order for the provider's support: times, numbers and request ids, without personal data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import reduce
from operator import attrgetter, or_
from typing import Any

from django.db.models import Q, QuerySet

from ...channels.redact import redact
from ...documents.tables import Table
from ...models import ApiCall, Cip, Notification, Order, Payment
from ...models.database import database
from ...wording.data import in_words
from ..provider.accounts import log_fields_of

#: The most rows of each kind in the evidence, newest first; the number left out is stated.
MOST_TOLD = 100

#: A column of the evidence: the name of a field, or a heading and a function that returns the cell of a row.
Column = str | tuple[str, Callable[[Any], Any]]

_REQUEST_ID = ("request_id", attrgetter("trace"))
_ORDER: tuple[Column, ...] = (
    "reference", "amount", "currency", "state", "created_at", "expires_at", "paid_at", "operation_number",
)  # fmt: skip
_CODE: tuple[Column, ...] = (
    "code", "provider_id", "transaction_code", "account", "status", "asked_at", "expires_at",
)  # fmt: skip
_PAYMENT: tuple[Column, ...] = (
    ("code", attrgetter("cip.code")), "operation_number", "provider_id", "amount", "currency", "paid_at",
    "first_heard_at", "status",
)  # fmt: skip
_CALL: tuple[Column, ...] = (
    "began_at", _REQUEST_ID, "account", "method", "path", "status", "error", "milliseconds", "request", "answer",
)  # fmt: skip
_MESSAGE: tuple[Column, ...] = (
    "received_at", "last_received_at", "times_received", _REQUEST_ID, "account", "code", "fact", "status",
    ("sha256", attrgetter("identity")),
    ("signature_begins", lambda row: " ".join(f"{name}: {value[:12]}" for name, value in row.headers.items())),
    ("body", lambda row: redact(bytes(row.body), log_fields_of(row.account, row.channel))),
)  # fmt: skip
#: Without actor and reason: staff's names and words are not for the provider. The data is for programs, and beside it
#: stand the words in the active language.
_EVENT: tuple[Column, ...] = (
    "created_at", _REQUEST_ID, "kind", "fact", "state_before", "state_after",
    ("code", lambda event: event.cip.code if event.cip else None),
    ("data", lambda event: _without_staff(event.data)), ("words", lambda event: in_words(_without_staff(event.data))),
)  # fmt: skip


def evidence(order: Order, *, now: datetime) -> list[Table]:
    """Return the facts of an order as tables, each titled by a name: first the order's own, of one row."""
    alias = database()
    cips = list(order.cips.using(alias).order_by("pk"))
    calls = ApiCall.objects.using(alias).filter(subjects__order=order)
    payments = Payment.objects.using(alias).filter(cip__order=order).select_related("cip").order_by("pk")
    return [
        _table("order", (("made_at", lambda _row: now), *_ORDER), [order]),
        _table("codes", _CODE, cips),
        _table("payments", _PAYMENT, payments),
        _newest("calls", _CALL, calls.order_by("-pk")),
        _newest("notifications", _MESSAGE, messages_about(cips).order_by("-pk")),
        _newest("events", _EVENT, order.events.using(alias).select_related("cip").order_by("-number")),
    ]


def _without_staff(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name != "to"}


def messages_about(cips: Iterable[Cip]) -> QuerySet[Notification]:
    """Return the notifications about codes."""
    named = (Q(account=cip.account, code__in=cip.message_names) for cip in cips)
    mine = reduce(or_, named, Q(pk__in=[]))
    return Notification.objects.using(database()).filter(mine)


def _table(name: str, columns: Iterable[Column], rows: Iterable[Any], left_out: int = 0) -> Table:
    cells = [(column, attrgetter(column)) if isinstance(column, str) else column for column in columns]
    told = [[cell(row) for _heading, cell in cells] for row in rows]
    return Table(name, [heading for heading, _cell in cells], told, left_out=left_out)


def _newest(name: str, columns: Iterable[Column], rows: QuerySet[Any]) -> Table:
    return _table(name, columns, rows[:MOST_TOLD], max(0, rows.count() - MOST_TOLD))
