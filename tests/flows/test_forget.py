"""After forgetting nobody is named anywhere, every fact of money stands, and what is still needed waits."""

import json
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO, StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import models
from django.test import Client
from django.utils import timezone

from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.flows import (
    approve_refund,
    cancel_order,
    close_refund,
    import_settlement,
    match_line,
    refund_order,
    resolve_discrepancy,
    send_refund,
    tick,
)
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.privacy.erase import erase_payer, payer_data
from pagoefectivo_django.flows.privacy.forget import forget
from pagoefectivo_django.flows.refunds.refund import give_account
from pagoefectivo_django.flows.reports.balance import all_books
from pagoefectivo_django.models import (
    ApiCall,
    ApiCallSubject,
    Delivery,
    Discrepancy,
    IdempotencyKey,
    Notification,
    Order,
    OrderEvent,
    Payment,
    Refund,
)
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.testing import expire, notify, pay
from pagoefectivo_django.workdays import lima_day
from tests.factories.messages import post
from tests.factories.orders import make

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]

EMAIL = "planted@example.com"
PLANTED = ("planted", "Plantada", "999777555", "48151623")
PAYER = Payer(
    email=EMAIL, name="Plantada", last_name="Quispe", phone="999777555", document_type="DNI", document_number="48151623"
)


def sold(reference: str, *, paid: bool = True) -> Order:
    order = make(reference=reference, payer=PAYER, concept="for Plantada", metadata={"to": "Plantada"})
    if paid:
        pay(order, operation_number=f"7-{reference}", userName="Plantada")
    Delivery.objects.update(delivered_at=timezone.now(), retry_at=None)
    return order


def everything() -> str:
    """Return every text and every byte of every column of our tables."""
    found = []
    for model in apps.get_app_config("pagoefectivo").get_models():
        names = [
            field.attname
            for field in model._meta.concrete_fields
            if isinstance(field, models.CharField | models.TextField | models.JSONField | models.BinaryField)
        ]
        for row in model._base_manager.values_list(*names):
            found += [bytes(one).decode() if isinstance(one, bytes | memoryview) else str(one) for one in row]
    return "\n".join(found)


def named() -> set[str]:
    text = everything()
    return {word for word in PLANTED if word in text}


def facts() -> Any:
    """Return what money rests on."""
    orders = Order.objects.order_by("pk").values_list("reference", "amount", "state", "paid_at", "operation_number")
    payments = Payment.objects.order_by("pk").values_list("cip__code", "operation_number", "amount", "status")
    messages = Notification.objects.order_by("pk").values_list("identity", "code", "fact", "received_at", "status")
    return list(orders), list(payments), list(messages), all_books()


def old(**age: float) -> TimeBudget:
    return TimeBudget(timezone.now() + timedelta(**age))


def test_by_age_nobody_is_named_and_money_stands() -> None:
    sold("A")
    expire(sold("B", paid=False))
    Delivery.objects.update(delivered_at=timezone.now(), retry_at=None)
    before = facts()
    assert named() == set(PLANTED)
    forget(old(days=5 * 365 - 1))
    assert "Plantada" in str(Order.objects.values_list("payer_data", flat=True))
    assert forget(old(days=5 * 365 + 1)) == 2
    assert named() == set()
    assert facts() == before
    assert OrderEvent.objects.filter(fact="forgotten", actor_kind="worker").count() == 2
    assert forget(old(days=5 * 365 + 2)) == 0


def test_an_order_that_can_still_be_paid_is_not_forgotten() -> None:
    sold("A", paid=False)
    assert forget(old(days=9 * 365)) == 0
    assert named() == set(PLANTED)


def test_bodies_go_first_and_are_still_the_same_message() -> None:
    order = sold("A")
    body = bytes(Notification.objects.get().body)
    forget(old(days=181))
    row = Notification.objects.get()
    assert (bytes(row.body), row.headers, row.forgotten) == (b"", {}, True)
    assert "Plantada" in str(Order.objects.get().payer_data)
    assert json.loads(body)["code"] == order.code
    before = facts()
    assert post(body).status_code == 200
    assert Notification.objects.get().times_received == 2
    assert facts() == before


@pytest.mark.parametrize("status", ["waiting", "dead"])
def test_a_message_that_somebody_has_to_read_stays(status: str) -> None:
    sold("A")
    Notification.objects.update(status=status)
    forget(old(days=9 * 365))
    assert bytes(Notification.objects.get().body)


def test_calls_go_with_what_they_are_about() -> None:
    order = make()
    for days in (0, 31):
        began = timezone.now() - timedelta(days=days)
        call = ApiCall.objects.create(account="a", method="GET", path="/", began_at=began, milliseconds=1)
        ApiCallSubject.objects.create(call=call, order=order)
    assert forget(TimeBudget()) == 1
    assert ApiCall.objects.count() == ApiCallSubject.objects.count() == 1


