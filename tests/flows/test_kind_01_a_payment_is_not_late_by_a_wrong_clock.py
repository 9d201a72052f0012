"""Kind 1: a machine whose clock is an hour ahead holds no payment as late, which it hears of before the code's end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from pagoefectivo_django.models import Discrepancy
from pagoefectivo_django.testing import pay
from tests.clock import later
from tests.factories.orders import make

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.mariadb,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]


def test_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    order, right = make(expires_at=later(minutes=20)), timezone.now
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", lambda: right() + timedelta(hours=1))
        pay(order, paid_at=None)
    order.reload()
    assert (order.state, Discrepancy.objects.count()) == ("paid", 0)
