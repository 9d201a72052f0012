"""A shop on a live server beside the sandbox as a process, as a shop's own tests have them."""

from collections.abc import Callable

import pytest

from pagoefectivo_django.models import Order
from pagoefectivo_django.testing import Sandbox, expire, make_order, pay

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]


def test_a_code_is_issued_and_paid_over_http(pagoefectivo_sandbox: Sandbox) -> None:
    order = pagoefectivo_sandbox.pay(make_order())
    assert order.state == "paid"
    assert pagoefectivo_sandbox.reverse(order).discrepancies.open().exists()


def test_a_code_expires_over_http(pagoefectivo_sandbox: Sandbox) -> None:
    order = pagoefectivo_sandbox.expire(make_order())
    assert order.state == "expired"
    assert order.cip is not None
    assert order.cip.status == "expired"


def test_the_sandbox_says_why_it_refuses(pagoefectivo_sandbox: Sandbox) -> None:
    order = pagoefectivo_sandbox.pay(make_order())
    with pytest.raises(AssertionError, match="answered 409 to /sandbox/pay: the code is: "):
        pagoefectivo_sandbox.pay(order)


@pytest.mark.parametrize("helper", [pay, expire])
def test_a_helper_of_memory_says_that_this_is_none(
    pagoefectivo_sandbox: Sandbox, helper: Callable[[Order], Order]
) -> None:
    with pytest.raises(AssertionError, match="is a PagoEfectivoChannel: use MemoryChannel"):
        helper(make_order())
