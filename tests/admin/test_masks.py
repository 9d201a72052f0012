"""Kind 13: who may not see a value can't ask for it either, and what leaves with people's data is written down."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import partial
from html import unescape
from typing import Any

import pytest
from django.conf import settings as project
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.test import Client, RequestFactory
from django.urls import reverse

from pagoefectivo_django import flows
from pagoefectivo_django.admin.base import ASKED_BY_FILTERS, RecordAdmin
from pagoefectivo_django.channels.base import CodeRef
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.flows import create_order
from pagoefectivo_django.models import Delivery, Order, OrderEvent, Refund
from pagoefectivo_django.payer import Payer
from tests.concurrency import breaking
from tests.factories.messages import SECRET
from tests.factories.people import CCI, OURS, PERSON, SECRETS, Hire, Make

pytestmark = pytest.mark.django_db(transaction=True)

#: What a list may be asked about: where something stands, and when; never who, and no number.
HARMLESS = {
    "state", "currency", "status", "kind", "fact", "channel", "delivered", "failed", "age", "amount",
    "assigned", "created_at", "received_at", "requested_at", "dated", "began_at", "settlement__id", "account",
    "expires_at", "paid_at", "settled_at",
}  # fmt: skip


def paths(model: type[models.Model], depth: int = 2) -> Iterator[tuple[str, models.Field[Any, Any] | Any]]:
    """Every way of Django's look-ups from a model to a field, through relations in both directions."""
    for field in model._meta.get_fields():
        if isinstance(field, models.Field) and not field.is_relation:
            yield field.name, field
        elif depth and field.related_model and field.related_model is not ContentType:
            # Of a relation backwards it is the query's name: the related name, or the model's.
            for inner, last in paths(field.related_model, depth - 1):
                yield f"{field.name}__{inner}", last


@pytest.mark.parametrize("ours", OURS, ids=lambda one: type(one).__name__)
def test_no_list_answers_about_any_field_but_by_its_filters(ours: RecordAdmin) -> None:
    assert isinstance(ours, RecordAdmin)
    request = RequestFactory().get("/")
    request.user = User(username="luis", is_staff=True)
    asked = 0
    for path, field in paths(ours.model):
        for lookup in ("", *field.get_lookups(), "year__gte", "date__lt", "length__gt", "0__startswith"):
            parameter = f"{path}__{lookup}" if lookup else path
            asked += 1
            if ours.lookup_allowed(parameter, "a", request):
                assert path in HARMLESS, parameter
                assert lookup in {"", *ASKED_BY_FILTERS}, parameter
    assert asked > 150


@pytest.mark.parametrize(
    ("model", "parameter"),
    [
        ("order", "email__startswith"),
        ("order", "email"),
        ("order", "payer_data__document_number__startswith"),
        ("order", "metadata__to__startswith"),
        ("order", "token__startswith"),
        ("order", "refunds__cci__startswith"),
        ("order", "cips__notification__body__contains"),
        ("order", "concept__regex"),
        ("refund", "cci__startswith"),
        ("refund", "holder__startswith"),
        ("refund", "order__email__startswith"),
        ("notification", "signature__startswith"),
        ("notification", "body__contains"),
        ("delivery", "event__order__email__startswith"),
        ("discrepancy", "order__email__startswith"),
        ("discrepancy", "evidence__0__startswith"),
        ("settlementline", "payer__startswith"),
        ("apicall", "request__contains"),
    ],
)
def test_right_and_wrong_guesses_are_told_the_same(hire: Hire, planted: Order, model: str, parameter: str) -> None:
    luis = hire("luis", f"view_{model}")
    said = {
        (answer.status_code, answer.content)
        for guess in ("planted", "P", "0", "zzz")
        for answer in [luis.get(f"/admin/pagoefectivo/{model}/", {parameter: guess})]
    }
    assert len(said) == 1
    assert next(iter(said))[0] in (302, 400)


@pytest.mark.parametrize("ours", OURS, ids=lambda one: type(one).__name__)
def test_the_filters_and_links_of_the_pages_work(admin_client: Client, planted: Order, ours: RecordAdmin) -> None:
    page = reverse(f"admin:pagoefectivo_{ours.opts.model_name}_changelist")
    answer = admin_client.get(page)
    spec = answer.context["cl"].filter_specs
    for one in spec:
        for choice in one.choices(answer.context["cl"]):
            assert admin_client.get(page + choice["query_string"]).status_code == 200
    for field in ours.linked_fields:
        assert admin_client.get(page, {f"{field}__isnull": "1"}).status_code == 200


def test_the_links_of_the_first_page_lead_to_lists(admin_client: Client, planted: Order) -> None:
    linked = {
        unescape(one)
        for page in ("/admin/pagoefectivo/", "/admin/pagoefectivo/settlement/")
        for one in re.findall(r'href="(/admin/pagoefectivo/[^"]*\?[^"]*)"', admin_client.get(page).content.decode())
    }
    assert len(linked) > 8
    for address in linked:
        assert admin_client.get(address).status_code == 200, address


def test_no_address_leads_staff_to_a_voucher(hire: Hire, planted: Order) -> None:
    luis = hire("luis", "view_order")
    for model in (each.model for each in OURS):
        assert not hasattr(model, "get_absolute_url")
    key = ContentType.objects.get_for_model(Order).pk
    answer = luis.get(f"/admin/r/{key}/{planted.pk}/")
    assert answer.status_code == 404
    assert str(planted.token) not in answer.content.decode()
    page = luis.get(f"/admin/pagoefectivo/order/{planted.pk}/change/").content.decode()
    assert str(planted.token) not in page


