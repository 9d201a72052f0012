"""``Idempotency-Key``: the same answer again, whatever happens to the first request."""

import json
from typing import Any

import pytest
from django.urls import reverse
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from pagoefectivo_django.api import orders, refunds
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import InReview, OutcomeUnknown
from pagoefectivo_django.flows import cancel_order, refund_order
from pagoefectivo_django.flows.keys.claim import LEASE
from pagoefectivo_django.flows.ledger.schedule import MOST_ATTEMPTS
from pagoefectivo_django.models import Cip, Discrepancy, IdempotencyKey, Order, Refund
from pagoefectivo_django.models.clock import current_time
from pagoefectivo_django.testing import make_discrepancy, pay
from tests.api.conftest import Caller
from tests.api.test_writing import BODY, LIST, at, in_hours, post
from tests.clock import later, many_ticks
from tests.factories.orders import bought, make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]
KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}


class Killed(BaseException):
    """The end of a process, as far as its database can tell."""


def leave(row: IdempotencyKey) -> None:
    """Let the lease of a key be over."""
    IdempotencyKey.objects.filter(pk=row.pk).update(leased_until=current_time() - LEASE)


def test_the_same_answer_again(shop: APIClient) -> None:
    first, again = post(shop, LIST, BODY, **KEY), post(shop, LIST, BODY, **KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert (first.json(), first["Location"]) == (again.json(), again["Location"])
    order = Order.objects.get()
    # Also when the order has moved on, and the reference is free again: nothing is done twice.
    cancel_order(order)
    again = post(shop, LIST, BODY, **KEY)
    assert (again.status_code, again.json()["state"], Order.objects.count()) == (201, "cancelled", 1)
    # Quotes belong to the header, not to the key, and the order of fields is no difference.
    bare = {"Idempotency-Key": KEY["Idempotency-Key"].strip('"')}
    assert post(shop, LIST, dict(reversed(BODY.items())), **bare).json()["id"] == str(order.public_id)


def test_a_replacement_that_the_provider_has_not_confirmed(shop: APIClient) -> None:
    old, body = post(shop, LIST, BODY).json(), BODY | {"amount": "99.00", "replace": True}
    MemoryChannel.fail("delete", OutcomeUnknown("dropped"))
    MemoryChannel.fail("look_up", OutcomeUnknown("dropped"))
    answer = post(shop, LIST, body, **KEY)
    assert (answer.status_code, answer.json()["id"]) == (202, old["id"])
    many_ticks(3, later(minutes=10))
    answer = post(shop, LIST, body, **KEY)
    assert (answer.status_code, answer.json()["amount"]) == (201, "99.00")


def test_another_body_or_another_order_under_the_key(shop: APIClient) -> None:
    post(shop, LIST, BODY, **KEY)
    answer = post(shop, LIST, BODY | {"reference": "SHOP-1002"}, **KEY)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    post(shop, at(make(), "cancel"), **KEY)
    other = make()
    assert post(shop, at(other, "cancel"), **KEY).status_code == 422
    order = bought()
    assert post(shop, at(order, "refunds"), {"amount": "1.00", "reason": "x"}, **KEY).status_code == 201
    assert post(shop, at(bought(), "refunds"), {"amount": "1.00", "reason": "x"}, **KEY).status_code == 422


def test_a_key_is_its_users_and_its_routes(caller: Caller) -> None:
    order = make()
    first, second = caller("change_order", name="first"), caller("change_order", "add_order", name="second")
    for client, address, body in (
        (first, at(order, "cancel"), {}),
        (second, at(order, "refresh"), {}),
        (second, LIST, BODY),
    ):
        assert post(client, address, body, **KEY).status_code in (200, 201)
    assert IdempotencyKey.objects.count() == 3


def test_a_key_is_its_tokens(caller: Caller) -> None:
    order, user = make(), "warehouse"
    first = caller("change_order", name=user)
    assert post(first, at(order, "refresh"), **KEY).status_code == 200
    assert post(first, at(order, "refresh"), **KEY).status_code == 200
    assert IdempotencyKey.objects.count() == 1
    Token.objects.get(user__username=user).delete()
    assert post(caller("change_order", name=user), at(order, "refresh"), **KEY).status_code == 200
    assert IdempotencyKey.objects.count() == 2


def test_a_refusal_is_kept_and_a_wrong_body_is_not(shop: APIClient) -> None:
    order = bought(operation_number="1")
    first = post(shop, at(order, "cancel"), **KEY)
    again = post(shop, at(order, "cancel"), **KEY)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert (again.status_code, again["Content-Type"]) == (409, "application/problem+json")
    assert post(shop, LIST, BODY | {"amount": 1}, **KEY).status_code == 400
    assert post(shop, LIST, BODY, **KEY).status_code == 201


@pytest.mark.parametrize("key", ["", " ", '""', "k" * 256, "ñ", "a\tb"])
def test_a_key_that_is_none(shop: APIClient, key: str) -> None:
    answer = post(shop, LIST, BODY, **{"Idempotency-Key": key})
    assert (answer.status_code, [*answer.json()["errors"]]) == (400, ["Idempotency-Key"])
    assert not Order.objects.exists()


def during(monkeypatch: pytest.MonkeyPatch, method: str, work: Any) -> None:
    """Have ``work`` done while the provider is asked, once."""
    real = getattr(MemoryChannel, method)

    def asked(self: MemoryChannel, *given: Any, **named: Any) -> Any:
        monkeypatch.setattr(MemoryChannel, method, real)
        work()
        return real(self, *given, **named)

    monkeypatch.setattr(MemoryChannel, method, asked)


@pytest.mark.parametrize(("change", "method"), [("", "issue"), ("cancel", "delete"), ("extend", "extend")])
def test_one_under_way(shop: APIClient, monkeypatch: pytest.MonkeyPatch, change: str, method: str) -> None:
    address = at(make(), change) if change else LIST
    body = {"": BODY, "extend": {"expires_at": in_hours(80)}}.get(change, {})
    seen: list[Any] = []
    during(monkeypatch, method, lambda: seen.append(post(shop, address, body, **KEY)))
    assert post(shop, address, body, **KEY).status_code in (200, 201)
    (answer,) = seen
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_under_way")
    assert 0 < int(answer["Retry-After"]) <= 21


def killed(monkeypatch: pytest.MonkeyPatch, method: str, client: APIClient, address: str, body: object) -> None:
    """Send a request whose process ends while the provider is asked."""

    def end() -> None:
        raise Killed

    during(monkeypatch, method, end)
    with pytest.raises(Killed):
        post(client, address, body, **KEY)
    assert post(client, address, body, **KEY).status_code == 409
    leave(IdempotencyKey.objects.get())


def test_killed_after_the_order_was_written(shop: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(monkeypatch, "issue", shop, LIST, BODY)
    again = post(shop, LIST, BODY, **KEY)
    assert (again.status_code, again.json()["id"]) == (201, str(Order.objects.get().public_id))


def test_killed_before_the_order_was_written(shop: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(**given: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(orders, "create_order", end)
        with pytest.raises(Killed):
            post(shop, LIST, BODY, **KEY)
    assert post(shop, LIST, BODY, **KEY).status_code == 409
    leave(IdempotencyKey.objects.get())
    assert post(shop, LIST, BODY, **KEY).status_code == 201
    assert Order.objects.count() == 1


def test_killed_while_an_order_is_reissued(shop: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    order = make()
    killed(monkeypatch, "delete", shop, at(order, "reissue"), {})
    again = post(shop, at(order, "reissue"), **KEY)
    assert (again.status_code, again.json()["code"]) == (202, order.code)
    many_ticks(3, later(minutes=10))
    for _each in range(2):
        again = post(shop, at(order, "reissue"), **KEY)
        assert (again.status_code, again.json()["state"], again.json()["code"] != order.code) == (200, "pending", True)
    assert Cip.objects.filter(order=order).count() == 2


@pytest.mark.parametrize("keys", ["kkk", "---", "kll", "-kk"])
def test_a_reissue_whose_answer_got_lost_asks_for_no_third_code(shop: APIClient, keys: str) -> None:
    order = make()
    MemoryChannel.fail("issue", OutcomeUnknown("dropped"))
    for key in keys:
        answer = post(shop, at(order, "reissue"), **({"Idempotency-Key": key} if key != "-" else {}))
        assert (answer.status_code, answer.json()["id"]) == (202, str(order.public_id))
    assert list(Cip.objects.filter(order=order).order_by("pk").values_list("status", flat=True)) == [
        "superseded",
        "lost",
    ]
    assert not IdempotencyKey.objects.filter(order=None).exists()
    answer = post(shop, at(order, "reissue"), {"expires_at": in_hours(80)})
    assert (answer.status_code, answer.json()["code"]) == (409, "code_pending")


@pytest.mark.parametrize(("change", "keyed"), [("cancel", True), ("extend", False)], ids=["cancel", "extend"])
def test_repetitions_that_the_provider_never_confirms_reach_a_person(shop: APIClient, change: str, keyed: bool) -> None:
    order, method, body = (
        make(),
        *{"cancel": ("delete", {}), "extend": ("extend", {"expires_at": in_hours(80)})}[change],
    )
    for _each in range(MOST_ATTEMPTS):
        assert not Discrepancy.objects.exists()
        MemoryChannel.fail(method, OutcomeUnknown("dropped"))
        MemoryChannel.fail("look_up", OutcomeUnknown("dropped"))
        assert post(shop, at(order, change), body, **(KEY if keyed else {})).status_code == 202
    assert Discrepancy.objects.get().kind == "not_confirmed"


@pytest.mark.parametrize(
    ("change", "method", "hours"), [("cancel", "delete", 0), ("extend", "extend", 80), ("reissue", "delete", 0)]
)
def test_a_change_that_was_given_up_is_not_said_to_be_done(
    shop: APIClient, change: str, method: str, hours: int
) -> None:
    order, body = make(), {"expires_at": in_hours(hours)} if hours else {}
    MemoryChannel.fail(method, OutcomeUnknown("dropped"))
    MemoryChannel.fail("look_up", OutcomeUnknown("dropped"))
    assert post(shop, at(order, change), body, **KEY).status_code == 202
    Order.objects.update(pending_action="", retry_at=None)  # as the worker does after the last attempt
    for _each in range(2):
        answer = post(shop, at(order, change), body, **KEY)
        assert (answer.status_code, answer.json()["code"]) == (409, "change_given_up")


def test_a_cancellation_overtaken_by_a_payment(shop: APIClient) -> None:
    order = make()
    MemoryChannel.fail("delete", OutcomeUnknown("dropped"))
    MemoryChannel.fail("look_up", OutcomeUnknown("dropped"))
    assert post(shop, at(order, "cancel"), **KEY).status_code == 202
    pay(order)
    answer = post(shop, at(order, "cancel"), **KEY)
    assert (answer.status_code, answer.json()["code"]) == (409, "code_of_paid_order")


def test_a_question_about_money_that_comes_during_an_extension(
    shop: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, body = make(), {"expires_at": in_hours(80)}

    def ask() -> None:
        make_discrepancy(order)
        raise InReview("somebody asks", code="order_in_review")

    during(monkeypatch, "extend", ask)
    for _each in range(2):  # deferred to the answer
        answer = post(shop, at(order, "extend"), body, **KEY)
        assert (answer.status_code, Order.objects.get().deferred_action) == (202, "extend")
    answer = post(shop, at(order, "extend"), {"expires_at": in_hours(90)})
    assert (answer.status_code, answer.json()["code"]) == (409, "order_in_review")


@pytest.mark.parametrize("change", ["cancel", "extend"])
def test_killed_after_the_change_was_done(shop: APIClient, change: str) -> None:
    order, body = make(), {"expires_at": in_hours(80)} if change == "extend" else {}
    assert post(shop, at(order, change), body, **KEY).status_code == 200
    IdempotencyKey.objects.update(status=None)
    assert post(shop, at(order, change), body, **KEY).status_code == 200


def test_a_request_overtaken_by_its_repetition_writes_nothing(shop: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    order = bought()
    seen: list[Any] = []

    def slow(order: Order, *given: Any, **named: Any) -> Any:
        monkeypatch.undo()
        leave(IdempotencyKey.objects.get())
        seen.append(post(shop, at(order, "refunds"), {"amount": "10.00", "reason": "torn"}, **KEY))
        return refund_order(order, *given, **named)

    monkeypatch.setattr(refunds, "refund_order", slow)
    answer = post(shop, at(order, "refunds"), {"amount": "10.00", "reason": "torn"}, **KEY)
    assert (seen[0].status_code, answer.status_code) == (201, 409)
    assert Refund.objects.count() == 1
    again = post(shop, at(order, "refunds"), {"amount": "10.00", "reason": "torn"}, **KEY)
    assert (again.status_code, again.json()) == (201, seen[0].json())


def test_a_key_keeps_no_text_of_its_caller(shop: APIClient) -> None:
    post(shop, LIST, BODY, **{"Idempotency-Key": "ana@example.com"})
    kept = json.dumps(list(IdempotencyKey.objects.values()), default=str)
    assert "ana" not in kept
    assert reverse("pagoefectivo-api:orders") not in kept
