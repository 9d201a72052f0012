"""The bodies of requests: their fields, each strict about its type; an unknown field is refused by name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.request import Request

from ..payer import Payer
from ..states import Resolution
from . import filters

#: The most characters of a reason that the history keeps.
LONGEST_REASON = 500
_AMOUNT = re.compile(r"[0-9]{1,18}(\.[0-9]{1,30})?", re.ASCII)


class Body(serializers.Serializer[Any]):
    """A JSON object with the fields named by the class and no others."""

    default_error_messages = {
        "invalid": _("This is no JSON object."),
        "unknown": _("There is no such field; use {known}."),
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the values by field; raises ``ValidationError`` with every problem found."""
        if isinstance(data, Mapping) and (unknown := {*data} - {*self.fields}):
            sentence = self.error_messages["unknown"].format(known=", ".join(self.fields))
            raise serializers.ValidationError({str(name)[:100]: [sentence] for name in sorted(unknown)})
        return dict(super().to_internal_value(data))


class Text(serializers.CharField):
    """Text as written; the flow judges length and characters."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**{"allow_blank": True, "trim_whitespace": False} | named)

    def to_internal_value(self, data: Any) -> str:
        """Return the text; a number is no text."""
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class Reference(Text):
    """The shop's number of an order: text, or a whole number."""

    def to_internal_value(self, data: Any) -> Any:
        """Return text or the number."""
        return data if isinstance(data, int) and not isinstance(data, bool) else super().to_internal_value(data)


class Amount(serializers.CharField):
    """An amount as text with a point, since a JSON number is a float to many readers."""

    default_error_messages = {"amount": _('Write the amount as text with at most two decimals, such as "120.50".')}

    def to_internal_value(self, data: Any) -> Any:
        """Return the amount as ``Decimal``."""
        if not isinstance(data, str) or not _AMOUNT.fullmatch(data):
            self.fail("amount")
        return Decimal(data)


class Moment(serializers.DateTimeField):
    """A moment in ISO 8601 with its zone."""

    default_error_messages = {"moment": _('Write a moment with its zone, such as "2030-01-31T18:00:00-05:00".')}

    def to_internal_value(self, value: Any) -> datetime:
        """Return the aware moment."""
        try:
            return filters.moment(value)
        except (ValueError, TypeError):
            self.fail("moment")


class Flag(serializers.BooleanField):
    """``true`` or ``false``, and no text or number that could mean either."""

    def to_internal_value(self, data: Any) -> bool:
        """Return the truth value."""
        if not isinstance(data, bool):
            self.fail("invalid", input=type(data).__name__)
        return data


class Metadata(serializers.DictField):
    """A JSON object of the shop's own."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the object; numbers with a point, read as ``Decimal``, are floats as JSON has them."""
        if not isinstance(data, dict):
            self.fail("not_a_dict", input_type=type(data).__name__)
        found: dict[str, Any] = json.loads(json.dumps(data, default=float))
        return found


class PayerBody(Body):
    """The payer of an order: the fields of ``Payer``."""

    email = Text()


class CreateBody(Body):
    """The arguments of ``create_order``."""

    reference = Reference()
    amount = Amount()
    currency = Text()
    payer = PayerBody()
    concept = Text(required=False)
    expires_at = Moment(required=False, allow_null=True)
    language = Text(required=False)
    metadata = Metadata(required=False, allow_null=True)
    replace = Flag(required=False)


class ReasonBody(Body):
    """Why a caller asks for a change."""

    reason = Text(required=False, max_length=LONGEST_REASON)


class ExtendBody(ReasonBody):
    """Until when an order shall be payable."""

    expires_at = Moment()


class ReissueBody(ReasonBody):
    """A new code, and until when it shall be payable."""

    expires_at = Moment(required=False, allow_null=True)


class EmptyBody(Body):
    """No field."""


class RefundBody(Body):
    """How much goes back (all that can, without ``amount``), and why."""

    amount = Amount(required=False, allow_null=True)
    reason = Text(max_length=LONGEST_REASON)


class CloseBody(Body):
    """What became of a refund, and why it is known."""

    done = Flag()
    reason = Text(max_length=LONGEST_REASON)


class ResolveBody(Body):
    """The decision about a discrepancy, and why."""

    resolution = serializers.ChoiceField(Resolution.values)
    reason = Text(allow_blank=False, trim_whitespace=True, max_length=LONGEST_REASON)


# A further field of ``Payer`` is a further field of the body.
for _field in fields(Payer):
    PayerBody._declared_fields.setdefault(_field.name, Text(required=False))


def read(request: Request, body: type[Body]) -> dict[str, Any]:
    """Return the values of a request's body; raises ``ValidationError`` (400)."""
    reader = body(data=request.data)
    reader.is_valid(raise_exception=True)
    found: dict[str, Any] = reader.validated_data
    return found
