"""The page on which a payer names the account for a refund."""

import re
import unicodedata
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.views.debug import SafeExceptionReporterFilter

from pagoefectivo_django.flows import refund_order
from pagoefectivo_django.models import OrderEvent, Refund
from pagoefectivo_django.testing import pay
from pagoefectivo_django.views import refund as view
from tests.factories.orders import make
from tests.factories.refunds import ACCOUNT, CCI, bring

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]


@pytest.fixture
def refund() -> Refund:
    return refund_order(pay(make(concept="Two T-shirts", language="en")), actor="rosa", reason="Sold out")


def url(refund: Refund) -> str:
    return reverse("pagoefectivo:refund", args=[refund.link_token])


def fresh(refund: Refund) -> Refund:
    return Refund.objects.get(pk=refund.pk)


def test_it_asks_where_the_money_shall_go(client: Client, refund: Refund) -> None:
    answer = client.get(url(refund))
    assert answer.status_code == 200
    text = answer.content.decode()
    for shown in (
        "S/\u00a035.50",
        "Two T-shirts",
        'name="bank"',
        'name="cci"',
        'name="holder"',
        'inputmode="numeric"',
        "BCP",
    ):
        assert shown in text
    assert "Sold out" not in text
    assert "<script" not in text
    assert fresh(refund).needs_account


def test_it_keeps_the_account_and_shows_only_its_end(client: Client, refund: Refund) -> None:
    here = url(refund)
    answer = client.post(here, ACCOUNT)
    assert (answer.status_code, answer.headers["Location"]) == (302, here)
    kept = fresh(refund)
    assert (kept.bank, kept.cci, kept.holder) == ("BBVA", CCI, "Ana Quispe")
    text = client.get(here).content.decode()
    assert "ends in 4221" in text
    assert "<form" not in text
    assert not [secret for secret in (CCI, CCI[:-4], "Quispe", "BBVA") if secret in text]
    told = str(list(OrderEvent.objects.values_list("data", "reason")))
    assert "account_named" in told
    assert not [secret for secret in (CCI, "Quispe", "BBVA") if secret in told]


def test_an_account_is_named_once(client: Client, refund: Refund) -> None:
    client.post(url(refund), ACCOUNT)
    answer = client.post(url(refund), {**ACCOUNT, "holder": "Eva Mamani"}, follow=True)
    assert "ends in 4221" in answer.content.decode()
    assert fresh(refund).holder == "Ana Quispe"


@pytest.mark.parametrize(
    "cci",
    [
        "011-366-000100032542-21",
        " 011 366 000100032542 21 ",
        "011–366—000100032542‐21",
        "011 3660 0010 0032 5422 1",
        "\u00a001136600010003254221\u00a0",
    ],
)
def test_blanks_and_hyphens_are_forgiven(client: Client, refund: Refund, cci: str) -> None:
    assert client.post(url(refund), {**ACCOUNT, "cci": cci}).status_code == 302
    assert fresh(refund).cci == CCI


@pytest.mark.parametrize(
    ("cci", "said"),
    [
        ("", "required"),
        ("0113660001000325422", "has 20 digits; this has 19"),
        ("011366000100032542211", "has 20 digits; this has 21"),
        ("01136600010003254222", "a digit is wrong"),
        ("01136600010003254211", "a digit is wrong"),
        ("01136500010003254221", "a digit is wrong"),
        ("01136600010003245221", "a digit is wrong"),
        ("00000000000000000000", "a digit is wrong"),
        ("011366000I0003254221", "digits only"),
        ("٠١١٣٦٦٠٠٠١٠٠٠٣٢٥٤٢٢١", "digits only"),
        ("0113660001000325422²", "digits only"),
        ("-", "digits only"),
        ("=01136600010003254221", "digits only"),
        ("1" * 61, "at most 60"),
        ("\x00", "Null characters"),
    ],
)
def test_a_wrong_cci_is_said_at_its_field(client: Client, refund: Refund, cci: str, said: str) -> None:
    answer = client.post(url(refund), {**ACCOUNT, "cci": cci})
    assert answer.status_code == 200
    text = answer.content.decode()
    field = text[text.index('for="id_cci"') : text.index('for="id_holder"')]
    assert said in field
    assert 'aria-invalid="true"' in field
    assert text.count("errorlist") == 1
    assert fresh(refund).cci == ""


def test_every_single_digit_that_is_wrong_is_found(client: Client, refund: Refund) -> None:
    for place in range(20):
        wrong = CCI[:place] + str((int(CCI[place]) + 1) % 10) + CCI[place + 1 :]
        assert client.post(url(refund), {**ACCOUNT, "cci": wrong}).status_code == 200
    assert fresh(refund).cci == ""


