"""The payer: the fields needed by providers, their checks, and the shop's data for a receipt."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import ModuleType
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, validate_email
from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from .errors import InvalidRequest, gettext_noop
from .texts import one_line, spelled, visible

#: Full-width digits, as input methods for Chinese write digits, and their ASCII digits.
_NARROW = {0xFF10 + digit: 0x30 + digit for digit in range(10)}
#: A Peruvian mobile number as stored; phonenumbers need not be asked about it.
_MOBILE = re.compile("9[0-9]{8}")


@dataclass(frozen=True)
class Payer:
    """The payer of an order; only ``email`` is needed by every provider (protocol 3.1).

    Texts are cleaned as ``check_text`` says. A ``phone`` that begins with ``+`` names its own country, and
    ``phone_prefix`` becomes that country's prefix; a phone number that exists nowhere is stored as typed. ``user_id``
    and ``phone`` may be ints, since neither can begin with a zero. Raises ``InvalidRequest`` for a field that is not
    text, for characters that can't be printed and for an invalid e-mail address; messages name the field and never
    repeat its value.
    """

    email: str
    name: str = ""
    last_name: str = ""
    phone: str = ""
    #: Telephone prefix, ``+51`` for Peru.
    phone_prefix: str = "+51"
    #: DNI, RUC, CE, PAS, …; each channel maps the type to one that its provider knows.
    document_type: str = ""
    document_number: str = ""
    #: INEI district code, six digits, leading zeros kept.
    ubigeo: str = ""
    country: str = "PERU"
    #: The shop's own number of the payer.
    user_id: str = ""
    #: The receipt that the shop has to issue: ``boleta``, ``factura`` or nothing. No channel sends ``receipt``,
    #: ``company`` or ``address``; all three are for the shop alone.
    receipt: str = ""
    #: For a factura: the name (razón social) and the address (domicilio fiscal) that belong to the RUC.
    company: str = ""
    address: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = spelled(getattr(self, field.name))
            if field.name in ("user_id", "phone") and isinstance(value, int) and not isinstance(value, bool):
                value = str(int(value))
            if not isinstance(value, str):
                raise InvalidRequest(
                    gettext_noop("payer.%(field)s is a %(kind)s; pass text."),
                    code="payer_field_type",
                    field=field.name,
                    kind=type(value).__name__,
                )
            try:
                value = check_email(value) if field.name == "email" else check_text(value)
            except ValidationError:
                code, problem = _PROBLEMS[field.name == "email"]
                raise InvalidRequest(problem, code=code, field=field.name) from None
            object.__setattr__(self, field.name, value)
        prefix, phone = _full(self.phone_prefix, self.phone)
        object.__setattr__(self, "phone_prefix", prefix)
        object.__setattr__(self, "phone", phone)

    def __repr__(self) -> str:
        return "Payer(…)"  # personal data stays out of tracebacks and logs

    @property
    def erased(self) -> bool:
        """Whether the payer's data was erased; then every other field is empty."""
        return not self.email

    @property
    def country_code(self) -> str:
        """The payer's country in capitals, ``PE`` for Peru in words; countries in two letters can be compared."""
        country = self.country.strip().upper()
        return "PE" if country in ("PERU", "PERÚ") else country

    def data(self) -> dict[str, str]:
        """Return the fields that are not empty, for ``Order.payer_data``.

        ``phone_prefix`` is kept beside a phone even if empty: then the phone's country is not known.
        """
        return {name: value for name, value in asdict(self).items() if value or (name == "phone_prefix" and self.phone)}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Payer:
        """Return the payer described by a value of ``data()``; unknown names are ignored."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})


#: The problem of a text, and the problem of an e-mail address.
_PROBLEMS = (
    ("payer_field_unprintable", gettext_noop("payer.%(field)s has characters that cannot be printed; remove them.")),
    (
        "payer_email_unusable",
        gettext_noop(
            "payer.%(field)s is not an e-mail address of at most 100 characters; PagoEfectivo sends the code to it."
        ),
    ),
)


@dataclass(frozen=True, repr=False)
class Erased(Payer):
    """The payer of an order whose payer data was erased: every field is empty, and ``erased`` is True."""

    email: str = ""
    country: str = ""
    phone_prefix: str = ""

    def __post_init__(self) -> None:
        """Skip the checks of ``Payer``: all fields are empty."""


class DocumentType(TextChoices):
    """The identity documents for a receipt (SUNAT's catalogue 06), as values of ``Payer.document_type``."""

    DNI = "DNI", "DNI"
    RUC = "RUC", "RUC"
    CE = "CE", _("Foreigner's card (CE)")
    PASSPORT = "PAS", _("Passport")


class Receipt(TextChoices):
    """The kinds of receipt, as values of ``Payer.receipt``."""

    BOLETA = "boleta", _("Boleta, for a person")
    FACTURA = "factura", _("Factura, for a company with a RUC")


#: The number of digits of the documents whose numbers have digits only.
LENGTHS = {DocumentType.DNI: 8, DocumentType.RUC: 11}
#: The most letters and digits of all other documents (SUNAT's catalogue 06).
LONGEST_DOCUMENT = 12


def check_text(text: str) -> str:
    """Return a text as stored, in one line and composed (NFC); raises ``ValidationError`` for unprintable characters.

    ``Payer`` and its form use only this function and ``check_email``, so a form that is valid is always a valid payer.
    """
    text = one_line(text)
    if not text.isprintable() or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValidationError(_("There is a character in it that cannot be printed; please type it anew."))
    return text


def check_email(address: str) -> str:
    """Return an e-mail address as stored; raises ``ValidationError`` if invalid or over 100 characters."""
    address = check_text(address)
    validate_email(address)
    host = address.rpartition("@")[2]
    # Django's validator accepts any character above U+00A0 in a host; host names have only letters, marks and digits.
    if not host.startswith("[") and any(
        unicodedata.category(sign)[0] not in "LMN" for sign in host if sign not in ".-"
    ):
        raise ValidationError(validate_email.message, code=validate_email.code)
    MaxLengthValidator(100)(address)  # protocol 3.1
    return address


def bare(number: str) -> str:
    """Return a document's number in capitals, without blanks, points and hyphens between its letters and digits."""
    return re.sub(r"[\s.‐-―\u2212-]", "", unicodedata.normalize("NFKC", visible(number))).upper()


def check_document(kind: str, number: str) -> str:
    """Return a document's number without blanks and hyphens; raises ``ValidationError`` for an invalid number.

    ``kind`` is a value of ``DocumentType``. The check digits of a DNI and a RUC are verified.
    """
    number = bare(number)
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
    stdnum = _stdnum()
    try:
        found: str = (stdnum.pe.cui if known == DocumentType.DNI else stdnum.pe.ruc).validate(number)
    except stdnum.exceptions.InvalidComponent:
        raise ValidationError(_("A RUC begins with 10, 15, 17 or 20.")) from None
    except stdnum.exceptions.ValidationError:
        raise ValidationError(
            _("This is no %(document)s: a digit is wrong. Please compare it."), params=about
        ) from None
    return found


def check_phone(number: str) -> tuple[str, str]:
    """Return prefix (``+51`` by default) and digits of a phone number; raises ``ValidationError`` if invalid."""
    if found := _phone(visible(number), "+51"):
        return found
    raise ValidationError(
        _("This is no phone number. A Peruvian mobile has 9 digits; write one of another country with + in front.")
    )


def e164(payer: Payer) -> str:
    """Return the payer's phone number in E.164, such as ``+51999888777``; empty if the phone is no valid number."""
    return "".join(_phone(payer.phone, payer.phone_prefix) or ())


def _full(prefix: str, phone: str) -> tuple[str, str]:
    """Return prefix and number as stored; an invalid number with its own country (``+``, ``00``) loses the prefix."""
    if not phone or (prefix == "+51" and _MOBILE.fullmatch(phone)):
        return prefix, phone
    return _phone(phone, prefix) or ("" if phone.startswith(("+", "\uff0b", "00")) else prefix, phone)


def check_cci(number: str) -> str:
    """Return the 20 digits of an interbank account number (CCI); raises ``ValidationError`` for an invalid number.

    Both check digits are Luhn's: the first over bank and office, the second over the account. The source is documents
    of payment companies only (d24, localpayment); the check digits of the latter's example fit.
    """
    digits = re.sub(r"[\s.‐-―\u2212-]", "", visible(number)).translate(_NARROW)
    if not (digits.isascii() and digits.isdigit()):
        raise ValidationError(_("A CCI has digits only."))
    if len(digits) != 20:
        raise ValidationError(_("A CCI has 20 digits; this has %(count)d."), params={"count": len(digits)})
    checked = (digits[:6] + digits[18], digits[6:18] + digits[19])
    if digits.startswith("000") or not all(map(_stdnum().luhn.is_valid, checked)):
        raise ValidationError(_("This is no CCI: a digit is wrong. Please copy it once more from your bank."))
    return digits


def _phone(typed: str, prefix: str) -> tuple[str, str] | None:
    """Return prefix and national digits of a phone number typed in the country of ``prefix``; None if not valid.

    phonenumbers is imported here only: its tables take as long to import as all our models.
    """
    import phonenumbers

    home = re.sub("[^0-9]", "", prefix)[:3]
    country = phonenumbers.region_code_for_country_code(int(home)) if home else None
    for number in (typed, f"+{home}{typed}"):  # the second spelling is for prefixes of no country, such as +870
        try:
            found = phonenumbers.parse(number, country)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(found):
            return f"+{found.country_code}", phonenumbers.national_significant_number(found)
    return None


def _stdnum() -> ModuleType:
    import stdnum.exceptions
    import stdnum.luhn
    import stdnum.pe.cui
    import stdnum.pe.ruc

    return stdnum


def has_phones(country: str) -> bool:
    """Return whether a country, by its two letters, has telephone numbers: ``GB`` has, ``UK`` is no country."""
    if country == "PE":  # most settings name PE alone, and are checked at each start: no import
        return True
    import phonenumbers

    return bool(phonenumbers.country_code_for_region(country))


def mobile_country(number: str) -> str:
    """Return the country (such as ``PE``) of a number in E.164 that can be a mobile phone's; else an empty text."""
    import phonenumbers

    found = phonenumbers.parse(number)
    mobile = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)
    # Numbers of no country, such as satellite phones, have the region "001".
    return str(phonenumbers.region_code_for_number(found)) if phonenumbers.number_type(found) in mobile else ""
