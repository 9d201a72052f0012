"""Carts that change: ``create_order(replace=True)``."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import AlreadyPaid, InReview, OutcomeUnknown, ReferenceConflict
from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import Discrepancy, Order
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify, pay
from tests.clock import later
from tests.concurrency import at_once
from tests.factories.orders import make
from tests.factories.provider import channel
from tests.reading import calls

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]
MORE: dict[str, Any] = {"reference": "CART-1", "amount": Decimal("99.90"), "replace": True}


def test_the_old_order_is_cancelled_at_the_provider_first() -> None:
    old = make(reference="CART-1")
    new = make(**MORE)
    old.refresh_from_db()
    assert (old.state, new.state, new.amount) == ("cancelled", "pending", Decimal("99.90"))
    assert calls("delete") == [old.code]
    assert not channel().book[old.code].open


def test_the_same_cart_is_the_same_order() -> None:
    old = make(reference="CART-1", amount=Decimal("99.90"))
    assert make(**MORE).pk == old.pk
    assert calls("delete") == []


def test_without_replace_it_is_a_conflict() -> None:
    make(reference="CART-1")
    with pytest.raises(ReferenceConflict, match="replace=True"):
        make(**MORE | {"replace": False})


def test_another_currency_replaces_too() -> None:
    old = make(reference="CART-1")
    assert make(reference="CART-1", currency="USD", replace=True).pk != old.pk


def test_a_paid_cart_is_not_replaced() -> None:
    old = pay(make(reference="CART-1"))
    with pytest.raises(AlreadyPaid):
        make(**MORE)
    with pytest.raises(AlreadyPaid), transaction.atomic():
        make(**MORE)
    assert list(Order.objects.all()) == [old]


def test_one_that_turns_out_to_be_paid_is_not_replaced() -> None:
    old = make(reference="CART-1")
    channel().set(old.code, Fact.PAYMENT, paid_at=later())
    with pytest.raises(AlreadyPaid):
        make(**MORE)
    old.refresh_from_db()
    assert old.state == "paid"


def test_one_in_review_is_not_replaced() -> None:
    notify(make(reference="CART-1"), amount="1.00")
    with pytest.raises(InReview):
        make(**MORE)
    with pytest.raises(InReview), transaction.atomic():
        make(**MORE)


def test_while_the_provider_does_not_confirm_nothing_is_replaced() -> None:
    old = make(reference="CART-1")
    for call in ("delete", "look_up"):
        MemoryChannel.fail(call, OutcomeUnknown("dropped"))
    with pytest.raises(OutcomeUnknown):
        make(**MORE)
    assert list(Order.objects.all()) == [old]


def test_inside_a_transaction_it_is_withdrawn_at_once_and_deleted_after_the_commit() -> None:
    old = make(reference="CART-1")
    with transaction.atomic():
        new = make(**MORE)
        old.refresh_from_db()
        assert (old.state, new.state) == ("cancelled", "new")
        assert calls("delete") == []
    new.refresh_from_db()
    assert new.state == "pending"
    tick()
    assert calls("delete") == [old.code]


def test_a_rolled_back_cart_leaves_the_old_one() -> None:
    old = make(reference="CART-1")
    with transaction.atomic():
        make(**MORE)
        transaction.set_rollback(True)
    old.refresh_from_db()
    assert old.state == "pending"
    assert Order.objects.count() == 1


def test_the_old_code_paid_meanwhile_is_a_persons_and_the_new_order_stays_open() -> None:
    old = make(reference="CART-1")
    with transaction.atomic():
        new = make(**MORE)
    channel().set(old.code, Fact.PAYMENT, paid_at=later())
    tick()
    new.refresh_from_db()
    assert new.state == "pending"
    assert Discrepancy.objects.get().kind == "duplicate_payment"


def test_two_carts_at_once_leave_one_order_standing() -> None:
    make(reference="CART-1")
    results = at_once(*[lambda amount=amount: make(**MORE | {"amount": Decimal(amount)}) for amount in (40, 50, 60)])
    status = Order.objects.filter(state__in=["new", "pending"])
    assert status.count() == 1
    assert status.get().pk in [result.pk for result in results if isinstance(result, Order)]
    assert all(isinstance(result, Order | ReferenceConflict | OutcomeUnknown) for result in results), results
