"""What the payer fills in."""

import re
from typing import Any

from django import forms
from django.utils.crypto import get_random_string

from pagoefectivo_django.payer import Payer

#: Without those that are taken for each other when read out.
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def new_number() -> str:
    """Return a number for a purchase that nobody can guess."""
    return get_random_string(12, _LETTERS)


class CheckoutForm(forms.Form):
    """Who pays. PagoEfectivo sends the code to the e-mail address."""

    name = forms.CharField(
        label="Nombre",
        max_length=30,
        error_messages={"required": "Escribe tu nombre."},
        widget=forms.TextInput(attrs={"autocomplete": "given-name"}),
    )
    last_name = forms.CharField(
        label="Apellidos",
        max_length=30,
        error_messages={"required": "Escribe tus apellidos."},
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )
    email = forms.EmailField(
        label="Correo electrónico",
        max_length=100,
        help_text="Ahí te llega tu código de pago.",
        error_messages={"required": "Escribe tu correo.", "invalid": "Escribe un correo completo, como ana@correo.pe."},
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    phone = forms.CharField(
        label="Celular",
        max_length=20,
        help_text="9 dígitos.",
        error_messages={"required": "Escribe tu celular."},
        widget=forms.TextInput(attrs={"autocomplete": "tel-national", "inputmode": "tel"}),
    )
    # Given with the empty form: who presses the button twice sends it twice, and gets one order.
    number = forms.RegexField(f"^[{_LETTERS}]{{12}}$", initial=new_number, widget=forms.HiddenInput)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.label_suffix = ""

    def clean_phone(self) -> str:
        """Take a Peruvian mobile number in the ways people write it."""
        digits = re.sub(r"\D", "", self.cleaned_data["phone"])
        digits = digits.removeprefix("51") if len(digits) == 11 else digits
        if not re.fullmatch(r"9[0-9]{8}", digits):
            raise forms.ValidationError("Escribe los 9 dígitos de tu celular; empieza con 9.")
        return digits

    @property
    def reference(self) -> str:
        """The shop's number of the order."""
        return f"TIENDA-{self.cleaned_data['number']}"

    @property
    def payer(self) -> Payer:
        """Who pays."""
        known = {name: self.cleaned_data[name] for name in ("name", "last_name", "email", "phone")}
        return Payer(**known)
