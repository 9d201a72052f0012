"""The forms of payers: their data at the checkout, and the bank account for a refund."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from .payer import DocumentType, Payer, Receipt, check_cci, check_document, check_email, check_phone, check_text
from .texts import one_line

#: Names of banks proposed to the payer, who may write another name.
BANKS = (
    "BCP", "BBVA", "Interbank", "Scotiabank", "Banco de la Nación", "BanBif", "Banco Pichincha", "Mibanco", "GNB",
    "Banco Falabella", "Banco Ripley", "Alfin Banco", "Caja Arequipa", "Caja Huancayo", "Caja Piura", "Caja Cusco",
    "Caja Trujillo",
)  # fmt: skip

#: A name begins with a letter or a digit, so that no spreadsheet takes the name for a formula.
_name = RegexValidator(
    r"\A[^\W_](?:[^\W_]|[ .,'’&()/-])*\Z", _("Only letters, digits, blanks and . , ' & ( ) / - please.")
)


class AccountForm(forms.Form):
    """The bank account for a payer's refund."""

    bank = forms.CharField(
        label=_("Bank"), max_length=60, validators=[_name], widget=forms.TextInput(attrs={"list": "banks"})
    )
    cci = forms.CharField(
        label=_("Interbank account number (CCI)"),
        max_length=60,
        help_text=_("20 digits. Your bank's app or website shows it."),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "maxlength": 60}),
    )
    holder = forms.CharField(
        label=_("Account holder"),
        max_length=100,
        validators=[_name],
        help_text=_("The name as the bank knows it."),
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )

    def __init__(self, data: Any = None) -> None:
        if data is not None:  # accents come in two spellings
            data = {name: one_line(value) for name, value in data.items()}
        super().__init__(data, label_suffix="")

    def clean_cci(self) -> str:
        return check_cci(self.cleaned_data["cci"])

    def clean_holder(self) -> str:
        holder: str = self.cleaned_data["holder"]
        if not any(letter.isalpha() for letter in holder):
            raise ValidationError(_("Please write the holder's name."))
        return holder


class LineField(forms.CharField):
    """A line of text as people paste text, cleaned by ``check_text``."""

    def to_python(self, value: Any) -> str:
        return check_text(super().to_python(value) or "")


class MailField(LineField, forms.EmailField):
    """An e-mail address as people paste text, cleaned by ``check_text``."""


#: Fields by name, with the field without which the first makes no sense.
_NEEDED = {
    "document_type": "document_number",
    "document_number": "document_type",
    "receipt": "document_type",
    "company": "receipt",
    "address": "receipt",
}


class PayerForm(forms.Form):
    """The payer's data, with the document for a boleta or factura by Peru's rules; ``payer`` is the resulting
    ``Payer``.

    A subclass that sets a field to ``None`` asks for less: without the document, the choice of a receipt is left out
    too. Every value is checked as ``Payer`` does, also in a field that a subclass replaced, so a valid form always has
    a payer.
    """

    email = MailField(
        label=_("E-mail"),
        max_length=100,  # protocol 3.1
        help_text=_("We write there when there is news."),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    name = LineField(label=_("First name"), max_length=60, widget=forms.TextInput(attrs={"autocomplete": "given-name"}))
    last_name = LineField(
        label=_("Last name"), max_length=60, widget=forms.TextInput(attrs={"autocomplete": "family-name"})
    )
    phone = LineField(
        label=_("Mobile phone"),
        max_length=30,
        help_text=_("Such as 999 888 777; with + and the country if it is not Peru's."),
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "inputmode": "tel"}),
    )
    document_type = forms.ChoiceField(label=_("Document"), choices=DocumentType.choices, initial=DocumentType.DNI)
    document_number = LineField(
        label=_("Document number"),
        max_length=30,
        help_text=_("DNI: the 8 digits. RUC: 11 digits."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )
    receipt = forms.ChoiceField(
        label=_("Receipt"), choices=Receipt.choices, initial=Receipt.BOLETA, widget=forms.RadioSelect
    )
    company = LineField(
        label=_("Company name (razón social)"),
        max_length=200,
        required=False,
        help_text=_("For a factura."),
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    address = LineField(
        label=_("Fiscal address (domicilio fiscal)"),
        max_length=200,
        required=False,
        help_text=_("For a factura."),
        widget=forms.TextInput(attrs={"autocomplete": "street-address"}),
    )

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **{"label_suffix": ""} | named)
        for name, needed in _NEEDED.items():
            if needed not in self.fields:
                self.fields.pop(name, None)

    def clean_phone(self) -> str:
        """Return the number with the country prefix, ``+51999888777``, or "" for an optional field left empty."""
        phone: str = self.cleaned_data["phone"]
        return "".join(check_phone(phone)) if phone else ""

    def clean(self) -> dict[str, Any]:
        """Check the document's number by its type, and the fields that a factura needs."""
        cleaned = self.cleaned_data
        kind, number = cleaned.get("document_type"), cleaned.get("document_number")
        if cleaned.get("receipt") == Receipt.FACTURA:
            if kind and kind != DocumentType.RUC:
                self.add_error("document_type", _("A factura needs a RUC: choose it here, or choose a boleta."))
            for name, missing in (
                ("document_number", _("A factura needs the company's RUC.")),
                ("company", _("A factura needs the company's name.")),
                ("address", _("A factura needs the company's fiscal address.")),
            ):
                if cleaned.get(name) == "" and name in self.fields:
                    self.add_error(name, missing)
        if kind and number:
            try:
                cleaned["document_number"] = check_document(kind, number)
            except ValidationError as error:
                self.add_error("document_number", error)
        return cleaned

    def _post_clean(self) -> None:
        for name, value in self._known().items():
            try:
                self.cleaned_data[name] = check_email(value) if name == "email" else check_text(value)
            except ValidationError as error:
                self.add_error(name, error)

    def _known(self) -> dict[str, str]:
        """Return the values of the payer's fields as text."""
        return {
            name: "" if value is None else str(value)
            for name, value in self.cleaned_data.items()
            if name in PayerForm.base_fields
        }

    @property
    def payer(self) -> Payer:
        """The payer, once the form is valid, for ``create_order``."""
        known = self._known()
        if not known.get("document_number"):
            known.pop("document_type", None)
        if known.get("receipt") != Receipt.FACTURA:
            known |= {"company": "", "address": ""}
        return Payer(**known)
