"""Who pays: what the providers need to know, and its rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from .errors import InvalidRequest


@dataclass(frozen=True)
class Payer:
    """Who pays an order; only ``email`` is needed by every provider (protocol 3.1).

    Raises ``InvalidRequest`` for an e-mail address that nobody can be reached at. Messages name the field and
    never repeat what the payer typed.
    """

    email: str
    name: str = ""
    last_name: str = ""
    phone: str = ""
    #: Telephone prefix, ``+51`` for Peru.
    phone_prefix: str = "+51"
    #: DNI, RUC, CE, PAS, ...; each channel maps it to what its provider knows.
    document_type: str = ""
    document_number: str = ""
    #: INEI district code, six digits, leading zeros kept.
    ubigeo: str = ""
    country: str = "PERU"
    #: The shop's own number of this customer.
    user_id: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str):
                raise InvalidRequest(f"payer.{field.name} is a {type(value).__name__}; pass text.")
            value = " ".join(value.split())  # pasted names bring blanks of many kinds
            object.__setattr__(self, field.name, value)
            if not value.isprintable() or any("\ud800" <= letter <= "\udfff" for letter in value):
                raise InvalidRequest(f"payer.{field.name} has characters that cannot be printed; remove them.")
        try:
            validate_email(self.email)
        except ValidationError:
            raise InvalidRequest("payer.email is not an e-mail address; PagoEfectivo sends the code to it.") from None
        if len(self.email) > 100:
            raise InvalidRequest("payer.email is longer than 100 characters; PagoEfectivo takes no more.")

    def __repr__(self) -> str:
        return "Payer(…)"  # personal data stays out of tracebacks and logs

    def data(self) -> dict[str, str]:
        """Return what is known, for storing."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Payer:
        """Return the payer that ``data()`` described."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})
