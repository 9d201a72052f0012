"""What payers type into a form, and the payer that comes of it."""

from pagoefectivo_django.forms import PayerForm
from pagoefectivo_django.payer import Payer

RUC = "20512333797"
ANA = {
    "email": "ana@example.com",
    "name": "Ana",
    "last_name": "Quispe",
    "phone": "999 888 777",
    "document_type": "DNI",
    "document_number": "01234567",
    "receipt": "boleta",
}
FACTURA = ANA | {
    "document_type": "RUC",
    "document_number": RUC,
    "receipt": "factura",
    "company": "Tejidos Quispe S.A.C.",
    "address": "Jr. Lima 123, Puno",
}


def payer_of(data: dict[str, str]) -> Payer:
    """Return the payer of a form that is filled in well."""
    form = PayerForm(data)
    assert form.is_valid(), form.errors
    return form.payer
