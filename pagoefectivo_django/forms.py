"""The forms for staff and payers: the input of flows, validated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.validators import RegexValidator
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .codes import plain
from .conf import conf
from .models import Discrepancy, Match, Order, Payment, Settlement, SettlementLine
from .models.orders import that_pays
from .money import CURRENCIES
from .payer import DocumentType, Payer, Receipt, check_cci, check_document, check_email, check_phone, check_text
from .statements import FORMATS
from .states import PaymentStatus, Resolution
from .texts import one_line
from .wording.reading import FORMATS as FORMAT_LABELS


def _zone() -> str:
    return gettext("In the time zone %(zone)s.") % {"zone": timezone.get_current_timezone_name()}


def _date_field(*, required: bool) -> forms.DateTimeField:
    # The browser's own date picker needs no script of ours and works on a phone.
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    return forms.DateTimeField(label=_("Until"), required=required, widget=widget, help_text=lazy(_zone, str)())


class ReasonForm(forms.Form):
    """The reason for a staff action."""

    reason = forms.CharField(label=_("Reason"), max_length=500, widget=forms.Textarea(attrs={"rows": 3}))


class ExtendForm(ReasonForm):
    """The new expiry of a code, in the current time zone, and the reason."""

    expires_at = _date_field(required=True)
    field_order = ("expires_at", "reason")


class ReissueForm(ReasonForm):
    """The expiry of the next code (empty: the order's own), and the reason."""

    expires_at = _date_field(required=False)
    field_order = ("expires_at", "reason")


class ResolveForm(ReasonForm):
    """The resolution of a discrepancy, among the given answers, and the reason."""

    resolution = forms.ChoiceField(label=_("Answer"), widget=forms.RadioSelect)
    field_order = ("resolution", "reason")

    def __init__(self, data: Any, discrepancy: Discrepancy, answers: Sequence[Resolution]) -> None:
        initial = answers[0] if len(answers) == 1 else discrepancy.suggestion
        super().__init__(data, initial={"resolution": initial})
        choices = [(answer, answer.label) for answer in answers]
        self.fields["resolution"].choices = choices  # type: ignore[attr-defined]


class EraseForm(ReasonForm):
    """The reason for erasing a payer's data."""

    def __init__(self, data: Any, order: Order) -> None:
        super().__init__(data)


class MarkPaidForm(ReasonForm):
    """The operation number of a payment seen by staff, and the reason."""

    operation_number = forms.CharField(label=_("Operation number"), max_length=40, help_text=_("As on the receipt."))
    field_order = ("operation_number", "reason")

    def __init__(self, data: Any, order: Order) -> None:
        super().__init__(data)


class AdoptForm(forms.Form):
    """The digits of a code that staff found."""

    code = forms.CharField(label="CIP", max_length=40, help_text=_("From the provider's portal, or from its mail."))

    def __init__(self, data: Any, order: Order) -> None:
        super().__init__(data)


class _PaymentField(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, payment: Any) -> str:
        about = {"payment": payment, "status": payment.get_status_display(), "left": f"{payment.refundable:.2f}"}
        return gettext("%(payment)s (%(status)s): %(left)s left") % about


class RefundForm(ReasonForm):
    """The payment of an order to refund, the amount (empty: all that is left), and the reason."""

    payment = _PaymentField(Payment.objects.none(), label=_("Payment"), empty_label=None)
    amount = forms.DecimalField(
        label=_("Amount"), required=False, max_digits=18, decimal_places=2, help_text=_("Empty: all that is left.")
    )
    field_order = ("payment", "amount", "reason")

    def __init__(self, data: Any, order: Order) -> None:
        mine = Payment.objects.filter(cip__order=order).exclude(status=PaymentStatus.REVERSED).order_by("pk")
        super().__init__(data, initial={"payment": that_pays(mine)})
        self.fields["payment"].queryset = mine  # type: ignore[attr-defined]


class StatementForm(forms.Form):
    """A statement to import, and the facts that the file may lack."""

    file = forms.FileField(label=_("File"))
    channel = forms.ChoiceField(label=_("Channel"), required=False)
    format = forms.ChoiceField(label=_("Format"), required=False)
    currency = forms.ChoiceField(
        label=_("Currency"), required=False, choices=[("", _("as the file says")), *((one, one) for one in CURRENCIES)]
    )
    decimal = forms.ChoiceField(
        label=_("Decimal mark"),
        required=False,
        choices=[("", _("detect it")), (".", _("point: 1,234.50")), (",", _("comma: 1.234,50"))],
    )
    reference = forms.CharField(
        label=_("Transfer number"), required=False, max_length=80, help_text=_("Empty: the file's name.")
    )
    dated = forms.DateField(
        label=_("Date of the transfer"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("Empty: today in Peru."),
    )

    def __init__(self, data: Any = None, files: Any = None) -> None:
        super().__init__(data, files)
        aliases = list(conf.channels)
        formats = {*FORMATS, *conf.statements}
        self.fields["channel"].choices = [  # type: ignore[attr-defined]
            *([("", _("choose one"))] if len(aliases) > 1 else []),
            *((alias, alias) for alias in aliases),
        ]
        self.fields["format"].choices = [  # type: ignore[attr-defined]
            ("", _("detect it")),
            *((name, FORMAT_LABELS.get(name, name)) for name in sorted(formats)),
        ]


class ConfirmForm(forms.Form):
    """The consent to import a statement without the bad lines; empty for a statement without bad lines."""

    skip_bad = forms.BooleanField(label=_("Import everything else, without the bad lines"), required=True)

    def __init__(self, data: Any, settlement: Settlement) -> None:
        super().__init__(data)
        if not settlement.fault_count:
            del self.fields["skip_bad"]


class NothingForm(forms.Form):
    """A form without fields: the confirmation alone."""

    def __init__(self, data: Any, row: Any) -> None:
        super().__init__(data)


class DepositForm(forms.Form):
    """A deposit seen at the bank: amount, day, reference and reason."""

    amount = forms.DecimalField(
        label=_("Amount"), max_digits=18, decimal_places=2, help_text=_("Negative to take a mistake back.")
    )
    received_on = forms.DateField(
        label=_("Received on"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    reference = forms.CharField(label=_("Bank's reference"), max_length=80, required=False)
    reason = forms.CharField(label=_("Reason"), max_length=500, required=False)

    def __init__(self, data: Any, settlement: Settlement) -> None:
        super().__init__(data, initial={"amount": settlement.open_amount, "received_on": timezone.localdate()})


class MatchForm(ReasonForm):
    """The code whose payment a settlement line is, and the reason.

    ``cleaned_data["payment"]`` is a payment of the line's account, amount and currency, first a payment without a
    match.
    """

    code = forms.CharField(label="CIP", max_length=40, help_text=_("The code that was paid."))
    field_order = ("code", "reason")

    def __init__(self, data: Any, line: SettlementLine) -> None:
        super().__init__(data, initial={"code": line.code})
        self.line = line

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        payments = Payment.objects.filter(
            cip__account=self.line.settlement.account, cip__code=plain(said.pop("code", "")), amount=self.line.gross,
            currency=self.line.currency,
        )  # fmt: skip
        found = payments.exclude(status=PaymentStatus.REVERSED).select_related("cip")
        free = found.exclude(matches__in=Match.objects.filter(kind=self.line.settlement.kind, part=0, stands=True))
        said["payment"] = free.first() or found.first()
        if said["payment"] is None:
            raise ValidationError(_("No payment of this amount was made with this code."))
        return said


class UnmatchForm(ReasonForm):
    """The reason for undoing a match."""

    def __init__(self, data: Any, line: SettlementLine) -> None:
        super().__init__(data)


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


class ReopenForm(ReasonForm):
    """The reason for reopening a discrepancy."""

    def __init__(self, data: Any, discrepancy: Discrepancy) -> None:
        super().__init__(data)


class CommentForm(forms.Form):
    """A comment on a discrepancy."""

    text = forms.CharField(label=_("Comment"), max_length=500, widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(self, data: Any, discrepancy: Discrepancy) -> None:
        super().__init__(data)


class AssignForm(forms.Form):
    """The staff user who shall look at a discrepancy: oneself, a named user, or nobody."""

    ME, OTHER, NOBODY = "me", "other", "nobody"

    who = forms.ChoiceField(
        label=_("Who"),
        choices=((ME, _("me")), (OTHER, _("somebody else:")), (NOBODY, _("nobody"))),
        initial=ME,
        widget=forms.RadioSelect,
    )
    name = forms.CharField(label=_("User name"), max_length=150, required=False, help_text=_("Of somebody else."))

    def __init__(self, data: Any, discrepancy: Discrepancy) -> None:
        super().__init__(data)

    def clean(self) -> dict[str, Any]:
        """Refuse a named user who may not answer discrepancies."""
        cleaned, users = self.cleaned_data, get_user_model()._default_manager
        if cleaned.get("who") == self.OTHER and "name" in cleaned:
            try:
                user = users.get_by_natural_key(cleaned["name"])
            except ObjectDoesNotExist:
                user = None
            if not (user and user.is_staff and user.has_perm("pagoefectivo.change_discrepancy")):
                self.add_error(
                    "name", _("Nobody of this name may answer discrepancies; write a user name of your staff.")
                )
        return cleaned
