"""Whatever a shop's own code passes: an order, or an error of ours that says which argument it is about."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import strategies as st

from pagoefectivo_django.errors import InvalidRequest, PagoEfectivoError
from pagoefectivo_django.flows import create_order
from pagoefectivo_django.forms import PayerForm
from pagoefectivo_django.models import Order
from pagoefectivo_django.payer import DocumentType, Payer, Receipt
from tests.hostile.fuzzing import Door, fuzz, json_values, texts

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("pagoefectivo_memory")]

NOW = timezone.now()
anything: st.SearchStrategy[Any] = (
    json_values
    | texts
    | st.binary(max_size=10)
    | st.decimals()
    | st.datetimes()
    | st.datetimes(timezones=st.just(UTC))
    | st.timedeltas()
    | st.just(object())
)
payers = st.fixed_dictionaries(
    {"email": texts | st.emails() | st.just("ana@example.com")},
    optional={
        "name": texts,
        "last_name": texts,
        "phone": texts | st.sampled_from(["999888777", "+51 999 888 777", "+58 412 1234567"]),
        "document_type": texts | st.sampled_from(DocumentType.values),
        "document_number": texts | st.sampled_from(["48151623", "20100047218"]),
        "receipt": texts | st.sampled_from(Receipt.values),
        "company": texts,
        "address": texts,
    },
)
orders = st.fixed_dictionaries(
    {
        "reference": st.just("SHOP-1") | anything,
        "amount": st.decimals(0, 10**17, places=2) | st.just(Decimal("120.50")) | anything,
        "currency": st.sampled_from(["PEN", "USD"]) | anything,
    },
    optional={
        "payer": anything,
        "concept": anything,
        "expires_at": st.datetimes(timezones=st.just(UTC)) | st.just(NOW + timedelta(days=2)) | anything,
        "language": st.sampled_from(["es", "en", "zh-hans"]) | anything,
        "metadata": st.dictionaries(texts, anything, max_size=3) | anything,
        "replace": st.booleans(),
    },
)


class TestShops(Door):
    """The two functions that every shop calls."""

    @fuzz(orders)
    def test_create_order_makes_an_order_or_says_why_not(self, asked: dict[str, Any]) -> None:
        asked = {"payer": Payer(email="ana@example.com"), **asked}
        said = ""
        try:
            with self.captureOnCommitCallbacks(execute=True):
                create_order(**asked)
        except PagoEfectivoError as error:
            said = str(error)
        for order in Order.objects.all():
            assert order.code
            assert order.amount == asked["amount"]
        assert len(said) < 400
        assert bool(said) is not Order.objects.exists()

    @fuzz(payers | st.dictionaries(st.sampled_from(["email", "name", "phone", "document_type"]), anything))
    def test_a_payer_is_one_or_says_why_not(self, said: dict[str, Any]) -> None:
        with suppress(InvalidRequest):
            payer = Payer(**{"email": "ana@example.com"} | said)
            self._buys(payer)

    @fuzz(payers)
    def test_a_form_that_is_valid_has_a_payer(self, said: dict[str, str]) -> None:
        form = PayerForm(said)
        if form.is_valid():
            self._buys(form.payer)
        else:
            assert form.as_div()

    def _buys(self, payer: Payer) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            order = create_order(reference="SHOP-1", amount=Decimal("1.00"), currency="PEN", payer=payer)
        order.refresh_from_db()
        assert order.payer == payer
