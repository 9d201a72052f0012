"""Kind 12: the first page does not say that it knows of nothing wrong while something is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from pagoefectivo_django.flows import refund_order
from pagoefectivo_django.models import Delivery, Heartbeat, Order
from pagoefectivo_django.signals import payment_confirmed
from pagoefectivo_django.testing import pay
from tests.factories.provider import serve_by

pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., Order]
NOTHING = "nothing that we know of"


@pytest.fixture
def first_page(admin_client: Client, new_order: Make) -> Callable[[], str]:
    new_order()
    Heartbeat.objects.filter(name="tick").update(beaten_at=timezone.now())

    def read() -> str:
        return admin_client.get("/admin/pagoefectivo/").content.decode()

    assert NOTHING in read()
    return read


def away(**named: Any) -> None:
    raise OSError("no route")


def test_a_receiver_that_failed_35_times_in_30_hours(first_page: Callable[[], str]) -> None:
    payment_confirmed.connect(away, dispatch_uid="shop.ship", in_request=False)
    try:
        pay(Order.objects.get())
        now = timezone.now()
        mine = Delivery.objects.filter(receiver="shop.ship")
        assert mine.update(attempts=35, last_error="OSError: no route") == 1
        mine.update(retry_at=now + timedelta(minutes=55))
        page = first_page()
    finally:
        payment_confirmed.disconnect(dispatch_uid="shop.ship")
    assert NOTHING not in page
    assert "shop.ship" in page


def test_an_open_refund(first_page: Callable[[], str]) -> None:
    refund_order(pay(Order.objects.get()), actor="rosa", reason="too small")
    assert NOTHING not in first_page()
    assert "1 refund is open" in first_page()


def test_an_account_that_is_configured_no_longer(first_page: Callable[[], str], settings: Any) -> None:
    serve_by(settings, NAME="another")
    assert NOTHING not in first_page()
    assert "memory:default is not set any more" in first_page()
