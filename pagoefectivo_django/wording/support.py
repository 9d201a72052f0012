"""The evidence file for a provider's support in words: names of fields, and values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from ..states import CipStatus, OrderState, PaymentStatus
from .events import fact_label, kind_label

#: The names of the fields; a field that the provider's support knows by its name has none.
FIELDS: dict[str, Any] = {
    "account": _("account"),
    "amount": _("amount"),
    "answer": _("answer"),
    "asked_at": _("requested"),
    "began_at": _("when"),
    "body": _("body"),
    "code": "CIP",
    "created_at": _("created"),
    "currency": _("currency"),
    "error": _("error"),
    "expires_at": _("expires"),
    "fact": _("fact"),
    "first_heard_at": _("first heard"),
    "kind": _("what"),
    "last_received_at": _("last received"),
    "made_at": _("created"),
    "method": _("method"),
    "milliseconds": _("duration (ms)"),
    "operation_number": _("operation number"),
    "provider_id": _("provider's id"),
    "paid_at": _("paid"),
    "path": _("address"),
    "received_at": _("first received"),
    "reference": _("reference"),
    "request": _("request"),
    "request_id": _("request id"),
    "sha256": "SHA-256",
    "signature_begins": _("signature"),
    "state": _("state"),
    "state_after": _("after"),
    "state_before": _("before"),
    "status": _("status"),
    "times_received": _("times received"),
    "transaction_code": _("transaction code"),
    "words": _("what happened"),
}
_ORDER_STATES: dict[str, Any] = dict(OrderState.choices)
_NOTIFICATION_STATUSES: dict[str, Any] = {"applied": _("applied"), "waiting": _("waiting"), "dead": _("dead")}
#: By part of the file and field, the words for each value.
_CHOICES: dict[tuple[str, str], Mapping[Any, Any]] = {
    ("order", "state"): _ORDER_STATES,
    ("codes", "status"): dict(CipStatus.choices),
    ("payments", "status"): dict(PaymentStatus.choices),
    ("notifications", "status"): _NOTIFICATION_STATUSES,
    ("events", "state_before"): _ORDER_STATES,
    ("events", "state_after"): _ORDER_STATES,
}


def field_value(part: str, name: str, value: str) -> str:
    """Return a value of the evidence file in words."""
    if name == "fact":
        return fact_label(value)
    if name == "kind":
        return kind_label(value)
    return str(_CHOICES.get((part, name), {}).get(value, value))
