"""The conformance test for a shop's receivers tells each what it did wrong, and passes those that are right."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core import mail
from django.test import TestCase

from pagoefectivo_django.models import Delivery, Order
from pagoefectivo_django.signals import SIGNALS, payment_confirmed, payment_refunded
from pagoefectivo_django.testing import check_receivers, make_order
from tests.shop.models import Heard
from tests.testing import shop

pytestmark = pytest.mark.usefixtures("pagoefectivo_memory")
NAME = "tried"


@pytest.fixture
def connect() -> Iterator[Callable[..., None]]:
    connected: list[Any] = []

    def run(function: Callable[..., Any], *signals: Any, **named: Any) -> None:
        for signal in signals or (payment_confirmed,):
            signal.connect(function, dispatch_uid=NAME, **named)
            connected.append(signal)

    yield run
    for signal in connected:
        signal.disconnect(dispatch_uid=NAME)
    shop.parcels.clear()


def told(**named: Any) -> str:
    with pytest.raises(AssertionError) as error:
        check_receivers(only=[NAME], **named)
    return str(error.value)


@pytest.mark.django_db(transaction=True)
@pytest.mark.every_database
@pytest.mark.parametrize(
    ("function", "atomic"),
    [
        (shop.looks_before, True),
        (shop.looks_before, False),
        (shop.remembers_last, False),
        (shop.remembers_finally, False),
    ],
    ids=["rows", "rows outside of our transaction", "mail", "mail and finally"],
)
def test_receivers_that_are_right_pass(connect: Callable[..., None], function: Any, atomic: bool) -> None:
    connect(function, atomic=atomic)
    check_receivers(only=[NAME])
    assert not Order.objects.exists(), "everything is rolled back"
    assert not Heard.objects.exists()
    assert mail.outbox == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.every_database
@pytest.mark.parametrize(
    ("function", "atomic", "wrong"),
    [
        (shop.counts_each_call, True, "called twice with one event: a row more of shop.Heard"),
        (shop.counts_each_call, False, "killed after its INSERT number 1, and called again: 1 × a row of shop.Heard"),
        (shop.mails_at_once, True, "killed after it returned, and called again: 2 mails or effects outside instead of"),
        (
            shop.mails_on_commit,
            True,
            "killed after its commit and before what on_commit calls, and called again: 0 mails or effects outside",
        ),
        (shop.remembers_first, False, "killed before its mail, and called again: 0 mails or effects"),
        (shop.gives_up, True, "called twice with one event: it raised LookupError: heard before"),
        (shop.asks_slowly, True, "called twice with one event: a row more of shop.Heard"),
    ],
    ids=["rows", "rows, killed", "mail", "mail on commit", "memory first", "raises", "async"],
)
def test_each_is_told_what_it_did_wrong(connect: Callable[..., None], function: Any, atomic: bool, wrong: str) -> None:
    connect(function, atomic=atomic)
    assert f"* {NAME} (payment_confirmed), {wrong}" in told()


@pytest.mark.django_db(transaction=True)
def test_an_old_event_after_a_new_one(connect: Callable[..., None]) -> None:
    connect(shop.believes_the_event, payment_confirmed, payment_refunded)
    found = told()
    assert "called with an old event after a newer event: shop.Heard" in found
    assert "state 'payment_refunded' → 'payment_confirmed'" in found
    assert "twice" not in found


@pytest.mark.django_db(transaction=True)
def test_the_rows_of_the_shop_are_looked_at(connect: Callable[..., None]) -> None:
    def make() -> Order:
        order = make_order()
        Heard.objects.create(signal="counter", reference=order.reference, event=order.token, state="0")
        return order

    connect(shop.adds_up)
    assert "state '1' → '2'" in told(make=make)


@pytest.mark.django_db(transaction=True)
def test_columns_of_the_last_change_may_change(connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Heard._meta.get_field("state"), "auto_now", True, raising=False)
    connect(shop.believes_the_event, payment_confirmed, payment_refunded)
    found = told()
    assert "shop.Heard" in found
    assert "state '" not in found


@pytest.mark.django_db(transaction=True)
def test_effects_outside_are_counted_where_the_shop_says_how(connect: Callable[..., None]) -> None:
    connect(shop.sends_parcels, atomic=False)
    check_receivers(only=[NAME])
    assert "1 mails or effects outside more" in told(outside=lambda: len(shop.parcels))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", SIGNALS)
def test_every_event_comes_about(connect: Callable[..., None], name: str) -> None:
    connect(shop.counts_each_call, SIGNALS[name])
    assert f"* {NAME} ({name}), called twice with one event: a row more of shop.Heard" in told()


@pytest.mark.django_db(transaction=True)
def test_nothing_to_check_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    for signal in SIGNALS.values():
        monkeypatch.setattr(signal, "by_name", {})
    with pytest.raises(AssertionError, match="No receiver is connected here"):
        check_receivers()


@pytest.mark.django_db(transaction=True)
def test_a_name_that_no_receiver_has_is_no_success(connect: Callable[..., None]) -> None:
    connect(shop.looks_before)
    with pytest.raises(AssertionError, match=r"has the name nobody\.knows;"):
        check_receivers(only=[NAME, "nobody.knows"])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["pagoefectivo.made_up", "pagoefectivo_django.contrib.made_up"])
def test_none_of_ours_is_checked(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for signal in SIGNALS.values():
        monkeypatch.setattr(signal, "by_name", {})
    payment_confirmed.connect(shop.counts_each_call, dispatch_uid=name)
    try:
        with pytest.raises(AssertionError, match="No receiver is connected here"):
            check_receivers()
    finally:
        payment_confirmed.disconnect(dispatch_uid=name)


@pytest.mark.django_db(transaction=True)
def test_ours_are_left_out_and_the_shops_are_not(connect: Callable[..., None]) -> None:
    """The receiver of the tests' own shop writes a row at each call."""
    with pytest.raises(AssertionError, match=r"tests\.shop\.receivers\.ship \(payment_confirmed\), called twice"):
        check_receivers()
    assert not Delivery.objects.exists()


@pytest.mark.sqlite
class InATestCase(TestCase):
    def test_it_works_there_too(self) -> None:
        payment_confirmed.connect(shop.mails_at_once, dispatch_uid=NAME)
        try:
            assert "killed after it returned" in told()
        finally:
            payment_confirmed.disconnect(dispatch_uid=NAME)
        assert mail.outbox == []
        assert not Order.objects.exists()
