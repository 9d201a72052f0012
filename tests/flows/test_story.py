"""A payer pays: from ``create_order`` to the receiver, by the memory channel and the real webhook."""

import json
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.flows import create_order
from pagoefectivo_django.models import Delivery, Discrepancy, Notification, OrderEvent, Payment
from pagoefectivo_django.payer import Payer
from tests.shop.models import Heard

pytestmark = [pytest.mark.smoke, pytest.mark.every_database, pytest.mark.django_db(transaction=True)]


def test_a_payer_pays(client: Client) -> None:
    order = create_order(
        reference="SHOP-1001",
        amount=Decimal("120.50"),
        currency="PEN",
        payer=Payer(email="ana@example.com", name="Ana", phone="999888777"),
        concept="Two T-shirts",
    )
    assert order.state == "pending"
    assert order.cip is not None
    assert order.cip.code
    body = json.dumps(
        {"fact": "payment", "code": order.cip.code, "amount": "120.50", "currency": "PEN", "operation_number": "7"}
    ).encode()
    url = reverse("pagoefectivo:webhook", args=["default"])
    signature = MemoryChannel.sign(body, "made-up-webhook-secret")
    answer = client.post(url, body, content_type="application/json", headers={"PE-Signature": signature})
    assert answer.status_code == 200
    order.refresh_from_db()
    assert (order.state, order.operation_number) == ("paid", "7")
    assert Heard.objects.get().reference == "SHOP-1001"
    assert list(OrderEvent.objects.values_list("kind", flat=True)) == [
        "order_created",
        "cip_issued",
        "payment_confirmed",
    ]
    assert Payment.objects.get().status == "applied"
    assert Notification.objects.get().status == "applied"
    assert Delivery.objects.get().delivered_at
    assert not Discrepancy.objects.exists()
    again = client.post(url, body, content_type="application/json", headers={"PE-Signature": signature})
    assert again.status_code == 200
    assert Heard.objects.count() == 1
    assert Notification.objects.get().times_received == 2
    forged = client.post(url, body, content_type="application/json", headers={"PE-Signature": "0" * 64})
    assert forged.status_code == 403
