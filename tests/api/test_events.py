"""The feed as programs read it: by cursor, from the beginning, and from nowhere."""

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import Discrepancy
from tests.api.conftest import Caller
from tests.factories.messages import paid, post
from tests.factories.orders import bought, make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]
FEED = reverse("pagoefectivo-api:events")


def test_an_event_as_its_reader_sees_it(caller: Caller) -> None:
    order = bought()
    tick()
    answer = caller("view_orderevent").get(FEED).json()
    assert (answer["next"], answer["previous"], answer["page_size"]) == (None, None, 50)
    assert [event["kind"] for event in answer["results"]] == ["order_created", "cip_issued", "payment_confirmed"]
    event = order.events.get(kind="payment_confirmed")
    assert answer["results"][2] == {
        "id": str(event.pk),
        "cursor": f"3-{event.pk.hex[:8]}",
        "kind": "payment_confirmed",
        "order": str(order.public_id),
        "discrepancy": None,
        "data": event.data,
        "occurred_at": event.created_at.isoformat().replace("+00:00", "Z"),
    }


def test_a_program_that_was_away_goes_on_where_it_stopped(shop: APIClient) -> None:
    make()
    tick()
    cursor = shop.get(FEED).json()["results"][-1]["cursor"]
    assert shop.get(FEED, {"after": cursor}).json()["results"] == []
    order = bought()
    post(paid(order, operation_number="8"))  # a second payment
    tick()
    first = shop.get(FEED, {"after": cursor, "page_size": 3}).json()
    rest = shop.get(first["next"]).json()
    kinds = [event["kind"] for event in [*first["results"], *rest["results"]]]
    assert kinds == ["order_created", "cip_issued", "payment_confirmed", "discrepancy_opened"]
    assert rest["next"] is None
    assert rest["results"][0]["discrepancy"] == Discrepancy.objects.get().pk


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=", "after"),
        ("after=0", "after"),
        ("after=7-00000000", "after"),
        ("after=%00", "after"),
        ("after=%F0%9F%90%8C", "after"),
        ("after=1&after=1", "after"),
        ("cursor=1", "cursor"),
        ("page_size=0", "page_size"),
        ("page_size=1.5", "page_size"),
    ],
)
def test_a_cursor_from_nowhere_is_400(shop: APIClient, query: str, field: str) -> None:
    answer = shop.get(f"{FEED}?{query}")
    assert answer.status_code == 400
    assert [*answer.json()["errors"]] == [field]


def test_the_feed_has_a_permission_of_its_own(caller: Caller) -> None:
    assert APIClient().get(FEED).status_code == 401
    assert caller("view_order").get(FEED).status_code == 403
