"""Pages on which staff does by hand what neither message nor answer did: paid, adopted, refunded."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.test import Client
from django.urls import reverse

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import OutcomeUnknown, Unavailable
from pagoefectivo_django.models import Order, Payment, Refund
from pagoefectivo_django.testing import notify, pay
from tests.reading import page, state_of
from tests.wording import NO_CHOICE, NO_NUMBER, REQUIRED, too_large, too_precise

pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., Order]
Hire = Callable[..., Client]

#: By page: its own permission, and what is typed there.
DEEDS = {
    "mark_paid": ("mark_paid", {"operation_number": "4711", "reason": "Seen in the portal"}),
    "adopt_code": ("adopt_code", {"code": "70000001"}),
    "refund": ("add_refund", {"payment": "", "amount": "", "reason": "Sold out"}),
}
OTHERS = {"view_order", "change_order", "add_order", "delete_order", "change_refund", "approve_refund", "send_refund"}


def url(row: Order, verb: str) -> str:
    return reverse(f"admin:pagoefectivo_order_{verb}", args=[row.pk])


@pytest.fixture
def cashier(hire: Hire) -> Client:
    return hire("rosa", "view_order", "mark_paid", "adopt_code", "add_refund")


@pytest.fixture
def lost(new_order: Make) -> Order:
    """An order whose code exists at the provider, though we never heard of it."""
    MemoryChannel.fail("issue", OutcomeUnknown("No answer."), after=True)
    return new_order()


def code_there() -> str:
    return next(iter(MemoryChannel.slips["memory:default"]))


# Marked as paid.


def test_the_page_shows_the_order_and_says_what_will_happen(cashier: Client, new_order: Make) -> None:
    order = new_order()
    notify(order, amount=Decimal("1.00"), operation_number="12")
    text = cashier.get(url(order, "mark_paid")).content.decode()
    for shown in (
        "SHOP-1001",
        "S/\u00a0120.50",
        order.code,
        "pending",
        "paid another amount",
        "S/\u00a01.00 12",
        "will count",
    ):
        assert shown in text
    assert state_of(order) == "pending"


def test_mark_paid(cashier: Client, new_order: Make) -> None:
    order = new_order()
    assert url(order, "mark_paid") in page(cashier, order)
    answer = cashier.post(url(order, "mark_paid"), DEEDS["mark_paid"][1], follow=True)
    assert answer.redirect_chain == [(reverse("admin:pagoefectivo_order_change", args=[order.pk]), 302)]
    text = answer.content.decode()
    assert "SHOP-1001: paid" in text
    assert "Seen in the portal" in text
    assert url(order, "mark_paid") not in text
    assert (state_of(order), order.operation_number) == ("paid", "4711")
    assert order.events.get(kind="payment_confirmed").actor.name == "rosa"
    assert cashier.get(url(order, "mark_paid")).status_code == 302


@pytest.mark.parametrize(
    "changes",
    [
        {"operation_number": ""},
        {"operation_number": "x" * 41},
        {"operation_number": "4\x007"},
        {"reason": " "},
        {"reason": "x" * 501},
    ],
)
def test_what_is_typed_wrong_is_said_in_the_form(cashier: Client, new_order: Make, changes: dict[str, str]) -> None:
    order = new_order()
    answer = cashier.post(url(order, "mark_paid"), {**DEEDS["mark_paid"][1], **changes})
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert state_of(order) == "pending"


def test_what_the_flow_refuses_is_said_in_the_form(cashier: Client, new_order: Make) -> None:
    order = new_order()
    notify(order, amount=Decimal("1.00"))
    answer = cashier.post(url(order, "mark_paid"), DEEDS["mark_paid"][1])
    assert answer.status_code == 200
    assert "open money discrepancy" in answer.content.decode()
    paid = pay(new_order("OTHER-2"))
    answer = cashier.post(url(paid, "mark_paid"), DEEDS["mark_paid"][1])
    assert "is paid; it can&#x27;t be paid again" in answer.content.decode()


# A code that was lost.


def test_adopt_a_code(cashier: Client, lost: Order) -> None:
    code = code_there()
    assert url(lost, "adopt_code") in page(cashier, lost)
    text = cashier.get(url(lost, "adopt_code")).content.decode()
    assert lost.cips.get().transaction_code in text
    answer = cashier.post(url(lost, "adopt_code"), {"code": f" 000000{code} "}, follow=True)
    assert f"SHOP-1001: pending, CIP {code}" in answer.content.decode()
    assert url(lost, "adopt_code") not in answer.content.decode()
    assert state_of(lost) == "pending"


@pytest.mark.parametrize(
    ("code", "said"),
    [("123", "doesn&#x27;t show"), ("abc", "not a number"), ("", "required"), ("9" * 41, "at most 40")],
)
def test_a_code_that_is_not_this_order_s(cashier: Client, lost: Order, code: str, said: str) -> None:
    answer = cashier.post(url(lost, "adopt_code"), {"code": code})
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert lost.cips.get().code is None


def test_a_provider_that_fails_is_said_in_the_form(cashier: Client, lost: Order) -> None:
    MemoryChannel.fail("look_up", Unavailable("Nobody answers."))
    answer = cashier.post(url(lost, "adopt_code"), {"code": "123"})
    assert answer.status_code == 200
    assert "Nobody answers." in answer.content.decode()


def test_the_provider_is_asked_under_atomic_requests_too(
    cashier: Client, lost: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    assert cashier.post(url(lost, "adopt_code"), {"code": code_there()}).status_code == 302
    assert state_of(lost) == "pending"


# Refunded.


def test_refund_all_that_is_left(cashier: Client, new_order: Make) -> None:
    order = pay(new_order(), operation_number="12")
    text = cashier.get(url(order, "refund")).content.decode()
    assert "S/\u00a0120.50 12 (applied): 120.50 left" in text
    payment = Payment.objects.get()
    answer = cashier.post(url(order, "refund"), {"payment": payment.pk, "reason": "Sold out"}, follow=True)
    assert "waits for approval" in answer.content.decode()
    refund = Refund.objects.get()
    assert (refund.amount, refund.reason, refund.requested_by) == (payment.amount, "Sold out", "rosa")
    text = page(cashier, order)
    assert reverse("admin:pagoefectivo_refund_change", args=[refund.pk]) in text
    assert url(order, "refund") not in text
    assert state_of(order) == "paid"


def test_refund_a_part_of_the_payment_that_was_chosen(cashier: Client, new_order: Make) -> None:
    order = pay(new_order(), operation_number="12")
    notify(order, operation_number="13")
    twice = Payment.objects.get(operation_number="13")
    data = {"payment": twice.pk, "amount": "20.50", "reason": "Paid twice"}
    assert cashier.post(url(order, "refund"), data).status_code == 302
    refund = Refund.objects.get()
    assert (refund.payment, refund.amount) == (twice, Decimal("20.50"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"amount": "120.51"}, "is too much"),
        ({"amount": "0"}, "must be more than 0"),
        ({"amount": "-5"}, "must be more than 0"),
        ({"amount": "1.005"}, too_precise(2)),
        ({"amount": "a"}, NO_NUMBER),
        ({"amount": "NaN"}, NO_NUMBER),
        ({"amount": "1e17"}, too_large(16)),
        ({"reason": ""}, REQUIRED),
        ({"payment": "999999"}, NO_CHOICE),
        ({"payment": "x"}, NO_CHOICE),
    ],
)
def test_a_refund_that_cannot_be(cashier: Client, new_order: Make, changes: dict[str, str], said: str) -> None:
    order = pay(new_order())
    data = {"payment": Payment.objects.get().pk, "amount": "10", "reason": "x", **changes}
    answer = cashier.post(url(order, "refund"), data)
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert said in answer.content.decode()
    assert not Refund.objects.exists()


def test_only_payments_of_this_order_are_offered(cashier: Client, new_order: Make) -> None:
    order, other = pay(new_order()), pay(new_order("OTHER-2"))
    data = {"payment": Payment.objects.get(cip__order=other).pk, "reason": "x"}
    assert NO_CHOICE in cashier.post(url(order, "refund"), data).content.decode()
    assert not Refund.objects.exists()


# Who may, and where.


@pytest.mark.parametrize("verb", DEEDS)
def test_each_page_has_its_own_permission(hire: Hire, lost: Order, new_order: Make, verb: str) -> None:
    order = lost if verb == "adopt_code" else new_order("OTHER-2")
    order = pay(order) if verb == "refund" else order
    own, data = DEEDS[verb]
    data = {name: str(Payment.objects.get().pk) if name == "payment" else value for name, value in data.items()}
    data |= {"code": code_there()} if verb == "adopt_code" else {}
    rest = OTHERS | {permission for permission, _data in DEEDS.values()} - {own}
    other = hire("eva", *rest)
    before = (state_of(order), Refund.objects.count())
    assert url(order, verb) not in page(other, order)
    assert other.get(url(order, verb)).status_code == 403
    assert other.post(url(order, verb), data).status_code == 403
    assert (state_of(order), Refund.objects.count()) == before
    only = hire("rosa", own)
    assert only.get(url(order, verb)).status_code == 200
    assert only.post(url(order, verb), data).status_code == 302
    assert (state_of(order), Refund.objects.count()) != before


@pytest.mark.parametrize("verb", DEEDS)
def test_nobody_else_gets_in(client: Client, new_order: Make, verb: str) -> None:
    order = new_order()
    assert "/login/" in client.get(url(order, verb)).headers["Location"]
    user = User.objects.create_user("customer")
    user.user_permissions.set(Permission.objects.filter(codename=DEEDS[verb][0]))
    client.force_login(user)
    assert "/login/" in client.post(url(order, verb), DEEDS[verb][1]).headers["Location"]
    assert state_of(order) == "pending"


@pytest.mark.parametrize("verb", DEEDS)
def test_without_csrf_token_nothing_happens(cashier: Client, new_order: Make, verb: str) -> None:
    order = new_order()
    cashier.handler.enforce_csrf_checks = True
    assert cashier.post(url(order, verb), DEEDS[verb][1]).status_code == 403
    assert state_of(order) == "pending"


@pytest.mark.parametrize("verb", DEEDS)
def test_an_order_that_is_not_there(cashier: Client, verb: str) -> None:
    for key in ("999999", "abc"):
        assert cashier.get(f"/admin/pagoefectivo/order/{key}/{verb}/").status_code == 404


def test_buttons_appear_where_they_make_sense(cashier: Client, new_order: Make) -> None:
    def offered(order: Order) -> set[str]:
        text = page(cashier, order)
        found = {verb for verb in DEEDS if url(order, verb) in text}
        assert found == {verb for verb in DEEDS if cashier.get(url(order, verb)).status_code == 200}
        return found

    assert offered(new_order()) == {"mark_paid"}
    assert offered(pay(new_order("PAID-2"))) == {"refund"}
    MemoryChannel.fail("issue", OutcomeUnknown("No answer."))
    assert offered(new_order("LOST-3")) == {"mark_paid", "adopt_code"}
    MemoryChannel.fail("issue", Unavailable("Down."))
    assert "mark_paid" not in offered(new_order("NEW-4"))
