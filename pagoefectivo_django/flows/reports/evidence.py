"""Evidence about an order for the provider's support: times, numbers and request ids, without personal data."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q, QuerySet

from ...channels.redact import redact
from ...models import ApiCall, Cip, Notification, Order, Payment
from ...models.database import database
from ...wording.data import in_words
from ...workdays import LIMA
from ..provider.accounts import log_fields_of

#: The most rows of each kind in the evidence, newest first; the number left out is stated.
MOST_TOLD = 100


def evidence(order: Order, *, now: datetime) -> dict[str, Any]:
    """Return the facts of an order as values for JSON; each time in Lima's clock and in UTC.

    An event has its data, for programs, and beside it the words in the active language.
    """
    alias = database()
    cips = list(order.cips.using(alias).order_by("pk"))
    calls = ApiCall.objects.using(alias).filter(subjects__order=order).order_by("-pk")
    messages = messages_about(cips).order_by("-pk")
    events = order.events.using(alias).select_related("cip").order_by("-number")
    payments = Payment.objects.using(alias).filter(cip__order=order).select_related("cip").order_by("pk")
    return {
        "made_at": _time(now),
        "order": {
            "reference": order.reference,
            "amount": f"{order.amount:.2f}",
            "currency": order.currency,
            "state": order.state,
            "created_at": _time(order.created_at),
            "expires_at": _time(order.expires_at),
            "paid_at": _time(order.paid_at),
            "operation_number": order.operation_number,
        },
        "codes": [
            {
                "code": cip.code or "",
                "transaction_code": cip.transaction_code,
                "account": cip.account,
                "status": cip.status,
                "asked_at": _time(cip.asked_at),
                "expires_at": _time(cip.expires_at),
            }
            for cip in cips
        ],
        "payments": [
            {
                "code": payment.cip.code or "",
                "operation_number": payment.operation_number or "",
                "amount": f"{payment.amount:.2f}",
                "currency": payment.currency,
                "paid_at": _time(payment.paid_at),
                "first_heard_at": _time(payment.first_heard_at),
                "status": payment.status,
            }
            for payment in payments
        ],
        **_told("calls", calls, map(_call, calls[:MOST_TOLD])),
        **_told("notifications", messages, map(_message, messages[:MOST_TOLD])),
        **_told("events", events, map(_event, events[:MOST_TOLD])),
    }


def messages_about(cips: Iterable[Cip]) -> QuerySet[Notification]:
    """Return the notifications about codes."""
    mine = reduce(or_, (Q(account=cip.account, code=cip.code) for cip in cips if cip.code), Q(pk__in=[]))
    return Notification.objects.using(database()).filter(mine)


def _told(name: str, rows: QuerySet[Any], newest: Iterable[dict[str, Any]]) -> dict[str, Any]:
    told, count = list(newest), rows.count()
    return {name: told} | ({f"{name}_left_out": count - len(told)} if count > len(told) else {})


def _call(call: ApiCall) -> dict[str, Any]:
    return {
        "began_at": _time(call.began_at),
        "request_id": call.trace,
        "account": call.account,
        "method": call.method,
        "path": call.path,
        "status": call.status,
        "error": call.error,
        "milliseconds": call.milliseconds,
        "request": call.request,
        "answer": call.answer,
    }


def _message(row: Notification) -> dict[str, Any]:
    return {
        "received_at": _time(row.received_at),
        "last_received_at": _time(row.last_received_at),
        "times_received": row.times_received,
        "request_id": row.trace,
        "account": row.account,
        "code": row.code,
        "fact": row.fact,
        "status": row.status,
        "sha256": row.identity,
        "signature_begins": " ".join(f"{name}: {value[:12]}" for name, value in row.headers.items()),
        "body": redact(bytes(row.body), log_fields_of(row.account, row.channel)),
    }


def _event(event: Any) -> dict[str, Any]:
    # Without actor and reason: staff's names and words are not for the provider.
    data = {name: value for name, value in event.data.items() if name != "to"}
    return {
        "created_at": _time(event.created_at),
        "request_id": event.trace,
        "kind": event.kind,
        "fact": event.fact,
        "state_before": event.state_before,
        "state_after": event.state_after,
        "code": (event.cip.code or "") if event.cip else "",
        "data": data,
        "words": in_words(data),
    }


def _time(moment: datetime | None) -> dict[str, str] | None:
    if moment is None:
        return None
    return {"lima": moment.astimezone(LIMA).isoformat("T", "seconds"), "utc": moment.astimezone(UTC).isoformat()}
