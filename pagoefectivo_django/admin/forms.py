"""The forms of staff's actions: the input of flows, validated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..codes import plain
from ..conf import conf
from ..flows.provider.accounts import statement_formats
from ..models import Discrepancy, Match, Order, Payment, Settlement, SettlementLine
from ..models.orders import that_pays
from ..money import CURRENCIES
from ..states import PaymentStatus, Resolution
from ..wording.reading import FORMATS as FORMAT_LABELS


def day_field(label: Any, **named: Any) -> forms.DateField:
    """Return a field for a day, with the browser's own date picker, which needs no script and works on a phone."""
    return forms.DateField(label=label, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), **named)


def _zone() -> str:
    return gettext("In the time zone %(zone)s.") % {"zone": timezone.get_current_timezone_name()}


def _until_field(*, required: bool) -> forms.DateTimeField:
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    return forms.DateTimeField(label=_("Until"), required=required, widget=widget, help_text=lazy(_zone, str)())


class StaffForm(forms.Form):
    """The form of a staff action, without fields: the confirmation alone.

    ``data`` None: nothing was posted. ``row``: the record, or None for the records chosen in a list.
    """

    def __init__(self, data: Any = None, row: Any = None, **initial: Any) -> None:
        super().__init__(data, initial=initial)
        self.row = row


def choose(form: forms.Form, name: str, choices: Sequence[tuple[Any, Any]]) -> None:
    """Set the choices of a form's field that depend on a record or on the settings."""
    form.fields[name].choices = choices  # type: ignore[attr-defined]


class ReasonForm(StaffForm):
    """The reason for an action."""

    reason = forms.CharField(label=_("Reason"), max_length=500, widget=forms.Textarea(attrs={"rows": 3}))


class ExtendForm(ReasonForm):
    """The new expiry of a code, in the current time zone, and the reason."""

    expires_at = _until_field(required=True)
    field_order = ("expires_at", "reason")


class ReissueForm(ReasonForm):
    """The expiry of the next code (empty: the order's own), and the reason."""

    expires_at = _until_field(required=False)
    field_order = ("expires_at", "reason")


class ResolveForm(ReasonForm):
    """The resolution of a discrepancy, among the given answers, and the reason."""

    resolution = forms.ChoiceField(label=_("Answer"), widget=forms.RadioSelect)
    field_order = ("resolution", "reason")

    def __init__(self, data: Any, row: Discrepancy, answers: Sequence[Resolution]) -> None:
        super().__init__(data, row, resolution=answers[0] if len(answers) == 1 else row.suggestion)
        choose(self, "resolution", [(answer, answer.label) for answer in answers])


class MarkPaidForm(ReasonForm):
    """The operation number of a payment seen by staff, and the reason."""

    operation_number = forms.CharField(label=_("Operation number"), max_length=40, help_text=_("As on the receipt."))
    field_order = ("operation_number", "reason")


class AdoptForm(StaffForm):
    """The digits of a code that staff found."""

    code = forms.CharField(label="CIP", max_length=40, help_text=_("From the provider's portal, or from its mail."))


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

    def __init__(self, data: Any, row: Order) -> None:
        mine = Payment.objects.filter(cip__order=row).exclude(status=PaymentStatus.REVERSED).order_by("pk")
        super().__init__(data, row, payment=that_pays(mine))
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
    dated = day_field(_("Date of the transfer"), required=False, help_text=_("Empty: today in Peru."))

    def __init__(self, data: Any = None, files: Any = None) -> None:
        super().__init__(data, files)
        aliases = list(conf.channels)
        several = [("", _("choose one"))] if len(aliases) > 1 else []
        choose(self, "channel", [*several, *((alias, alias) for alias in aliases)])
        formats = sorted(statement_formats())
        choose(self, "format", [("", _("detect it")), *((name, FORMAT_LABELS.get(name, name)) for name in formats)])


class ConfirmForm(StaffForm):
    """The consent to import a statement without the bad lines; empty for a statement without bad lines."""

    skip_bad = forms.BooleanField(label=_("Import everything else, without the bad lines"), required=True)

    def __init__(self, data: Any, row: Settlement) -> None:
        super().__init__(data, row)
        if not row.fault_count:
            del self.fields["skip_bad"]


class DepositForm(StaffForm):
    """A deposit seen at the bank: amount, day, reference and reason."""

    amount = forms.DecimalField(
        label=_("Amount"), max_digits=18, decimal_places=2, help_text=_("Negative to take a mistake back.")
    )
    received_on = day_field(_("Received on"))
    reference = forms.CharField(label=_("Bank's reference"), max_length=80, required=False)
    reason = forms.CharField(label=_("Reason"), max_length=500, required=False)

    def __init__(self, data: Any, row: Settlement) -> None:
        super().__init__(data, row, amount=row.open_amount, received_on=timezone.localdate())


class MatchForm(ReasonForm):
    """The code whose payment a settlement line is, and the reason.

    ``cleaned_data["payment"]`` is a payment of the line's account, amount and currency, first a payment without a
    match.
    """

    code = forms.CharField(label="CIP", max_length=40, help_text=_("The code that was paid."))
    field_order = ("code", "reason")

    def __init__(self, data: Any, row: SettlementLine) -> None:
        super().__init__(data, row, code=row.code)

    def clean(self) -> dict[str, Any]:
        said, line = super().clean() or {}, self.row
        payments = Payment.objects.filter(
            cip__account=line.settlement.account, cip__code=plain(said.pop("code", "")), amount=line.paid[0],
            currency=line.paid[1],
        )  # fmt: skip
        found = payments.exclude(status=PaymentStatus.REVERSED).select_related("cip")
        free = found.exclude(matches__in=Match.objects.filter(kind=line.settlement.kind, part=0, stands=True))
        said["payment"] = free.first() or found.first()
        if said["payment"] is None:
            raise ValidationError(_("No payment of this amount was made with this code."))
        return said


class CommentForm(StaffForm):
    """A comment on a discrepancy."""

    text = forms.CharField(label=_("Comment"), max_length=500, widget=forms.Textarea(attrs={"rows": 3}))


class AssignForm(StaffForm):
    """The staff user who shall look at a discrepancy: oneself, a named user, or nobody."""

    ME, OTHER, NOBODY = "me", "other", "nobody"

    who = forms.ChoiceField(
        label=_("Who"),
        choices=((ME, _("me")), (OTHER, _("somebody else:")), (NOBODY, _("nobody"))),
        initial=ME,
        widget=forms.RadioSelect,
    )
    name = forms.CharField(label=_("User name"), max_length=150, required=False, help_text=_("Of somebody else."))

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
