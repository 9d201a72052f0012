"""Kind 13, insiders: with ``REFUND_FOUR_EYES`` nobody gives money back alone, through whatever door."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import Client
from django.utils import translation

from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.flows import actions_of, approve_refund, refund_order, resolve_discrepancy
from pagoefectivo_django.models import Discrepancy, Order, Refund
from pagoefectivo_django.testing import notify, pay
from tests.concurrency import at_once
from tests.reading import page, status_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.every_database]

Make = Callable[..., Order]
Hire = Callable[..., Client]
Act = Callable[..., str]
ALL = ("view_order", "view_refund", "add_refund", "approve_refund", "send_refund", "mark_paid")


@pytest.fixture
def four_eyes(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"REFUND_FOUR_EYES": True}


def test_without_the_setting_one_is_enough(new_order: Make) -> None:
    refund = refund_order(pay(new_order()), actor="rosa", reason="Sold out")
    assert approve_refund(refund, actor="rosa").approved_by == "rosa"


@pytest.mark.usefixtures("four_eyes")
@pytest.mark.parametrize("name", ["rosa", "r" * 160])
def test_who_asked_can_t_approve_and_anybody_else_can(new_order: Make, name: str) -> None:
    refund = refund_order(pay(new_order()), actor=name, reason="Sold out")
    with pytest.raises(InvalidRequest, match=r"asked for refund SHOP-1001 .*; somebody else has to approve it"):
        approve_refund(refund, actor=name)
    assert status_of(refund) == "requested"
    assert approve_refund(refund, actor="marta").approved_by == "marta"


@pytest.mark.usefixtures("four_eyes")
def test_who_answers_that_a_refund_is_due_has_asked_for_it(new_order: Make) -> None:
    order = pay(new_order(), operation_number="1")
    notify(order, operation_number="2")
    discrepancy = Discrepancy.objects.get(kind="duplicate_payment")
    resolve_discrepancy(discrepancy, "refund_due", actor="rosa", reason="Paid twice")
    refund = Refund.objects.get()
    assert refund.requested_by == "rosa"
    with pytest.raises(InvalidRequest, match="somebody else"):
        approve_refund(refund, actor="rosa")
    assert approve_refund(refund, actor="eva").status == "approved"


@pytest.mark.usefixtures("four_eyes")
def test_what_the_shop_s_code_asks_for_is_approved_by_anybody(new_order: Make) -> None:
    refund = refund_order(pay(new_order()), actor="shop", reason="Sold out")
    assert approve_refund(refund, actor="rosa").status == "approved"


@pytest.mark.usefixtures("four_eyes")
def test_what_may_be_done_depends_on_who_asks(new_order: Make) -> None:
    refund = refund_order(pay(new_order()), actor="rosa", reason="Sold out")
    assert actions_of([refund], actor="rosa")[refund]["approve"] == "same_person"
    assert actions_of([refund], actor="eva")[refund]["approve"] == ""
    assert actions_of([refund])[refund]["approve"] == ""
    assert actions_of([refund], actor="rosa")[refund]["fail"] == "", "who asked may take it back"
    approve_refund(refund, actor="eva")
    assert actions_of([refund], actor="rosa")[refund]["approve"] == "approved"


@pytest.mark.usefixtures("four_eyes")
def test_the_button_says_why_it_can_t_be_pressed(hire: Hire, new_order: Make, act: Act) -> None:
    order = pay(new_order())
    rosa, eva = hire("rosa", *ALL), hire("eva", *ALL)
    rosa.post(
        f"/admin/pagoefectivo/order/{order.pk}/refund/",
        {"payment": order.cip.payments.get().pk, "amount": "", "reason": "Sold out"},  # type: ignore[union-attr]
    )
    refund = Refund.objects.get()
    assert refund.requested_by == "rosa"
    text = page(rosa, refund)
    assert '/approve/"' not in text
    assert "You asked for it: somebody else has to approve it." in text
    text = act(rosa, "approve", refund)
    assert "rosa asked for refund" in text
    assert status_of(refund) == "requested"
    text = page(eva, refund)
    assert '/approve/"' in text
    assert "You asked for it" not in text
    act(eva, "approve", refund)
    assert status_of(refund) == "approved"
    assert "You asked for it" not in page(rosa, refund)


@pytest.mark.usefixtures("four_eyes")
@pytest.mark.parametrize("language", ["en", "es", "zh-hans"])
def test_the_refusal_is_in_the_reader_s_language(new_order: Make, language: str) -> None:
    refund = refund_order(pay(new_order()), actor="rosa", reason="Sold out")
    with pytest.raises(InvalidRequest) as caught:
        approve_refund(refund, actor="rosa")
    with translation.override(language):
        sentence = caught.value.sentence
    assert "rosa" in sentence
    assert "REFUND_FOUR_EYES" in sentence
    assert ("somebody else" in sentence) is (language == "en")
    assert "somebody else" in str(caught.value)


@pytest.mark.usefixtures("four_eyes")
def test_both_at_once(new_order: Make) -> None:
    refund = refund_order(pay(new_order()), actor="rosa", reason="Sold out")
    found = at_once(*(lambda name=name: approve_refund(refund, actor=name) for name in ("rosa", "eva", "rosa")))
    assert [type(one).__name__ for one in found] == ["InvalidRequest", "Refund", "InvalidRequest"]
    refund.refresh_from_db()
    assert refund.approved_by == "eva"


@pytest.mark.parametrize("name", ["REFUND_FOUR_EYES", "PAYER_MAY_RENEW"])
def test_a_switch_is_true_or_false(settings: Any, name: str) -> None:
    """A text such as "False", from an environment variable, would mean yes."""
    for value, wrong in ((True, False), (False, False), ("False", True), ("", True), (0, True), (None, True)):
        settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {name: value}
        told = [str(message.id) for message in run_checks(tags=["pagoefectivo"]) if name in str(message.msg)]
        assert told == (["pagoefectivo.E008"] if wrong else []), value
