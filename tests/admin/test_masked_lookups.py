"""Kind 13, ways that nobody listed: search, order, keys, other pages; what is masked stays so however it is asked."""

from __future__ import annotations

import getpass
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.core.management import call_command, get_commands, load_command_class
from django.db import transaction
from django.test import Client

from pagoefectivo_django.models import Delivery, Notification, Order, OrderEvent
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.signals import SIGNALS, order_created
from pagoefectivo_django.testing import notify
from tests.factories.people import CCI, OURS, PERSON, SECRETS, Hire, Make

pytestmark = pytest.mark.django_db(transaction=True)

WORDS = (*PERSON, CCI, "Quispe")
MODELS = [ours.opts.model_name for ours in OURS]


@pytest.fixture
def luis(hire: Hire, planted: Order, new_order: Make) -> Client:
    """Somebody who may look at everything but at who pays; and things of each kind to look at."""
    other = new_order("SHOP-1002", payer=Payer(email="zoe@example.com", name="Zoe", phone="999000111"))
    notify(planted, operation_number="another")
    notify(other, amount="1.00", operation_number="x", userName="Zoe")
    Delivery.objects.update(last_error="SMTPRecipientsRefused: {'planted@example.com': 550, '+51 999 777 555': 1}")
    return hire("luis", *(f"view_{name}" for name in MODELS))


def shown(client: Client, model: str | None, **asked: str) -> list[int]:
    answer = client.get(f"/admin/pagoefectivo/{model}/", asked)
    return [row.pk for row in answer.context["cl"].result_list] if answer.status_code == 200 else []


@pytest.mark.parametrize("model", MODELS)
def test_no_record_is_found_by_a_field(luis: Client, model: str) -> None:
    pages = [f"{value}/change/" for value in WORDS]
    for field in ("email", "token", "payer_data", "cci", "holder", "signature", "body", "digest"):
        for page in (*pages, f"{WORDS[0]}/", f"{WORDS[0]}/history/"):
            answer = luis.get(f"/admin/pagoefectivo/{model}/{page}", {"_to_field": field})
            assert answer.status_code in (302, 400, 404), page
        answer = luis.get(f"/admin/pagoefectivo/{model}/", {"_to_field": field, "_popup": "1"})
        assert answer.status_code in (302, 400)


@pytest.mark.parametrize("model", MODELS)
def test_no_page_names_anybody(luis: Client, model: str) -> None:
    rows = admin.site._registry[next(each.model for each in OURS if each.opts.model_name == model)].model._base_manager
    pages = [f"/admin/pagoefectivo/{model}/", f"/admin/pagoefectivo/{model}/?_facets=True"]
    for key in rows.values_list("pk", flat=True)[:20]:
        pages += [
            f"/admin/pagoefectivo/{model}/{key}/{page}/" for page in ("change", "history", "delete", "evidence.json")
        ]
    for page in pages:
        text = luis.get(page).content.decode(errors="replace")
        assert not [word for word in WORDS if word in text], page


@pytest.mark.parametrize(
    "asked",
    [
        {"app_label": "pagoefectivo", "model_name": "cip", "field_name": "order"},
        {"app_label": "pagoefectivo", "model_name": "refund", "field_name": "order"},
        {"app_label": "admin", "model_name": "logentry", "field_name": "user"},
    ],
)
def test_nobody_is_found_by_completing_what_is_typed(luis: Client, hire: Hire, asked: dict[str, str]) -> None:
    for term in (*WORDS, "planted", "zoe@", ""):
        answer = luis.get("/admin/autocomplete/", asked | {"term": term})
        assert answer.status_code in (200, 403, 404)
        assert not [word for word in WORDS if word in answer.content.decode()]
        assert answer.status_code != 200 or not term or answer.json()["results"] == []
    assert hire("eva").get("/admin/autocomplete/", asked | {"term": ""}).status_code in (403, 404)


def test_evidence_names_nobody(luis: Client, planted: Order) -> None:
    for name in ("evidence.json", "evidence.pdf"):
        answer = luis.get(f"/admin/pagoefectivo/order/{planted.pk}/{name}")
        text = answer.getvalue().decode(errors="replace")
        assert not [word for word in WORDS if word in text]


def test_who_may_see_is_found_and_shown(hire: Hire, planted: Order) -> None:
    rosa = hire("rosa", "view_order", "see_personal_data")
    assert shown(rosa, "order", q="planted@") == [planted.pk]
    assert "planted@example.com" in rosa.get(f"/admin/pagoefectivo/order/{planted.pk}/change/").content.decode()


@pytest.mark.parametrize("permission", ["view", "change", "delete", "add"])
def test_no_permission_of_django_s_implies_seeing_people(hire: Hire, planted: Order, permission: str) -> None:
    names = [f"{permission}_{name}" for name in MODELS]
    luis = hire("luis", *names, *(f"view_{name}" for name in MODELS))
    for page in (f"order/{planted.pk}/change/", "order/", f"notification/{Notification.objects.get().pk}/change/"):
        text = luis.get(f"/admin/pagoefectivo/{page}").content.decode()
        assert not [word for word in WORDS if word in text], page
    assert luis.get(f"/admin/pagoefectivo/order/{planted.pk}/payer.json").status_code == 403
    assert not OrderEvent.objects.filter(fact="downloaded").exists()


def test_a_list_says_the_same_of_a_search_for_anybody(luis: Client) -> None:
    """Also in what it counts and how it pages."""
    said: set[Any] = set()
    for term in ("planted@example.com", "zoe@example.com", "nobody@example.com"):
        found = luis.get("/admin/pagoefectivo/order/", {"q": term}).context["cl"]
        said.add((found.result_count, found.full_result_count, len(found.result_list)))
    assert len(said) == 1


# Error reports, of what runs below no flow.


def knows_everything(sender: Any, order: Order, **named: Any) -> None:
    payer, address = order.payer, order.email
    raise RuntimeError(f"no stock, of {len(address) + bool(payer)}")


def test_no_report_of_what_runs_after_the_shop_s_commit(new_order: Make, reported: Callable[..., str]) -> None:
    order_created.connect(knows_everything, dispatch_uid="knows")
    payer = Payer(email=PERSON[0], name=PERSON[1], phone=PERSON[3])

    def buys() -> None:
        with transaction.atomic():
            new_order("SHOP-7", payer=payer)

    try:
        text = reported(buys)
    finally:
        order_created.disconnect(dispatch_uid="knows")
    assert "no stock, of" in text
    assert not [word for word in SECRETS if word in text]
    assert all("knows" not in signal.by_name for signal in SIGNALS.values())


@pytest.mark.parametrize("name", [name for name, app in get_commands().items() if app == "pagoefectivo_django"])
def test_every_command_hides_what_its_frames_hold(name: str) -> None:
    command: Any = load_command_class("pagoefectivo_django", name)
    assert command.handle.__func__.__code__.co_name == "sensitive_variables_wrapper"


def test_the_command_that_prints_a_payer_leaves_an_event(planted: Order) -> None:
    call_command("pagoefectivo_forget", export="planted@example.com", stdout=io.StringIO())
    event = OrderEvent.objects.get(fact="downloaded")
    assert (event.order, event.actor.name, event.data) == (planted, getpass.getuser(), {"file": "payer.json"})
