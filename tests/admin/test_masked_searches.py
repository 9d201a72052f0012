"""Kind 13, over all pages: no search, order, filter, popup or suggestion tells by its effect what is masked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import models
from django.test import Client
from django.urls import reverse

from pagoefectivo_django.flows import refund_order
from pagoefectivo_django.flows.refunds.refund import give_account
from pagoefectivo_django.models import Notification, Order, Refund
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.states import Kind
from pagoefectivo_django.testing import notify, pay
from tests.factories.discrepancies import open_discrepancy
from tests.factories.people import CCI, OURS, PERSON, PLANTED, Hire, Make
from tests.factories.settlements import settlement_line
from tests.reading import page

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = [each.opts.model_name for each in OURS]
#: Of the one payer; each stands in a column of its own.
SECRETS = (*PERSON, CCI, "for-plantada", "to-plantada")
#: All of them may be given to somebody who may see nobody: these show account numbers, or everything of a payer.
SHOW_PEOPLE = {"see_personal_data", "erase_payer", "approve_refund", "send_refund"}


@pytest.fixture
def planted(new_order: Make) -> Order:
    """An order with everything that names its payer, between two others."""
    pay(new_order("SHOP-1", payer=Payer(email="aaa@example.com", name="Aaa")))
    order = new_order("SHOP-2", payer=PLANTED, concept="for-plantada", metadata={"to": "to-plantada"})
    pay(order, operation_number="1", userName="Plantada")
    notify(order, operation_number="2", userName="Plantada")
    refund = refund_order(order, None, actor="rosa", reason="too small")
    give_account(refund, bank="BCP", cci=CCI, holder="Plantada Quispe")
    pay(new_order("SHOP-3", payer=Payer(email="zzz@example.com", name="Zzz")))
    open_discrepancy(Kind.UNMATCHED, line=settlement_line(payer=SECRETS[0], gross=order.amount))
    return order


@pytest.fixture
def luis(hire: Hire) -> Client:
    """Somebody who may look at everything, and see nobody."""
    return hire("luis", *(f"view_{name}" for name in NAMES))


@pytest.fixture
def ana(hire: Hire) -> Client:
    """Somebody who may do everything, and see nobody."""
    names = Permission.objects.filter(content_type__app_label="pagoefectivo").values_list("codename", flat=True)
    return hire("ana", *set(names).difference(SHOW_PEOPLE))


def listed(client: Client, name: str, **asked: str) -> list[Any]:
    answer = client.get(reverse(f"admin:pagoefectivo_{name}_changelist"), asked)
    assert answer.status_code == 200, (name, asked)
    return [row.pk for row in answer.context["cl"].result_list]


def guesses(order: Order) -> Iterator[str]:
    """What somebody would search for: each secret, and its ends; so long that no number of another thing has them."""
    signature = Notification.objects.exclude(headers={})[0].headers["PE-Signature"]
    for secret in (*SECRETS, str(order.token), signature, "Quispe", "planted"):
        yield from {secret, secret[:8], secret[-8:], secret.upper()}
    yield from ("example.com", "planted%", "_lanted", "*")


@pytest.mark.parametrize("name", NAMES)
def test_no_search_finds_who_is_masked(luis: Client, planted: Order, name: str) -> None:
    for guess in guesses(planted):
        assert listed(luis, name, q=guess) == [], guess


@pytest.mark.parametrize("name", NAMES)
def test_no_list_stands_in_an_order_that_somebody_asks_for(luis: Client, planted: Order, name: str) -> None:
    ours = next(each for each in OURS if each.opts.model_name == name)
    before = listed(luis, name)
    for number in range(len(ours.list_display) + 2):
        for asked in (f"{number}", f"-{number}", f"{number}.-0"):
            assert listed(luis, name, o=asked) == before, asked


def test_a_list_is_not_sorted_by_what_its_index_does_not_have(luis: Client, planted: Order) -> None:
    for asked in ("", "2", "-2"):
        answer = luis.get("/admin/pagoefectivo/order/", {"o": asked})
        assert answer.context["cl"].queryset.query.order_by[0] == "-pk"


@pytest.mark.parametrize("name", NAMES)
def test_no_facets_count(luis: Client, planted: Order, name: str) -> None:
    answer = luis.get(reverse(f"admin:pagoefectivo_{name}_changelist"), {"_facets": "True"})
    assert answer.context["cl"].add_facets is False
    assert next(each for each in OURS if each.opts.model_name == name).date_hierarchy is None


def fields(model: type[models.Model]) -> list[str]:
    return [field.name for field in model._meta.get_fields()]


@pytest.mark.parametrize("ours", OURS, ids=NAMES)
def test_no_popup_hands_out_another_field(luis: Client, planted: Order, ours: Any) -> None:
    list_page = reverse(f"admin:pagoefectivo_{ours.opts.model_name}_changelist")
    for name in [*fields(ours.model), *ours.list_display, "order__email", "pk"]:
        asked = {"_popup": "1", "_to_field": name}
        for path in (list_page, f"{list_page}1/change/", f"{list_page}nobody/change/"):
            answer = luis.get(path, asked)
            assert answer.status_code in (200, 302, 400, 403), (path, name)
            text = answer.content.decode()
            assert not [secret for secret in (*SECRETS, str(planted.token)) if secret in text]


def test_no_record_is_found_by_another_field(luis: Client, planted: Order) -> None:
    for field, value in (("email", planted.email), ("token", planted.token), ("reference", planted.reference)):
        answer = luis.get(f"/admin/pagoefectivo/order/{value}/change/", {"_to_field": field})
        assert answer.status_code in (302, 400), field


def relations() -> Iterator[tuple[str, str]]:
    """Every relation that Django's suggestions could be asked about: of our models, and from the shop's to ours."""
    for field in (field for ours in OURS for field in ours.model._meta.get_fields()):
        if isinstance(field, models.ForeignKey):
            yield str(field.model._meta.model_name), field.name


@pytest.mark.parametrize(("model", "field"), sorted(set(relations())))
def test_no_suggestion_finds_who_is_masked(luis: Client, planted: Order, model: str, field: str) -> None:
    asked = {"app_label": "pagoefectivo", "model_name": model, "field_name": field}
    for guess in guesses(planted):
        answer = luis.get("/admin/autocomplete/", {**asked, "term": guess})
        assert answer.status_code in (200, 403, 404)
        if answer.status_code == 200:
            assert answer.json()["results"] == [], guess


def crawled(client: Client) -> dict[str, str]:
    """Every page, with its histories and its forms, that the app's first page leads to."""
    found, todo = dict[str, str](), ["/admin/pagoefectivo/"]
    while todo and len(found) < 250:
        path = todo.pop(0)
        if path in found or "logout" in path:
            continue
        answer = client.get(path)
        found[path] = unescape(b"".join(answer).decode(errors="replace")) if answer.status_code == 200 else ""
        if "html" not in answer["Content-Type"]:
            continue
        todo += re.findall(r'href="(/admin/pagoefectivo/[^"?#]*)', found[path])
        if path.endswith("/change/"):
            todo.append(path.replace("/change/", "/history/"))
    return found


