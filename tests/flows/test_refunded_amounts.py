"""Kind 4: an approved refund whose payer names no account is not refunded, and there is something left to do."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pagoefectivo_django.flows import send_refund
from pagoefectivo_django.flows.refunds.refund import give_account
from pagoefectivo_django.flows.reports.export import HEADINGS, export_rows
from pagoefectivo_django.models import Refund
from pagoefectivo_django.testing import pay
from tests.factories.orders import make
from tests.factories.refunds import ACCOUNT, refund_at
from tests.reading import voucher

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]


@pytest.fixture
def refund() -> Refund:
    """All of an order's money, approved."""
    return refund_at("approved", pay(make(language="en")))


def refunded() -> Decimal:
    named = dict(zip(map(str, HEADINGS["paid"]), next(export_rows("paid")), strict=True))
    return Decimal(str(named["refunded"]))


def test_nothing_is_refunded_before_it_was_sent(refund: Refund) -> None:
    assert refunded() == 0
    refund = give_account(refund, **ACCOUNT)
    assert refunded() == 0
    send_refund(refund, actor="eva")
    assert refunded() == Decimal("35.50")


def test_the_voucher_says_what_is_left_to_do(refund: Refund) -> None:
    """The link stood on a page of staff's only, and the voucher said that nothing more was to be done."""
    page = voucher(refund.order)
    assert "/pay/refund/" in page
    assert "You need not do anything else" not in page
    assert refund.account_url.startswith("/pay/refund/")
    give_account(refund, **ACCOUNT)
    assert "/pay/refund/" not in voucher(refund.order)