def test_keys_that_name_no_row_go_after_a_month_with_the_refusals_that_quote_callers() -> None:
    made_at = timezone.now()
    for digest, order in (("refused", None), ("made", sold("SHOP-1"))):
        IdempotencyKey.objects.create(digest=digest, order=order, problem={"detail": "planted"}, created_at=made_at)
    forget(old(days=29))
    assert IdempotencyKey.objects.count() == 2
    forget(old(days=31))
    assert [key.digest for key in IdempotencyKey.objects.all()] == ["made"]


def test_a_discrepancy_keeps_what_it_needs_until_it_is_answered() -> None:
    order = sold("A")
    notify(order, operation_number="another")
    Delivery.objects.update(delivered_at=timezone.now(), retry_at=None)
    assert erase_payer(email=EMAIL, actor="rosa", reason="asked by letter").kept == ["A"]
    assert named() == set(PLANTED)
    resolve_discrepancy(Discrepancy.objects.get(), "ignore", actor="eva", reason="given back at the counter")
    Delivery.objects.update(delivered_at=timezone.now(), retry_at=None)
    assert forget(old(hours=2)) == 1
    assert named() == set()


def test_a_refund_keeps_its_account_until_it_is_closed() -> None:
    order = sold("A")
    refund = refund_order(order, None, actor="rosa", reason="too small")
    give_account(refund, bank="BCP", cci="00219100000000000152", holder="Plantada Quispe")
    refund = send_refund(approve_refund(Refund.objects.get(), actor="eva"), actor="eva")
    assert erase_payer(email=EMAIL, actor="rosa", reason="asked by letter").kept == ["A"]
    close_refund(refund, done=True, actor="eva", reason="sent")
    Delivery.objects.update(delivered_at=timezone.now(), retry_at=None)
    forget(old(hours=2))
    assert named() == set()
    assert Refund.objects.get().cci == ""


def test_what_a_receiver_has_still_to_hear_keeps_the_payer() -> None:
    order = sold("A")
    Delivery.objects.filter(event__order=order, event__kind="payment_confirmed").update(delivered_at=None)
    assert erase_payer(email=EMAIL, actor="rosa", reason="asked by letter").kept == ["A"]


def test_one_payer_is_erased_and_no_other() -> None:
    sold("A")
    other = make(reference="OTHER")
    pay(other)
    Delivery.objects.update(delivered_at=timezone.now(), retry_at=None)
    assert erase_payer(email=EMAIL.upper(), actor="rosa", reason="asked by letter").erased == ["A"]
    assert named() == set()
    other.refresh_from_db()
    assert other.email
    event = OrderEvent.objects.get(fact="forgotten")
    assert (event.actor.name, event.reason) == ("rosa", "asked by letter")


def test_what_people_wrote_goes_with_the_payer_and_why_it_went_stays() -> None:
    order, other = make(reference="A"), make(reference="OTHER", payer=Payer(email="eva@example.com"))
    for each in (order, other):
        cancel_order(each, actor="rosa", reason="Ana called from 987654321.")
    assert erase_payer(email=order.email, actor="rosa", reason="asked by letter").erased == ["A"]
    written = OrderEvent.objects.exclude(reason="")
    assert list(written.filter(order=order).values_list("fact", "reason")) == [("forgotten", "asked by letter")]
    assert written.filter(order=other).exists()


def test_by_the_number_of_a_document() -> None:
    sold("A")
    assert erase_payer(document_number="48151623", actor="rosa", reason="asked by letter").erased == ["A"]
    assert named() == set()


@pytest.mark.parametrize(
    "asked",
    [
        *(
            {"email": one}
            for one in (" PLANTED@example.com", "\u200e" + EMAIL + "\u202c", EMAIL + "\ufeff", f"{EMAIL}\n")
        ),
        *({"document_number": one} for one in ("4815 1623", "4815-1623", "\u202a48151623\u202c", "\uff14\uff18151623")),
    ],
    ids=ascii,
)
def test_a_payer_is_found_as_people_paste_what_was_asked(asked: dict[str, Any]) -> None:
    sold("A")
    assert [order["reference"] for order in payer_data(**asked)["orders"]] == ["A"]
    assert erase_payer(**asked, actor="rosa", reason="asked by letter").erased == ["A"]
    assert named() == set()


@pytest.mark.parametrize("kept", ["ab 123-456", "AB.123456", "Ab123456"])
def test_a_document_is_found_however_the_shop_wrote_it(kept: str) -> None:
    order = make(payer=Payer(email=EMAIL, document_type="PAS", document_number=kept))
    make(reference="OTHER", payer=Payer(email=EMAIL, document_type="PAS", document_number="AB1234567"))
    make(reference="NONE")
    cancel_order(order, actor="shop", reason="not wanted")
    assert erase_payer(document_number="AB123456", actor="rosa", reason="asked").erased == [order.reference]


