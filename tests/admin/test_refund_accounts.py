"""Kind 4, a final state without a trace: staff asks the payer again, or copies the link; nobody else may."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from pagoefectivo_django.flows.refunds.refund import give_account
from pagoefectivo_django.models import Order, Refund
from pagoefectivo_django.signals import refund_account_asked
from pagoefectivo_django.testing import pay
from tests.factories.refunds import ACCOUNT, refund_at
from tests.reading import page

pytestmark = pytest.mark.django_db(transaction=True)


def hear(sender: Any, **named: Any) -> None: ...


@pytest.fixture(autouse=True)
def _somebody_writes() -> Iterator[None]:
    refund_account_asked.connect(hear)
    yield
    refund_account_asked.disconnect(hear)


@pytest.fixture
def waiting(new_order: Callable[..., Order]) -> Refund:
    """A refund that was approved and has no account."""
    return refund_at("approved", pay(new_order(), operation_number="7"))


def test_it_is_sent_again_and_the_timeline_says_so(
    hire: Callable[..., Client], act: Callable[..., str], waiting: Refund
) -> None:
    sender = hire("marta", "view_refund", "view_order", "send_refund")
    text = page(sender, waiting)
    assert '/ask_account/"' in text
    assert "Copy the link" in text
    assert "the payer is written in a moment" in act(sender, "ask_account", waiting)
    assert [event.actor.name for event in waiting.order.events.filter(kind="refund_account_asked")] == ["eva", "marta"]
    assert "payer asked for an account" in page(sender, waiting.order)


def test_once_the_account_is_known_there_is_nothing_to_send_or_copy(
    hire: Callable[..., Client], act: Callable[..., str], waiting: Refund
) -> None:
    sender = hire("marta", "view_refund", "view_order", "send_refund")
    give_account(waiting, **ACCOUNT)
    text = page(sender, waiting) + page(sender, waiting.order)
    assert '/ask_account/"' not in text
    assert "Copy the link" not in text
    assert "Account for the refund" not in text
    assert "known already" in act(sender, "ask_account", waiting)


def test_where_nobody_would_write_there_is_only_the_link(hire: Callable[..., Client], waiting: Refund) -> None:
    refund_account_asked.disconnect(hear)
    text = page(hire("marta", "view_refund", "send_refund"), waiting)
    assert '/ask_account/"' not in text
    assert "Copy the link" in text


def test_who_may_not_send_refunds_neither_sends_nor_sees_the_link(
    hire: Callable[..., Client], act: Callable[..., str], waiting: Refund
) -> None:
    others = ("view_refund", "change_refund", "add_refund", "view_order", "change_order")
    other = hire("luis", *others)
    text = page(other, waiting) + page(other, waiting.order)
    for shown in ('/ask_account/"', "/pay/refund/", "Copy the link", "Account for the refund"):
        assert shown not in text
    act(other, "ask_account", waiting, status=403)
    assert waiting.order.events.filter(kind="refund_account_asked").count() == 1


def test_the_order_s_page_leads_there(hire: Callable[..., Client], waiting: Refund) -> None:
    text = page(hire("marta", "view_refund", "view_order", "send_refund"), waiting.order)
    assert f'/refund/{waiting.pk}/change/">Account for the refund of' in text


def test_what_is_reserved_is_not_called_refunded(hire: Callable[..., Client], waiting: Refund) -> None:
    client = hire("marta", "view_refund", "view_order", "send_refund")
    for row in (waiting, waiting.order):
        text = page(client, row).replace("\u00a0", " ")
        told = re.findall(r"<td>(S/ [0-9.]+)</td>", text[text.index("Being refunded</th>") :])
        assert told[-2:] == ["S/ 0.00", "S/ 120.50"]