def test_who_may_do_everything_and_see_nobody_sees_nobody(ana: Client, planted: Order) -> None:
    found = crawled(ana)
    assert {path.split("/")[-2] for path in found} >= {"resolve", "refund", "history", "match", "export", "import"}
    for path, text in found.items():
        told = [secret for secret in (*SECRETS, "Quispe", str(planted.token)) if secret in text]
        assert not told, path


def test_the_answer_of_an_action_names_nobody(ana: Client, planted: Order) -> None:
    """Forms that are filled in wrongly come back with an error, which says nothing of who pays."""
    for path in [path for path in crawled(ana) if re.search(r"/\d+/[a-z_]+/$", path)]:
        answer = ana.post(path, {"reason": "x", "code": "1", "amount": "999999", "operation_number": "1"})
        text = answer.content.decode()
        assert answer.status_code in (200, 302, 403), path
        assert not [secret for secret in SECRETS if secret in text], path


def test_no_imported_file_asks_whose_order_is_whose(ana: Client, hire: Hire, planted: Order) -> None:
    """A line with a guessed payer was told "same payer", and its order came first."""
    rosa = hire("rosa", "view_discrepancy", "see_personal_data")
    said = {}
    for guess in (planted.email, "nobody@example.com"):
        of = settlement_line(payer=guess, gross=planted.amount)
        discrepancy = open_discrepancy(Kind.UNMATCHED, line=of)
        text = page(ana, discrepancy)
        assert "SHOP-2" in text
        assert "same payer" not in text.lower()
        said[guess] = re.findall(r"SHOP-\d", text)
        assert "same payer" in page(rosa, discrepancy).lower()
    assert said[planted.email] == said["nobody@example.com"]


def test_a_refund_s_link_is_for_who_handles_it(ana: Client, new_order: Make) -> None:
    refund_order(pay(new_order("SHOP-4")), None, actor="rosa", reason="x")
    refund = Refund.objects.get()
    assert refund.needs_account
    assert "/pay/refund/" not in page(ana, refund)