def test_an_eraser_sees_how_account_numbers_end(hire: Hire, planted: Order) -> None:
    page = f"/admin/pagoefectivo/order/{planted.pk}/payer.json"
    eva = hire("eva", "view_order", "erase_payer").get(page)
    assert eva.status_code == 200
    assert CCI not in eva.content.decode()
    assert eva.json()["orders"][0]["refunds"][0]["cci"] == "…5550"
    assert CCI in hire("rosa", "view_order", "erase_payer", "send_refund").get(page).content.decode()


def test_what_is_downloaded_with_people_s_data_is_an_event(hire: Hire, planted: Order, new_order: Make) -> None:
    other = new_order("SHOP-1002", payer=Payer(email="planted@example.com", name="Plantada"))
    rosa = hire("rosa", "view_order", "erase_payer", "view_refund", "send_refund")
    assert rosa.get(f"/admin/pagoefectivo/order/{planted.pk}/payer.json").status_code == 200
    assert rosa.get("/admin/pagoefectivo/refund/bank.csv").getvalue()
    found = OrderEvent.objects.filter(fact="downloaded").order_by("created_at", "order")
    assert {(event.order, event.actor.name, event.data["file"]) for event in found} == {
        (planted, "rosa", "payer.json"), (other, "rosa", "payer.json"), (planted, "rosa", "bank.csv"),
    }  # fmt: skip
    assert rosa.get("/admin/pagoefectivo/refund/bank.csv").status_code == 200
    luis = hire("luis", "view_order", "view_refund")
    for page in (f"order/{planted.pk}/payer.json", "refund/bank.csv"):
        assert luis.get(f"/admin/pagoefectivo/{page}").status_code == 403
    assert not OrderEvent.objects.filter(fact="downloaded", actor_name="luis").exists()


def test_an_error_names_nobody_to_who_may_only_look(hire: Hire, planted: Order) -> None:
    delivery = Delivery.objects.filter(event__order=planted)[0]
    said = "SMTPRecipientsRefused: {'planted@example.com': (550, b'no such user +51 999 777 555')}"
    Delivery.objects.filter(pk=delivery.pk).update(last_error=said)
    page = f"/admin/pagoefectivo/delivery/{delivery.pk}/change/"
    luis, rosa = hire("luis", "view_delivery"), hire("rosa", "view_delivery", "see_personal_data")
    for path in ("/admin/pagoefectivo/delivery/", page):
        text = luis.get(path).content.decode()
        assert "planted@" not in text
        assert "999 777 555" not in text
        assert "SMTPRecipientsRefused" in text
    assert "planted@example.com" in rosa.get(page).content.decode()


# Error reports.


class Breaking(MemoryChannel):
    """A channel whose code has a mistake, with everything that it knows in its frame."""

    def _fall(self, *known: Any) -> Any:
        options, secret = dict(self.options), next(iter(self.options["WEBHOOK_SECRETS"]))
        raise RuntimeError(f"a mistake beside {len(known) + len(options) + len(secret)} things")

    def issue(self, charge: Any) -> Any:
        payer, email = charge, PERSON[0]
        return self._fall(charge, payer, email)

    def look_up(self, refs: Iterable[CodeRef]) -> Any:
        return self._fall(refs)


@pytest.fixture
def broken(settings: Any) -> None:
    options = {"WEBHOOK_SECRETS": [SECRET]}
    settings.PAGOEFECTIVO = project.PAGOEFECTIVO | {
        "CHANNELS": {"default": {"BACKEND": f"{__name__}.{Breaking.__name__}", "OPTIONS": options}},
    }


def test_no_report_of_an_error_shows_keys_or_payers(
    planted: Order, broken: None, reported: Callable[[Callable[[], Any]], str]
) -> None:
    payer = Payer(email=PERSON[0], name=PERSON[1], phone=PERSON[3])
    for do in (
        lambda: create_order(reference="SHOP-7", amount=Decimal("35.50"), currency="PEN", payer=payer),
        lambda: flows.refresh_order(planted),
    ):
        text = reported(do)
        assert "a mistake beside" in text
        assert not [word for word in SECRETS if word in text]


@pytest.mark.parametrize("name", flows.__all__)
def test_every_flow_hides_what_its_frames_hold(name: str) -> None:
    assert getattr(flows, name).__code__.co_name == "sensitive_variables_wrapper"


def test_no_page_s_report_shows_keys_or_payers(
    planted: Order, admin_client: Client, reported: Callable[[Callable[[], Any]], str]
) -> None:
    refund = Refund.objects.get()
    pages = [
        f"/pay/{planted.token}/", f"/pay/{planted.token}/status/", f"/pay/{planted.token}/voucher.pdf",
        f"/admin/pagoefectivo/order/{planted.pk}/change/", f"/admin/pagoefectivo/order/{planted.pk}/payer.json",
        f"/admin/pagoefectivo/order/{planted.pk}/refund/", f"/admin/pagoefectivo/refund/{refund.pk}/change/",
        "/admin/pagoefectivo/order/", "/admin/pagoefectivo/refund/bank.csv",
    ]  # fmt: skip
    seen = 0
    for page in pages:
        for table in ("pagoefectivo_order", "pagoefectivo_payment", "pagoefectivo_refund", "pagoefectivo_orderevent"):
            with breaking(f'"{table}"'):
                text = reported(partial(admin_client.get, page))
                seen += bool(text)
                assert not [word for word in SECRETS if word in text], (page, table)
    assert seen > 10
