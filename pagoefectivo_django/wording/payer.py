"""The names of what is known of a payer."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

#: By field of ``Payer``.
PAYER_FIELDS: dict[str, Any] = {
    "email": _("E-mail"),
    "name": _("First name"),
    "last_name": _("Last name"),
    "phone": _("Mobile phone"),
    "phone_prefix": _("Country code of the phone"),
    "document_type": _("Document"),
    "document_number": _("Document number"),
    "country": _("Country"),
    "receipt": _("Receipt"),
    "company": _("Company name (razón social)"),
    "address": _("Fiscal address (domicilio fiscal)"),
}
