"""What nobody could pay is refused before anything is written; the same order is made once."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import InvalidRequest, ReferenceConflict
from pagoefectivo_django.flows import cancel_order, create_order
from pagoefectivo_django.models import Cip, Order, OrderEvent
from pagoefectivo_django.payer import Payer
from tests.concurrency import at_once
from tests.factories.orders import ANA

pytestmark = [pytest.mark.every_database, pytest.mark.usefixtures("pagoefectivo_memory")]
committing = pytest.mark.django_db(transaction=True)

NOW = timezone.now()
ENDLESS: dict[str, Any] = {}
ENDLESS["itself"] = ENDLESS

REFUSED: dict[str, tuple[str, Any]] = {
    "three decimals": ("amount", Decimal("1.001")),
    "forty decimals": ("amount", Decimal("1." + "0" * 39 + "1")),
    "less than a cent": ("amount", Decimal("1E-3")),
    "nothing": ("amount", Decimal("0.00")),
    "minus nothing": ("amount", Decimal("-0")),
    "negative": ("amount", Decimal("-120.50")),
    "NaN": ("amount", Decimal("NaN")),
    "signalling NaN": ("amount", Decimal("sNaN")),
    "Infinity": ("amount", Decimal("Infinity")),
    "-Infinity": ("amount", Decimal("-Infinity")),
    "text": ("amount", "120.50"),
    "a float": ("amount", 120.5),
    "True": ("amount", True),
    "no amount": ("amount", None),
    "too large": ("amount", Decimal("10000000000000000")),
    "far too large": ("amount", Decimal("1E+500")),
    "an endless whole number": ("amount", 10**500),
    "another currency": ("currency", "EUR"),
    "a small currency": ("currency", "pen"),
    "no currency": ("currency", None),
    "currencies": ("currency", ["PEN"]),
    "no reference": ("reference", ""),
    "a blank reference": ("reference", " "),
    "65 characters": ("reference", "x" * 65),
    "NUL": ("reference", "a\0b"),
    "a line break": ("reference", "a\nb"),
    "a lone surrogate": ("reference", "\ud800"),
    "a blank in front": ("reference", " SHOP-1"),
    "a blank behind": ("reference", "SHOP-1 "),
    "a hard blank behind": ("reference", "SHOP-1\xa0"),
    "True as reference": ("reference", True),
    "a negative reference": ("reference", -1001),
    "a fraction as reference": ("reference", 1001.0),
    "an endless reference": ("reference", 10**5000),
    "bytes as reference": ("reference", b"SHOP-1"),
    "no Payer": ("payer", {"email": "ana@example.com"}),
    "only an address": ("payer", "ana@example.com"),
    "long concept": ("concept", "x" * 201),
    "NUL in concept": ("concept", "a\0"),
    "a concept that is None": ("concept", None),
    "no language": ("language", ""),
    "a long language": ("language", "x" * 11),
    "a language without a voucher": ("language", "fr"),
    "a language that is none": ("language", "spanish"),
    "in the past": ("expires_at", NOW - timedelta(days=1)),
    "in 9 minutes": ("expires_at", NOW + timedelta(minutes=9)),
    "in 7 months": ("expires_at", NOW + timedelta(days=213)),
    "the last day of all": ("expires_at", datetime.max.replace(tzinfo=NOW.tzinfo)),
    "naive": ("expires_at", (NOW + timedelta(days=1)).replace(tzinfo=None)),
    "a date": ("expires_at", (NOW + timedelta(days=1)).date()),
    "a text as date": ("expires_at", "tomorrow"),
    "a time": ("expires_at", timedelta(hours=2)),
    "an empty text as date": ("expires_at", ""),
    "NaN in metadata": ("metadata", {"cart": [float("nan")]}),
    "Infinity in metadata": ("metadata", {"cart": float("-inf")}),
    "NUL in metadata": ("metadata", {"cart": "\0"}),
    "NUL in a key": ("metadata", {"\0": 1}),
    "a surrogate in metadata": ("metadata", {"cart": "\udfff"}),
    "a set": ("metadata", {"cart": {7}}),
    "bytes": ("metadata", {"cart": b"7"}),
    "a moment": ("metadata", {"cart": NOW}),
    "a decimal": ("metadata", {"price": Decimal("1.50")}),
    "NaN of decimals": ("metadata", {"price": Decimal("NaN")}),
    "an endless number": ("metadata", {"cart": 10**5000}),
    "a number as key": ("metadata", {7: "cart"}),
    "no dictionary": ("metadata", [("cart", 7)]),
    "metadata in itself": ("metadata", ENDLESS),
}
#: A value that is of no use as a whole is told by its type; all else is told what would be.
ADVICE = r"pass |use |must |at most|more than|fit|takes|has |remove"


def order_with(reference: str = "SHOP-1", **changes: Any) -> Order:
    named: dict[str, Any] = {"amount": Decimal("120.50"), "currency": "PEN", "payer": ANA}
    return create_order(reference=reference, **named | changes)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value"),
    [pytest.param(*case, id=name) for name, case in REFUSED.items()],
)
def test_refused_and_nothing_is_written(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{field} .*({ADVICE})") as caught:
        order_with(**{field: value})
    assert type(caught.value) is InvalidRequest
    assert len(str(caught.value)) < 200
    assert not Order.objects.exists()
    assert not OrderEvent.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "ana-secret"),
        ("email", ""),
        ("email", "ana-secret @example.com"),
        ("email", "ana-secret" * 10 + "@example.com"),
        ("name", "ana-secret\0"),
        ("phone", "ana-secret\ud800"),
        ("document_number", 12345678),
        ("last_name", None),
    ],
)
def test_a_payer_is_refused_without_being_told_of(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequest, match=rf"^payer\.{field} ") as caught:
        Payer(**({"email": "ana@example.com"} | {field: value}))
    told = f"{caught.value!r} {caught.value.__cause__!r} {Payer('ana-secret@example.com')!r}"
    assert "secret" not in told
    assert "12345678" not in told


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("given", "amount"),
    [
        (Decimal("1E+2"), "100.00"),
        (Decimal("120.5000"), "120.50"),
        (7, "7.00"),
        (Decimal("0.01"), "0.01"),
        (Decimal("9999999999999.99"), "9999999999999.99"),  # SQLite keeps 15 digits
    ],
)
def test_an_exact_amount_is_kept_exactly(given: Any, amount: str) -> None:
    order = order_with(amount=given)
    assert str(order.amount) == amount
    order.refresh_from_db()
    assert order.amount == Decimal(amount)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "metadata",
    [{}, {"": ""}, {"ñ\u2028💵": ["é", None, True, 1.5, 2**63]}, {"deep": [[[[{"a": {"b": []}}]]]]}],
)
def test_metadata_comes_back_as_it_was(metadata: Mapping[str, Any]) -> None:
    order = order_with(metadata=metadata, reference="日本語 💵 é", concept="Dos polos, talla «M»")
    order.refresh_from_db()
    assert (order.metadata, order.reference) == (metadata, "日本語 💵 é")


@pytest.mark.django_db
def test_a_currency_that_no_channel_takes_is_refused(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"ROUTES": {"PEN": ["default"]}}
    with pytest.raises(InvalidRequest, match="USD"):
        order_with(currency="USD")
    assert not Order.objects.exists()


# The same reference.


@committing
def test_the_same_order_is_returned_and_another_is_a_conflict() -> None:
    order = order_with(metadata={"cart": 7})
    same = order_with(amount=Decimal("120.500"), metadata={"cart": 8}, payer=Payer(email="eva@example.com"))
    assert same == order
    assert (same.email, same.metadata) == ("ana@example.com", {"cart": 7})
    for changes in ({"amount": Decimal("120.51")}, {"currency": "USD"}):
        with pytest.raises(ReferenceConflict, match=r"SHOP-1.*PEN 120\.50.*pending"):
            order_with(**changes)
    assert (Order.objects.count(), Cip.objects.count(), len(MemoryChannel.calls)) == (1, 1, 1)


@committing
def test_references_are_compared_letter_by_letter() -> None:
    references = ["a-1", "A-1", "á-1", "à-1", "ａ-1", "a-1\u0301", "ß", "ss", "a‑1"]
    orders = {order_with(reference).pk for reference in references}
    assert len(orders) == len(references)
    assert {order_with(reference).pk for reference in references} == orders
    assert Order.objects.get(reference="A-1").code != Order.objects.get(reference="a-1").code


@committing
def test_a_reference_is_free_again_after_its_order_is_over() -> None:
    first = cancel_order(order_with())
    second = order_with(amount=Decimal("5.00"))
    assert second != first
    assert list(Order.objects.filter(newest=True)) == [second]
    assert order_with(amount=Decimal("5.00")) == second


@committing
@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in the shop's transaction"])
def test_many_at_once_make_one_order_and_one_code(inside: bool) -> None:
    def create() -> Order:
        if not inside:
            return order_with()
        with transaction.atomic():
            return order_with()

    results = at_once(*[create] * 6)
    order = Order.objects.get()
    assert [getattr(result, "pk", result) for result in results] == [order.pk] * 6
    assert (order.state, Cip.objects.get().status) == ("pending", "current")
    assert [call for call, _about in MemoryChannel.calls] == ["issue"]
    assert list(order.events.values_list("kind", flat=True)) == ["order_created", "cip_issued"]


@committing
def test_of_two_amounts_at_once_one_is_a_conflict() -> None:
    results = at_once(order_with, lambda: order_with(amount=Decimal("5.00")))
    assert sorted(type(result).__name__ for result in results) == ["Order", "ReferenceConflict"]
    assert Cip.objects.count() == 1


@committing
def test_a_lost_race_does_not_spoil_the_shop_s_transaction() -> None:
    with transaction.atomic():
        with pytest.raises(InvalidRequest):
            create_order(reference="", amount=1, currency="PEN", payer=Payer(email="ana@example.com"))
        first = order_with()
        with pytest.raises(ReferenceConflict):
            order_with(amount=Decimal("5.00"))
        second = order_with("SHOP-2")
    assert [order.code != "" for order in (first, second)] == [True, True]
