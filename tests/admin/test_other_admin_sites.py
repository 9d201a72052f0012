"""Kind 13: an admin site of the shop's, with all of our records or a few, is whole, and leads nobody to another."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import include, path

from pagoefectivo_django.flows import import_settlement, tick
from pagoefectivo_django.models import Discrepancy, Order, Refund, Settlement, SettlementLine
from pagoefectivo_django.testing import pay
from tests.factories.messages import paid, post
from tests.factories.orders import make
from tests.factories.refunds import refund_at

SAMPLE = Path(__file__).parents[1] / "statements" / "samples" / "settlement.txt"
EVERYTHING = tuple(
    model for model in apps.get_app_config("pagoefectivo").get_models() if admin.site.is_registered(model)
)


def site_of(name: str, models: tuple[type[Model], ...]) -> admin.AdminSite:
    site = admin.AdminSite(name=name)
    for model in models:
        site.register(model, type(admin.site._registry[model]))
    return site


SITES: dict[str, tuple[type[Model], ...]] = {
    "all": EVERYTHING,
    "orders": (Order,),
    "discrepancies": (Discrepancy,),
    "refunds": (Refund,),
    "statements": (Settlement,),
    "lines": (SettlementLine,),
}
urlpatterns = [
    *(path(f"{name}/", site_of(name, models).urls) for name, models in SITES.items()),
    path("admin/", admin.site.urls),
    path("pay/", include("pagoefectivo_django.urls")),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_provider")
@pytest.mark.parametrize("name", SITES)
def test_every_page_is_there_and_stays_on_its_site(settings: Any, name: str) -> None:
    """A second a site: each page of it is asked for."""
    settings.ROOT_URLCONF = __name__
    User.objects.create_superuser("root", "root@shop.example", "made-up")
    client = Client()
    client.login(username="root", password="made-up")
    good, odd = make(), make("SHOP-2")
    pay(good)
    post(paid(odd, amount="1.00"))
    refund_at("approved", good, "2.00")
    with SAMPLE.open("rb") as file:
        import_settlement(file, "settlement.txt", actor="shop", currency="PEN")
    tick()
    pages = [f"/{name}/", f"/{name}/pagoefectivo/"]
    for model in SITES[name]:
        at = f"/{name}/pagoefectivo/{model._meta.model_name}/"
        pages += [at, *(f"{at}{pk}/change/" for pk in model._default_manager.values_list("pk", flat=True))]
    assert len(pages) > 3
    for page in pages:
        answer = client.get(page)
        assert answer.status_code == 200, page
        found = set(re.findall(r'href="/([^/"]+)/', answer.content.decode()))
        assert found <= {name, "static", "pay"}, page
