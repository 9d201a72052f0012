"""Who pays: what the providers need to know, and its rules."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import phonenumbers
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _
from stdnum.exceptions import InvalidComponent
from stdnum.exceptions import ValidationError as NotValid
from stdnum.pe import cui, ruc

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
    #: What the shop has to write: ``boleta``, ``factura`` or nothing. For the shop alone; no channel sends these three.
    receipt: str = ""
    #: For a factura: the name (razón social) and the address (domicilio fiscal) that belong to the RUC.
    company: str = ""
    address: str = ""

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


class DocumentType(TextChoices):
    """The documents that SUNAT's catalogue 06 knows for a receipt, as ``Payer.document_type`` has them."""

    DNI = "DNI", "DNI"
    RUC = "RUC", "RUC"
    CE = "CE", _("Foreigner's card (CE)")
    PASSPORT = "PAS", _("Passport")


class Receipt(TextChoices):
    """What the shop writes for the payer, as ``Payer.receipt`` has it."""

    BOLETA = "boleta", _("Boleta, for a person")
    FACTURA = "factura", _("Factura, for a company with a RUC")


#: Digits of the documents that have no letters.
LENGTHS = {DocumentType.DNI: 8, DocumentType.RUC: 11}
#: Letters and digits of the others (SUNAT's catalogue 06).
LONGEST_DOCUMENT = 12


def check_document(kind: str, number: str) -> str:
    """Return a document's number without blanks and hyphens; raises ``ValidationError`` that says why not."""
    number = re.sub(r"[\s.‐-―-]", "", unicodedata.normalize("NFKC", number)).upper()
    known = DocumentType(kind)
    about = {"document": known.label, "length": LENGTHS.get(known, LONGEST_DOCUMENT), "count": len(number)}
    if known not in LENGTHS:
        if not re.fullmatch("[0-9A-Z]+", number):
            raise ValidationError(_("The number has letters from A to Z and digits only."))
        if len(number) > LONGEST_DOCUMENT:
            raise ValidationError(
                _("The number has at most %(length)d letters and digits; this has %(count)d."), params=about
            )
        return number
    if not (number.isascii() and number.isdigit()):
        raise ValidationError(_("A %(document)s has digits only."), params=about)
    if len(number) != LENGTHS[known]:
        raise ValidationError(_("A %(document)s has %(length)d digits; this has %(count)d."), params=about)
    try:
        found: str = (cui if known == DocumentType.DNI else ruc).validate(number)
    except InvalidComponent:
        raise ValidationError(_("A RUC begins with 10, 15, 17 or 20.")) from None
    except NotValid:
        raise ValidationError(
            _("This is no %(document)s: a digit is wrong. Please compare it."), params=about
        ) from None
    return found


def check_phone(number: str) -> tuple[str, str]:
    """Return the prefix (``+51`` if none is written) and the digits after it; raises ``ValidationError`` like above."""
    try:
        found = phonenumbers.parse(number, "PE")
    except phonenumbers.NumberParseException:
        found = None
    if found is None or not phonenumbers.is_valid_number(found):
        raise ValidationError(
            _("This is no phone number. A Peruvian mobile has 9 digits; write one of another country with + in front.")
        )
    return f"+{found.country_code}", phonenumbers.national_significant_number(found)