@pytest.mark.parametrize("wrong", [{"email": " "}, {"email": "x", "actor": ""}, {"email": "x", "reason": " "}])
def test_whose_by_whom_and_why_must_be_said(wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        erase_payer(**{"actor": "rosa", "reason": "asked"} | wrong)  # type: ignore[arg-type]


def test_everything_of_one_payer_is_told() -> None:
    sold("A")
    make(reference="OTHER")
    found = payer_data(email=EMAIL)
    assert [order["reference"] for order in found["orders"]] == ["A"]
    text = json.dumps(found)
    assert all(word in text for word in PLANTED)
    assert "Plantada" in found["orders"][0]["messages_from_the_provider"][0]


def test_money_may_still_move_when_nobody_is_named() -> None:
    order = sold("A")
    erase_payer(email=EMAIL, actor="rosa", reason="asked by letter")
    notify(order, "payment_reversed", operation_number="7-A")
    tick()
    order.refresh_from_db()
    assert order.state == "refunded"
    assert Client().get(order.voucher_url).status_code == 200


def test_the_round_does_it_once_an_hour() -> None:
    sold("A")
    years = timezone.now() + timedelta(days=6 * 365)
    assert tick(years).forgotten == 2  # its message and its payer
    sold("B")
    assert tick(years + timedelta(minutes=50)).forgotten == 0
    assert tick(years + timedelta(minutes=61)).forgotten >= 1


def test_the_command() -> None:
    sold("A")
    out = StringIO()
    call_command("pagoefectivo_forget", export=EMAIL, stdout=out)
    assert json.loads(out.getvalue())["orders"][0]["email"] == EMAIL
    with pytest.raises(CommandError, match="reason"):
        call_command("pagoefectivo_forget", erase=EMAIL)
    out = StringIO()
    call_command("pagoefectivo_forget", erase=EMAIL, reason="asked", stdout=out)
    assert "1 order(s) name nobody any more." in out.getvalue()
    assert named() == set()
    out = StringIO()
    call_command("pagoefectivo_forget", stdout=out)
    assert "0 row(s) were forgotten." in out.getvalue()


def test_in_the_admin_by_who_may(django_user_model: Any, admin_client: Client) -> None:
    order = sold("A")
    page = f"/admin/pagoefectivo/order/{order.pk}/"
    found = admin_client.get(f"{page}payer.json").json()
    assert found["orders"][0]["email"] == EMAIL
    answer = admin_client.post(f"{page}erase_payer/", {"reason": "asked by letter"}, follow=True)
    assert "1 orders name nobody any more" in answer.content.decode()
    assert named() == set()
    assert admin_client.get(f"{page}payer.json").status_code == 404


def test_not_in_the_admin_by_who_may_not(django_user_model: Any, client: Client) -> None:
    order = sold("A")
    looker: Callable[..., Any] = django_user_model.objects.create_user
    client.force_login(looker("luis", password="made-up", is_staff=True))
    page = f"/admin/pagoefectivo/order/{order.pk}/"
    assert client.get(f"{page}payer.json").status_code == 403
    assert client.post(f"{page}erase_payer/", {"reason": "x"}).status_code == 403


def cancelled_and_erased() -> Order:
    order = cancel_order(sold("A", paid=False))
    assert erase_payer(email=EMAIL, actor="rosa", reason="asked by letter").erased == ["A"]
    return order


def test_the_account_of_a_refund_after_the_erasure_is_forgotten_with_the_refund() -> None:
    notify(cancelled_and_erased(), operation_number="7")
    resolve_discrepancy(Discrepancy.objects.get(), "refund_due", actor="rosa", reason="It came too late.")
    refund = approve_refund(Refund.objects.get(), actor="rosa")
    give_account(refund, bank="BCP", cci="00219100123456789012", holder="Plantada Quispe")
    send_refund(refund, actor="rosa")
    Delivery.objects.update(delivered_at=timezone.now(), retry_at=None)
    forget(old(days=1))
    assert "Plantada" in named(), "the transfer may come back"
    close_refund(refund, done=True, actor="rosa", reason="booked")
    Delivery.objects.update(delivered_at=timezone.now(), retry_at=None)
    forget(old(days=1))
    assert not named()
    assert "00219100123456789012" not in everything()


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_statement_after_the_erasure_names_nobody(settings: Any, by_hand: bool) -> None:
    columns = {"payer": "Cliente", "code": "CIP", "gross": "Importe", "commission": "Comisión", "paid_at": "Pagado"}
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"STATEMENTS": {"own": {"KIND": "settlement", "COLUMNS": columns}}}
    order = sold("A")
    assert erase_payer(email=EMAIL, actor="rosa", reason="asked by letter").erased == ["A"]
    code = "99" if by_hand else order.code
    paid = f"CIP;Importe;Comisión;Pagado;Cliente\n{code};35.50;1.89;{lima_day(timezone.now()):%d/%m/%Y};{EMAIL}\n"
    settlement = import_settlement(BytesIO(paid.encode()), "own.csv", actor="ana", currency="PEN", format="own")
    if by_hand:
        assert EMAIL in everything(), "it is evidence, as long as nobody knows whose it is"
        match_line(settlement.lines.get(), Payment.objects.get(), actor="rosa", reason="It is hers.")
    assert settlement.lines.get().status == "matched"
    forget(old(days=1000))
    assert EMAIL not in everything()