@pytest.mark.parametrize(
    "name",
    ["María-José D'Ángelo", "Ñusta Íñigo", "Inversiones 3 Hermanos S.A.C.", "3M (Perú) S.A. & Cía./Lima", "Jose\u0301"],
)
def test_names_as_people_have_them(client: Client, refund: Refund, name: str) -> None:
    assert client.post(url(refund), {**ACCOUNT, "holder": f"  {name} ", "bank": name}).status_code == 302
    kept = fresh(refund)
    assert kept.holder == kept.bank == unicodedata.normalize("NFC", name)


NO_NAMES = [
    "",
    "  ",
    "=1+1",
    "+51 999",
    "-x",
    "@SUM(A1)",
    "Ana\nQuispe=",
    "<b>Ana</b>",
    "Ana;x",
    'Ana "x"',
    "\tAna=",
    "A\x00na",
]


@pytest.mark.parametrize("name", [*NO_NAMES, "x" * 101])
@pytest.mark.parametrize("field", ["holder", "bank"])
def test_what_is_no_name(client: Client, refund: Refund, field: str, name: str) -> None:
    answer = client.post(url(refund), {**ACCOUNT, field: name})
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert fresh(refund).needs_account


def test_a_number_is_no_holder(client: Client, refund: Refund) -> None:
    assert "the holder&#x27;s name" in client.post(url(refund), {**ACCOUNT, "holder": "123"}).content.decode()


def test_what_was_typed_is_kept_in_the_form(client: Client, refund: Refund) -> None:
    text = client.post(url(refund), {**ACCOUNT, "cci": "1", "holder": "Ana <Quispe>"}).content.decode()
    assert 'value="BBVA"' in text
    assert "Ana &lt;Quispe&gt;" in text


# Where the refund stands.


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("by_channel", "the way it came"),
        ("sent", "ends in 4221"),
        ("done", "was sent back"),
        ("failed", "did not work out"),
    ],
)
def test_it_says_where_the_refund_stands(client: Client, refund: Refund, step: str, said: str) -> None:
    if step == "by_channel":
        Refund.objects.filter(pk=refund.pk).update(by_channel=True)
    else:
        bring(refund, step)
    before = fresh(refund).cci
    text = client.get(url(refund)).content.decode()
    assert said in text
    assert "<form" not in text
    assert client.post(url(refund), {**ACCOUNT, "cci": "00219300000000000015"}).status_code in (200, 302)
    assert fresh(refund).cci == before


# The link, and who may use it.


@pytest.mark.parametrize("token", ["x", "MQ:1abc:xyz", "a" * 3000, "%00", "%C3%B1", "1"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_link_that_does_not_work(client: Client, refund: Refund, token: str, method: str) -> None:
    answer = getattr(client, method)(f"/pay/refund/{token}/", ACCOUNT)
    assert answer.status_code == 404
    text = answer.content.decode()
    assert "ask the shop" in text
    assert "<form" not in text
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert fresh(refund).needs_account


@pytest.mark.parametrize("method", ["get", "head", "post"])
def test_headers(client: Client, refund: Refund, method: str) -> None:
    answer = getattr(client, method)(url(refund))
    assert answer.status_code == 200
    # As secret towards others as "no-referrer", with which browsers send "Origin: null" and the form never arrives.
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert "no-store" in answer.headers["Cache-Control"]


def test_other_methods(client: Client, refund: Refund) -> None:
    for method in ("put", "delete", "patch"):
        assert getattr(client, method)(url(refund)).status_code == 405


@pytest.mark.parametrize("middleware", [True, False])
def test_without_csrf_token_nothing_is_kept(settings: Any, refund: Refund, middleware: bool) -> None:
    if not middleware:
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "Csrf" not in name]
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(url(refund), ACCOUNT).status_code == 403
    assert fresh(refund).needs_account
    text = strict.get(url(refund)).content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', text)
    assert token
    assert strict.post(url(refund), {**ACCOUNT, "csrfmiddlewaretoken": token[1]}).status_code == 302


def test_an_error_report_does_not_show_the_account(rf: Any, refund: Refund) -> None:
    request = rf.post(url(refund), ACCOUNT)
    request._dont_enforce_csrf_checks = True
    view(request, refund.link_token)
    shown = SafeExceptionReporterFilter().get_post_parameters(request)
    assert not {CCI, "Ana Quispe"} & set(shown.values())


@pytest.mark.parametrize("language", ["es", "en", "zh-hans"])
def test_it_speaks_the_payer_s_language(client: Client, language: str) -> None:
    refund = refund_order(pay(make(language=language)), actor="rosa", reason="x")
    assert f'<html lang="{language}">' in client.get(url(refund), headers={"Accept-Language": "de"}).content.decode()
