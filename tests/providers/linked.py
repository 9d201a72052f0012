"""What the tests of links share: a provider that runs, a shop that uses it, and what a payer does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from pagoefectivo_django.flows import create_order
from pagoefectivo_django.models import Cip, Order
from tests.factories.orders import ANA
from tests.providers.linking import HEADER, LinkingChannel
from tests.providers.linking_server import KEY, SECRET, LinkingProvider, Page, linking_provider, sign


@pytest.fixture(name="provider")
def running_provider() -> Iterator[LinkingProvider]:
    with linking_provider() as served:
        yield served


@pytest.fixture(name="options")
def channel_options(provider: LinkingProvider, settings: Any) -> Callable[..., None]:
    """Set the channel's options; the provider's pages live as long as the channel says."""

    def be(**changes: Any) -> None:
        given = {"BASE_URL": provider.base, "KEY": KEY, "SECRET": SECRET} | changes
        backend = f"{LinkingChannel.__module__}.{LinkingChannel.__qualname__}"
        channels = {"default": {"BACKEND": backend, "OPTIONS": given}}
        settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": channels}
        minutes = given.get("MINUTES")
        provider.life = timedelta(minutes=minutes) if minutes else None

    be()
    return be


def sold(reference: str = "SHOP-1", **changes: Any) -> Order:
    asked: dict[str, Any] = {"reference": reference, "amount": Decimal("120.50"), "currency": "PEN", "payer": ANA}
    return create_order(**asked | changes)


def post(client: Client, body: bytes, secret: str = SECRET) -> int:
    headers = {HEADER: sign(body, secret)}
    return client.post("/pay/webhooks/default/", body, content_type="application/json", headers=headers).status_code


def page_of(provider: LinkingProvider, order: Order) -> Page:
    cip = Order.objects.select_related("cip").get(pk=order.pk).cip
    assert cip
    assert cip.provider_id
    return provider.pages[cip.provider_id]


def press(client: Client, order: Order) -> Any:
    return client.post(f"{order.voucher_url}pay/")


def ends() -> None:
    """Let the links of all orders be past the date that we know."""
    Cip.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
