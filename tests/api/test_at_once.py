"""Callers of the API at the same moment: with one key, with one reference, with one refund."""

import json
import subprocess
import sys
from collections import Counter
from functools import partial
from typing import Any

import pytest
from rest_framework.test import APIClient

from pagoefectivo_django.models import Cip, Delivery, IdempotencyKey, Order, OrderEvent, Refund
from tests.api.conftest import Caller
from tests.api.test_writing import BODY, LIST, at, post
from tests.concurrency import at_once
from tests.conftest import ROOT
from tests.factories.orders import bought, make

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.usefixtures("pagoefectivo_memory", "no_deadlock"),
    pytest.mark.django_db(transaction=True),
]
KEY = {"Idempotency-Key": "one"}
CLIENTS = 8


def repeated(caller: Caller, address: str, body: dict[str, Any], key: dict[str, str]) -> list[Any]:
    """Return the last answers of clients that repeat a request until it is told no more to come again."""
    clients = [caller(name="shop", everything=True) for _each in range(CLIENTS)]
    answers = at_once(*[partial(until_over, client, address, body, key) for client in clients])
    assert not [answer for answer in answers if isinstance(answer, Exception)], answers
    return answers


def until_over(client: APIClient, address: str, body: dict[str, Any], key: dict[str, str]) -> Any:
    for _each in range(400):
        answer = post(client, address, body, **key)
        busy = answer.status_code == 503 or answer.json().get("code") == "idempotency_key_under_way"
        if not busy:
            return answer
        assert int(answer["Retry-After"]) > 0
    raise AssertionError("still under way")


def test_one_key_makes_one_order(caller: Caller) -> None:
    answers = repeated(caller, LIST, BODY, KEY)
    order = Order.objects.get()
    assert {(answer.status_code, answer.json()["id"]) for answer in answers} == {(201, str(order.public_id))}
    assert Cip.objects.count() == 1
    assert IdempotencyKey.objects.get().status == 201
    assert OrderEvent.objects.filter(kind="order_created").count() == 1
    assert not Delivery.objects.filter(delivered_at=None).exists()


def test_one_reference_makes_one_order(caller: Caller) -> None:
    answers = repeated(caller, LIST, BODY, {})
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: CLIENTS - 1}
    assert Order.objects.count() == Cip.objects.count() == 1


def test_one_key_makes_one_refund(caller: Caller) -> None:
    order = bought()
    answers = repeated(caller, at(order, "refunds"), {"amount": "10.00", "reason": "torn"}, KEY)
    refund = Refund.objects.get()
    assert {(answer.status_code, answer.json()["id"]) for answer in answers} == {(201, refund.pk)}


def test_refunds_without_a_key_give_back_no_more_than_came(caller: Caller) -> None:
    order = bought()  # over 35.50
    answers = repeated(caller, at(order, "refunds"), {"amount": "10.00", "reason": "torn"}, {})
    assert Counter(answer.status_code for answer in answers) == {201: 3, 409: CLIENTS - 3}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"refund_too_large"}
    assert Refund.objects.count() == 3


@pytest.mark.parametrize("change", ["cancel", "reissue"])
def test_one_key_changes_an_order_once(caller: Caller, change: str) -> None:
    order = make()
    answers = repeated(caller, at(order, change), {}, KEY)
    assert {answer.status_code for answer in answers} == {200}
    assert Cip.objects.filter(order=order).count() == (2 if change == "reissue" else 1)


# Some sixty processes, so on one database; what they leave is a matter of transactions, which all databases have.
@pytest.mark.long
@pytest.mark.once
@pytest.mark.postgresql
def test_killed_at_each_moment_a_request_is_done_once(child_environment: dict[str, str]) -> None:
    command = [sys.executable, "-W", "error", "-m", "tests.api.killing"]
    done = subprocess.run(command, cwd=ROOT, env=child_environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-4000:]
    counted = json.loads(done.stdout)
    assert counted.keys() == {"create", "refund"}
    assert min(counted.values()) > 10, counted
