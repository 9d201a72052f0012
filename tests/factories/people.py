"""Staff who may do something, and a payer who is named in every column, whom pages must not tell."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client

from pagoefectivo_django.models import Order
from pagoefectivo_django.payer import Payer
from tests.factories.messages import SECRET

#: What a person says who acts: their name and why.
STAFF: dict[str, Any] = {"actor": "rosa", "reason": "Seen."}
Make = Callable[..., Order]
Hire = Callable[..., Client]
#: The last eight digits begin with no zero: a search drops leading zeros, and a short number stands in many texts.
CCI = "00219177441199665550"
#: E-mail, name, document and phone.
PERSON = ("planted@example.com", "Plantada", "48151623", "999777555")
PLANTED = Payer(email=PERSON[0], name=PERSON[1], document_type="DNI", document_number=PERSON[2], phone=PERSON[3])
#: What no report of an error shows.
SECRETS = (SECRET, CCI, *PERSON)
OURS = [each for model, each in admin.site._registry.items() if model._meta.app_label == "pagoefectivo"]


def hire(name: str, *codenames: str) -> Client:
    """Return the browser of a person of staff who has these permissions of the app and no others."""
    user = User.objects.create_user(name, password="made-up", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="pagoefectivo", codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def hire_superuser(name: str = "eva") -> Client:
    """Return the browser of a person who may do everything."""
    client = Client()
    client.force_login(User.objects.create_superuser(name, password="made-up"))
    return client
