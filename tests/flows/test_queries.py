"""What a paid notification costs the database."""

from datetime import timedelta

import pytest
from django.utils import timezone

from pagoefectivo_django.models import Cip, Notification, Order, OrderEvent, Payment
from tests.factories.messages import paid
from tests.factories.orders import make
from tests.reading import statements
from tests.shop.models import Heard

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.usefixtures("pagoefectivo_memory"),
    pytest.mark.django_db(transaction=True),
]

#: Besides them a database server is asked what time it is.
MOST = 13


def others(count: int) -> None:
    """Orders with codes, half of them paid."""
    now = timezone.now()
    common = {"amount": 5, "currency": "PEN", "email": "x@example.com", "expires_at": now + timedelta(days=2)}
    orders = [
        Order(reference=f"OTHER-{count}-{number}", created_at=now, state="pending", **common) for number in range(count)
    ]
    Order.objects.bulk_create(orders)
    rows = list(Order.objects.filter(reference__startswith=f"OTHER-{count}-").order_by("pk"))
    Cip.objects.bulk_create(
        Cip(
            order=order,
            channel="default",
            account="memory:default",
            transaction_code=order.reference,
            code=str(order.pk),
            status="current",
            expires_at=order.expires_at,
            changed_at=now,
        )
        for order in rows
    )
    cips = list(Cip.objects.filter(order__in=rows))
    Payment.objects.bulk_create(
        Payment(cip=cip, amount=5, currency="PEN", first_heard_at=now, status="applied") for cip in cips[::2]
    )
    OrderEvent.objects.append(
        OrderEvent(order=order, number=1, kind="order_created", actor_name="x", created_at=now) for order in rows
    )
    Notification.objects.bulk_create(
        Notification(
            channel="default",
            account="memory:default",
            identity=f"{order.pk:064}",
            body=b"{}",
            received_at=now,
            last_received_at=now,
        )
        for order in rows
    )


def test_a_payment_costs_thirteen_statements_however_many_orders_there_are() -> None:
    costs = []
    for count in (3, 300):
        order = make(f"SHOP-{count}")
        others(count)
        used = statements(paid(order))
        order.refresh_from_db()
        assert (order.state, order.events.count()) == ("paid", 3)
        assert len(used) <= MOST, f"{len(used)} statements:\n" + "\n".join(sql[:300] for sql in used)
        costs.append([sql.split()[0] for sql in used])
    assert costs[0] == costs[1]
    assert Heard.objects.count() == 2


def test_a_repetition_costs_less() -> None:
    order = make()
    body = paid(order)
    first, second = statements(body), statements(body)
    assert len(second) < len(first), "\n".join(sql[:300] for sql in second)
