"""A payer who is named in every column that can name one, and what pages must not tell of them."""

from collections.abc import Callable

from django.contrib import admin
from django.test import Client

from pagoefectivo_django.models import Order
from tests.factories.messages import SECRET

Make = Callable[..., Order]
Hire = Callable[..., Client]
#: The last eight digits begin with no zero: a search drops leading zeros, and a short number stands in many texts.
CCI = "00219177441199665550"
#: E-mail, name, document and phone.
PERSON = ("planted@example.com", "Plantada", "48151623", "999777555")
#: What no report of an error shows.
SECRETS = (SECRET, CCI, *PERSON)
OURS = [each for model, each in admin.site._registry.items() if model._meta.app_label == "pagoefectivo"]
