"""The warning that no worker runs, and the number of open discrepancies."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone

from pagoefectivo_django.models import Heartbeat, Order
from pagoefectivo_django.testing import notify

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = ["", *(f"{name}/" for name in ("order", "notification", "delivery", "discrepancy"))]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("minutes", "shown"), [(None, True), (6, True), (4, False)])
def test_it_shows_when_no_worker_ran_lately(staff: Client, page: str, minutes: int | None, shown: bool) -> None:
    if minutes:
        Heartbeat.objects.create(name="tick", beaten_at=timezone.now() - timedelta(minutes=minutes))
        Heartbeat.objects.create(name="another", beaten_at=timezone.now())
    text = staff.get(f"/admin/pagoefectivo/{page}").content.decode()
    assert ("manage.py pagoefectivo_worker" in text) is shown


def test_it_is_not_on_other_apps_pages(admin_client: Client) -> None:
    assert "pagoefectivo_worker" not in admin_client.get("/admin/auth/user/").content.decode()


def test_it_is_on_a_record_s_page_and_the_discrepancy_before_a_flow(
    staff: Client, new_order: Callable[..., Order], act: Callable[..., str]
) -> None:
    order = new_order()
    assert "pagoefectivo_worker" not in act(staff, "cancel", order)
    Heartbeat.objects.update(beaten_at=timezone.now() - timedelta(hours=2))
    assert "pagoefectivo_worker" in act(staff, "cancel", order)
    assert "pagoefectivo_worker" in staff.get(f"/admin/pagoefectivo/order/{order.pk}/change/").content.decode()


def test_it_counts_the_open_discrepancies(staff: Client, new_order: Callable[..., Order]) -> None:
    assert "waits for a person" not in staff.get("/admin/pagoefectivo/").content.decode()
    notify(new_order(), amount=Decimal("1.00"))
    assert "1 discrepancy waits for a person" in staff.get("/admin/pagoefectivo/").content.decode()
