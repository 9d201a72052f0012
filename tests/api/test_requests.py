"""What every request to the API gets: throttles, no transaction around it, errors of the database, few statements."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from tests.api.test_writing import BODY, LIST, at, post
from tests.concurrency import breaking
from tests.factories.orders import bought, make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]


def test_a_caller_may_ask_so_often(shop: APIClient, settings: Any) -> None:
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": {"pagoefectivo": "2/min"}}
    assert [shop.get(LIST).status_code for _each in range(2)] == [200, 200]
    answer = shop.get(LIST)
    assert (answer.status_code, answer.json()["code"]) == (429, "throttled")
    assert 0 < int(answer["Retry-After"]) <= 60


def test_without_a_cache_nobody_is_stopped(shop: APIClient, settings: Any) -> None:
    cache = {"default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": "/dev/null"}}
    settings.CACHES = cache
    assert shop.get(LIST).status_code == 200


def test_the_provider_is_asked_although_requests_are_atomic(shop: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert post(shop, LIST, BODY).json()["state"] == "pending"
    assert post(shop, at(make(), "cancel")).json()["state"] == "cancelled"


def test_a_database_that_fails_is_503(shop: APIClient) -> None:
    order = make()
    for parts in (("pagoefectivo_idempotencykey",), ("UPDATE", "pagoefectivo_order")):
        with breaking(*parts) as broken:
            answer = post(shop, at(order, "cancel"), **{"Idempotency-Key": parts[0]})
        assert broken
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert int(answer["Retry-After"]) > 0
    order.reload()
    assert order.state == "pending"


def test_a_list_costs_as_many_statements_as_an_order(shop: APIClient) -> None:
    counts = []
    for _each in range(2):
        make()
        bought()
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert shop.get(LIST).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1] < 16


def test_a_method_that_is_none(shop: APIClient) -> None:
    for method in ("put", "patch", "delete", "options"):
        answer = getattr(shop, method)(LIST)
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert "POST" in answer["Allow"]
