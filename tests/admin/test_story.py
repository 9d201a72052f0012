"""One page tells an order's story; one click gives what the provider's support asks for, and nobody's data."""

import json
from collections.abc import Callable
from typing import Any

import pypdfium2
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from pagoefectivo_django.flows.reports.evidence import MOST_TOLD
from pagoefectivo_django.models import ApiCall, ApiCallSubject, Order
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.testing import notify, pay
from tests.reading import page

pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., Order]
PERSONAL = {
    "email": "planted@example.com",
    "name": "Plantada",
    "last_name": "Quispe-Planted",
    "phone": "999777555",
    "document_type": "DNI",
    "document_number": "48151623",
}


def called(order: Order, **changes: Any) -> ApiCall:
    fields: dict[str, Any] = {
        "channel": "default", "account": "memory:default", "method": "POST", "path": "/v1/cips", "status": 201,
        "began_at": timezone.now(), "milliseconds": 321, "trace": "a" * 32, "request": '{\n "amount": "120.50"\n}',
    }  # fmt: skip
    call = ApiCall.objects.create(**fields | changes)
    ApiCallSubject.objects.create(call=call, order=order)
    return call


def test_calls_and_answered_discrepancies_are_part_of_the_story(staff: Client, new_order: Make) -> None:
    order = pay(new_order())
    called(order)
    called(order, status=None, error="ReadTimeout", milliseconds=8000)
    text = page(staff, order)
    for shown in ("POST /v1/cips", "ReadTimeout", "8000", "a" * 32, "order made", "code issued"):
        assert shown in text


def test_a_call_has_a_page_of_its_own(admin_client: Client, new_order: Make) -> None:
    order = new_order()
    call = called(order)
    text = page(admin_client, call)
    assert order.reference in text
    assert "&quot;120.50&quot;" in text
    answer = admin_client.get("/admin/pagoefectivo/apicall/", {"q": "a" * 32})
    assert "/v1/cips" in answer.content.decode()
    called(order, status=503, path="/v1/broken")
    failed = admin_client.get("/admin/pagoefectivo/apicall/", {"failed": "yes"}).content.decode()
    assert "/v1/broken" in failed
    assert "/v1/cips" not in failed


def test_a_long_story_takes_as_many_statements(staff: Client, new_order: Make) -> None:
    order = pay(new_order())
    called(order)
    page(staff, order)
    with CaptureQueriesContext(connection) as few:
        page(staff, order)
    for number in range(30):
        called(order, path=f"/v1/{number}")
        notify(order, operation_number=str(number))
    with CaptureQueriesContext(connection) as many:
        page(staff, order)
    assert len(many) <= len(few) + 1  # its open discrepancies


def evidence(client: Client, order: Order, kind: str) -> bytes:
    answer = client.get(f"/admin/pagoefectivo/order/{order.pk}/evidence.{kind}")
    assert answer.status_code == 200
    assert answer["Content-Type"] == f"application/{kind}"
    assert "attachment" in answer["Content-Disposition"]
    return bytes(answer.content)


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    return "\n".join(sheet.get_textpage().get_text_bounded() for sheet in document)


def test_the_evidence_has_what_support_asks_for(staff: Client, new_order: Make) -> None:
    order = pay(new_order(), operation_number="4711")
    called(order)
    found = json.loads(evidence(staff, order, "json"))
    assert found["order"]["reference"] == order.reference
    assert found["calls"][0]["request_id"] == "a" * 32
    assert found["calls"][0]["began_at"]["lima"].endswith("-05:00")
    assert found["payments"][0]["operation_number"] == "4711"
    assert len(found["notifications"][0]["sha256"]) == 64
    assert {event["kind"] for event in found["events"]} >= {"order_created", "cip_issued", "payment_confirmed"}
    text = text_of(evidence(staff, order, "pdf"))
    for shown in (order.reference, order.code, "4711", "a" * 32, "/v1/cips", "201", '"amount": "120.50"'):
        assert shown in text


def test_nobody_is_named_in_it(staff: Client, new_order: Make) -> None:
    payer = Payer(**PERSONAL)
    order = new_order(payer=payer, concept="PLANTED concept", metadata={"note": "PLANTED note"})
    pay(order, payer_name="Plantada", extra={"userEmail": "planted@example.com"})
    for kind in ("json", "pdf"):
        file = evidence(staff, order, kind)
        text = text_of(file) if kind == "pdf" else file.decode()
        for value in (*PERSONAL.values(), "PLANTED", "tests.shop"):
            if value != "DNI":
                assert value not in text, value


def test_a_long_one_says_what_it_leaves_out(staff: Client, new_order: Make) -> None:
    order = new_order()
    for _ in range(MOST_TOLD + 3):
        called(order)
    found = json.loads(evidence(staff, order, "json"))
    assert (len(found["calls"]), found["calls_left_out"]) == (MOST_TOLD, 3)
    assert "3 older ones are left out" in text_of(evidence(staff, order, "pdf"))


@pytest.mark.parametrize("reference", ["../../etc/passwd", "A B/ñ", "訂單"])
def test_any_reference_makes_a_file(staff: Client, new_order: Make, reference: str) -> None:
    order = new_order(reference)
    answer = staff.get(f"/admin/pagoefectivo/order/{order.pk}/evidence.pdf")
    assert "/" not in answer["Content-Disposition"].replace("UTF-8''", "")
    assert evidence(staff, order, "pdf").startswith(b"%PDF")


def test_who_may_not_look_gets_none(hire: Callable[..., Client], new_order: Make) -> None:
    order = new_order()
    assert hire("eve", "view_refund").get(f"/admin/pagoefectivo/order/{order.pk}/evidence.json").status_code == 403
    assert hire("luis", "view_order").get(f"/admin/pagoefectivo/order/{order.pk}/evidence.exe").status_code == 404
