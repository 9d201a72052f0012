"""The voucher page, its PDF and the button for a new code; what only a browser shows is in ``tests/browser``."""

import gzip
import re
import uuid
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

import pagoefectivo_django
from pagoefectivo_django.actors import PROVIDER
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import OutcomeUnknown, PagoEfectivoError, Refused, Unavailable
from pagoefectivo_django.flows import refund_order, reissue_code, resolve_discrepancy, tick
from pagoefectivo_django.models import Cip, Discrepancy, Order
from pagoefectivo_django.models.clock import QUERIES
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.states import VoucherState
from pagoefectivo_django.testing import expire, notify, pay
from tests.browser.states import order_in
from tests.factories.orders import make
from tests.reading import within_a_minute

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]

#: A base with blocks of common names, in which a shop's own pages have something.
SHOP_BASE = "{% block main %}{% endblock %}" + "".join(
    f"{{% block {name} %}}the shop's {name}{{% endblock %}}" for name in ("header", "content", "facts", "footer")
)
TITLES = {
    VoucherState.GETTING: "We are getting your payment code",
    VoucherState.WAITING: "Pay with this code",
    VoucherState.OVERDUE: "The time to pay is over",
    VoucherState.PAID: "We received your payment",
    VoucherState.EXPIRED: "Your code has expired",
    VoucherState.CANCELLED: "This order was cancelled",
    VoucherState.REJECTED: "We could not get a payment code",
    VoucherState.IN_REVIEW: "We are looking at your payment",
    VoucherState.REFUNDED: "Your payment was refunded",
}


class Seen(HTMLParser):
    """Tags, words and what stands in attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(client: Client, order: Order, **query: str) -> Seen:
    answer = client.get(order.voucher_url, query)
    assert answer.status_code == 200
    return Seen(answer.content.decode())


@pytest.fixture
def renewable(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"PAYER_MAY_RENEW": True}


# What it shows.


@pytest.mark.parametrize("state", VoucherState)
def test_each_state_says_what_it_is(client: Client, state: VoucherState) -> None:
    order = order_in(state, language="en")
    seen = page_of(client, order)
    assert TITLES[state] in seen.text
    assert not [title for other, title in TITLES.items() if other != state and title in seen.text]
    assert "Dos polos de algodón" in seen.text
    assert "S/ 35.50" in seen.text
    payable = state == VoucherState.WAITING
    assert (bool(order.code) and order.code in "".join(seen.text.split())) == payable
    assert ("OP-314159" in seen.text) == (state in ("paid", "refunded"))
    refreshes = [one for one in seen.named("meta") if one.get("http-equiv") == "refresh"]
    assert bool(refreshes) == (state in ("getting", "waiting", "overdue", "in_review"))


def test_the_code_is_grouped_for_the_eye_and_whole_for_the_clipboard(client: Client) -> None:
    order = make()
    page = client.get(order.voucher_url).content.decode()
    (shown,) = re.findall(r'id="pagoefectivo-code"[^>]*>(.*?)</p>', page)
    assert re.sub("<[^>]+>", "", shown) == order.code
    assert re.findall("<span>([0-9]+)</span>", shown) == [order.code[:4], order.code[4:]]


def test_the_date_is_in_words_by_limas_clock_whatever_the_shops_is(client: Client, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    order = make(language="es")
    Order.objects.update(expires_at="2099-08-22T04:59:00Z")
    text = "".join(page_of(client, order).text.split())
    assert "viernes21deagosto,11:59p.m." in text


@pytest.mark.parametrize(("currency", "company"), [("PEN", "PagoEfectivo Soles"), ("USD", "PagoEfectivo Dólares")])
def test_it_says_what_to_choose_and_where(client: Client, currency: str, company: str) -> None:
    text = page_of(client, make(currency=currency, language="en")).text
    assert company in text
    assert "Interbank" in text
    assert "company code 02186" in text
    assert ("Yape" in text) == (currency == "PEN")


def test_the_list_of_places_is_the_shops_to_edit(client: Client, settings: Any) -> None:
    ways = {"cash": [("Bodega Rosita", "77777"), "Kasnet"]}
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"WAYS": ways}
    seen = page_of(client, make(language="en"))
    assert "Bodega Rosita company code 77777" in seen.text
    assert "Interbank" not in seen.text
    assert [one["id"] for one in seen.named("input")] == ["pagoefectivo-cash"]


def test_it_can_be_shared_by_a_plain_link(client: Client, settings: Any) -> None:
    order = make(language="en")
    (link,) = [one["href"] for one in page_of(client, order).named("a") if "wa.me" in (one["href"] or "")]
    assert link is not None
    assert f"Code%20%28CIP%29%3A%20{order.code}." in link
    assert f"http%3A//testserver/pay/{order.token}/" in link
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"PUBLIC_URL": "https://shop.example/"}
    assert f"https%3A//shop.example/pay/{order.token}/" in client.get(order.voucher_url).content.decode()


def test_the_providers_own_qr_goes_before_ours(client: Client) -> None:
    order = make(language="en")
    text = page_of(client, order).text
    assert "Scan it to open PagoEfectivo's page" in text
    Cip.objects.update(qr="00020101021226…made-up")
    text = page_of(client, order).text
    assert "Scan it with your wallet to pay" in text
    assert "PagoEfectivo's page of this code on another phone" not in text
    Cip.objects.update(qr="data:image/png;base64,bWFkZS11cA==")
    (picture,) = page_of(client, order).named("img")
    assert picture["src"] == "data:image/png;base64,bWFkZS11cA=="
    assert picture["alt"] == "QR code that pays this code"
    for odd in ("订" * 777, "data:image/jpeg;base64,bWFkZS11cA=="):
        Cip.objects.update(qr=odd)
        assert "Scan it to open PagoEfectivo's page" in page_of(client, order).text
    Cip.objects.update(qr="", url="")
    assert "Scan it" not in page_of(client, order).text


def test_another_payment_of_a_paid_order_is_an_aside(client: Client) -> None:
    order = pay(make(language="en"), operation_number="1")
    assert notify(order, operation_number="2") == 200
    assert Discrepancy.objects.open().get().kind == "duplicate_payment"
    text = page_of(client, order).text
    assert "We received your payment" in text
    assert "Another payment came for this order" in text


def test_a_payment_that_the_provider_took_back_is_looked_at_first(client: Client) -> None:
    order = pay(make(language="en"))
    assert notify(order, "payment_reversed") == 200
    assert "We are looking at your payment" in page_of(client, order).text
    resolve_discrepancy(Discrepancy.objects.get(), "ignore", actor="rosa", reason="The collector has sent it back.")
    text = page_of(client, order).text
    assert "Your payment was refunded" in text
    assert "Another payment" not in text


def test_a_reversal_that_came_first_is_no_invitation_to_pay(client: Client) -> None:
    order = make(language="en")
    assert notify(order, "payment_reversed") == 200
    assert notify(order) == 200
    assert Discrepancy.objects.open().get().kind == "reversed"
    assert "We are looking at your payment" in page_of(client, order).text


# A pending order whose code nobody can pay.


def assert_not_payable(client: Client, order: Order, title: str) -> None:
    order.reload()
    assert order.state in ("pending", "expired")
    text = page_of(client, order).text
    assert title in text
    assert not order.code or order.code not in "".join(text.split())
    pdf = client.get(reverse("pagoefectivo:voucher-pdf", args=[order.token])).content
    assert "CIP" not in pypdfium2.PdfDocument(pdf)[0].get_textpage().get_text_range()


def test_a_wrong_amount_that_was_judged_leaves_nothing_to_pay(client: Client) -> None:
    order = order_in(VoucherState.IN_REVIEW, language="en")
    resolve_discrepancy(Discrepancy.objects.get(), "ignore", actor="rosa", reason="They will write.")
    assert_not_payable(client, order, "We are looking at your payment")


@pytest.mark.parametrize("error", [Unavailable("down"), OutcomeUnknown("lost"), Refused("no", codes=("111",))])
def test_while_a_new_code_is_asked_for_the_old_one_is_not_shown(client: Client, error: Exception) -> None:
    order = make(language="en")
    MemoryChannel.fail("issue", error)
    with suppress(PagoEfectivoError):
        reissue_code(order)
    assert_not_payable(client, order, "We are getting your payment code")


@pytest.mark.parametrize("language", ["fr", "qu", "es-PE", "zh-cn", "x"])
def test_a_language_that_we_do_not_have_raises_nothing(client: Client, language: str) -> None:
    order = make()
    Order.objects.filter(pk=order.pk).update(language=language)  # create_order refuses it
    page_of(client, order)


# What it does not show, and to whom.


def test_it_tells_nobody_anything_personal(client: Client) -> None:
    document = {"document_type": "DNI", "document_number": "44556677"}
    payer = Payer(email="ana@example.com", name="Anacleta", last_name="Quispe", phone="999888777", **document)
    order = make(payer=payer, metadata={"secret": "made-up-secret"})
    for name in ("voucher", "voucher-status", "voucher-pdf"):
        body = client.get(reverse(f"pagoefectivo:{name}", args=[order.token])).content
        if name == "voucher-pdf":
            body = pypdfium2.PdfDocument(body)[0].get_textpage().get_text_range().encode()
        personal = (b"ana@", b"Anacleta", b"Quispe", b"999888777", b"44556677", b"made-up")
        assert not [one for one in personal if one in body]


@pytest.mark.parametrize("name", ["voucher", "voucher-status", "voucher-pdf"])
def test_an_unknown_token_says_nothing(client: Client, name: str) -> None:
    answer = client.get(reverse(f"pagoefectivo:{name}", args=[uuid.uuid4()]))
    assert answer.status_code == 404
    assert b"order" not in answer.content.lower()


@pytest.mark.parametrize("name", ["voucher", "voucher-status", "voucher-pdf", "refund"])
def test_nothing_is_kept_found_framed_or_told(client: Client, name: str) -> None:
    order = make()
    token = _refund(order).link_token if name == "refund" else str(order.token)
    answer = client.get(reverse(f"pagoefectivo:{name}", args=[token]))
    assert answer.status_code == 200
    assert answer["Referrer-Policy"] == ("same-origin" if name == "refund" else "no-referrer")
    assert answer["X-Robots-Tag"] == "noindex"
    assert {"no-store", "private"} <= set(answer["Cache-Control"].split(", "))
    policy = dict(one.split(" ", 1) for one in answer["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert "unsafe" not in answer["Content-Security-Policy"]


def _refund(order: Order) -> Any:
    return refund_order(pay(order), actor="rosa", reason="Sold out")


@pytest.mark.parametrize("scheme", ["https:", ""])
def test_static_files_elsewhere_are_the_only_exception(client: Client, settings: Any, scheme: str) -> None:
    settings.STATIC_URL = f"{scheme}//static.shop.example/files/"
    policy = client.get(make().voucher_url)["Content-Security-Policy"]
    assert f"script-src 'self' {scheme and 'https://'}static.shop.example;" in policy
    assert "connect-src 'self';" in policy


@pytest.mark.parametrize(("ours", "sent"), [("default-src 'self'", "default-src 'self'"), ("", None)])
def test_a_shop_can_have_a_policy_of_its_own(client: Client, settings: Any, ours: str, sent: str | None) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CONTENT_SECURITY_POLICY": ours}
    assert client.get(make().voucher_url).headers.get("Content-Security-Policy") == sent


@pytest.mark.parametrize("state", VoucherState)
def test_nothing_is_inline_and_nothing_from_elsewhere(client: Client, state: VoucherState) -> None:
    seen = page_of(client, order_in(state))
    for tag, attributes in seen.tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], (tag, attributes)
        assert tag != "style"
        assert tag != "script" or attributes["src"] == "/static/pagoefectivo/voucher.js"
        assert tag != "link" or (attributes["href"] or "").startswith(("/static/", "data:"))


def test_the_first_view_is_light(client: Client) -> None:
    long = "Un concepto largo de cincuenta letras, más o menos" * 3
    order = make(amount=Decimal("9999999.99"), concept=long, language="es")
    parts = [client.get(order.voucher_url).content]
    parts += [Path(str(finders.find(f"pagoefectivo/voucher.{kind}"))).read_bytes() for kind in ("css", "js")]
    assert sum(len(gzip.compress(part, 6)) for part in parts) < 40 * 1024


def test_the_page_costs_one_statement(client: Client) -> None:
    order = order_in(VoucherState.IN_REVIEW)
    with CaptureQueriesContext(connection) as made:
        client.get(order.voucher_url)
    assert len([each for each in made if each["sql"] not in QUERIES.values()]) == 1  # besides what time it is


def test_it_can_be_put_into_the_shops_own_pages(client: Client, settings: Any, tmp_path: Path) -> None:
    (tmp_path / "pagoefectivo").mkdir()
    (tmp_path / "shop.html").write_text(SHOP_BASE)
    (tmp_path / "pagoefectivo/base.html").write_text(
        '{% extends "shop.html" %}{% block main %}{% block pagoefectivo_head %}{% endblock %}'
        "{% block pagoefectivo_content %}{% endblock %}{% endblock %}"
    )
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    text = page_of(client, make(language="en")).text
    assert "Pay with this code" in text
    for kept in ("header", "content", "facts", "footer"):
        assert f"the shop's {kept}" in text


def test_no_block_of_a_page_has_a_name_that_a_shops_base_may_have() -> None:
    pages = Path(pagoefectivo_django.__file__).parent / "templates/pagoefectivo"
    named = [name for page in pages.glob("*.html") for name in re.findall(r"{% block (\w+)", page.read_text())]
    assert len(named) > 20
    assert [name for name in named if not name.startswith("pagoefectivo_")] == []


def test_what_needs_no_static_file_does_without_their_manifest(client: Client, settings: Any) -> None:
    backend = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": backend}}
    settings.STATIC_ROOT = "made-up"
    order = make()
    for name in ("voucher-status", "voucher-pdf"):
        answer = client.get(reverse(f"pagoefectivo:{name}", args=[order.token]))
        assert answer.status_code == 200
        assert "script-src 'self';" in answer["Content-Security-Policy"]


@pytest.mark.parametrize("name", ["voucher", "voucher-status", "voucher-renew"])
def test_an_odd_method_learns_as_little(name: str) -> None:
    answer = Client().patch(reverse(f"pagoefectivo:{name}", args=[make().token]))
    assert answer.status_code == 405
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer["Cache-Control"]


# The PDF.


@pytest.mark.parametrize("state", VoucherState)
def test_the_pdf_says_the_same(client: Client, state: VoucherState) -> None:
    order = order_in(state, language="en")
    answer = client.get(reverse("pagoefectivo:voucher-pdf", args=[order.token]))
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"].startswith('attachment; filename="pagoefectivo-')
    text = "".join(pypdfium2.PdfDocument(answer.content)[0].get_textpage().get_text_range().split())
    assert "S/35.50" in text
    assert (bool(order.code) and order.code in text) == (state == VoucherState.WAITING)


# A new code.


def renew(client: Client, order: Order) -> Any:
    return client.post(reverse("pagoefectivo:voucher-renew", args=[order.token]), follow=True)


@pytest.mark.usefixtures("renewable")
def test_the_payer_of_an_expired_code_gets_another(client: Client) -> None:
    order = expire(make(language="en"))
    old = order.code
    assert "Get a new code" in page_of(client, order).text
    strict = Client(enforce_csrf_checks=True)  # the page sends no referrer, so its form has no origin
    answer = strict.post(reverse("pagoefectivo:voucher-renew", args=[order.token]), HTTP_ORIGIN="null", follow=True)
    order.reload()
    assert order.state == "pending"
    assert order.code not in ("", old)
    assert order.code in "".join(Seen(answer.content.decode()).text.split())
    assert order.expires_at > timezone.now() + timedelta(hours=47)
    assert order.events.get(kind="cip_issued", state_before="expired").actor == PROVIDER


def test_only_where_the_shop_allows_it(client: Client) -> None:
    order = expire(make(language="en"))
    assert "Get a new code" not in page_of(client, order).text
    assert renew(client, order).status_code == 200
    order.reload()
    assert (order.state, order.pending_action) == ("expired", "")


@pytest.mark.usefixtures("renewable")
@pytest.mark.parametrize("state", [state for state in VoucherState if state != VoucherState.EXPIRED])
def test_only_when_it_has_expired(client: Client, state: VoucherState) -> None:
    order = order_in(state, language="en")
    cips, pending_action = order.cips.count(), order.pending_action
    assert "Get a new code" not in page_of(client, order).text
    assert renew(client, order).status_code == 200
    order.reload()
    assert (order.cips.count(), order.pending_action) == (cips, pending_action)


@pytest.mark.usefixtures("renewable")
def test_an_order_that_was_ordered_again_gets_none(client: Client) -> None:
    old = expire(make(reference="AGAIN"))
    make(reference="AGAIN")
    renew(client, old)
    old.reload()
    assert (old.state, old.cips.count()) == ("expired", 1)


@pytest.mark.usefixtures("renewable")
def test_a_second_click_while_the_first_waits_asks_for_nothing(client: Client) -> None:
    order = expire(make())
    MemoryChannel.fail("issue", OutcomeUnknown("no answer"))
    renew(client, order)
    asked = list(MemoryChannel.calls)
    renew(client, order)
    assert MemoryChannel.calls == asked


@pytest.mark.usefixtures("renewable")
def test_a_provider_that_is_down_is_asked_again(client: Client) -> None:
    order = expire(make(language="en"))
    MemoryChannel.fail("issue", Unavailable("down"))
    answer = renew(client, order)
    assert "We are getting your payment code" in Seen(answer.content.decode()).text
    tick(timezone.now() + timedelta(minutes=5))
    assert "Pay with this code" in page_of(client, order).text


@pytest.mark.usefixtures("renewable")
def test_a_provider_that_refuses_is_said_and_asked_once(client: Client) -> None:
    order = expire(make(language="en"))
    MemoryChannel.fail("issue", Refused("no", codes=("111",)))
    for _ in range(3):
        assert "There is no new code." in Seen(renew(client, order).content.decode()).text
    assert Discrepancy.objects.open().get().kind == "not_confirmed"
    assert order.cips.count() == 2


@pytest.mark.usefixtures("renewable")
@pytest.mark.parametrize("meanwhile", ["paid late", "ordered again"])
def test_a_renewal_that_waits_is_given_up_when_it_is_not_wanted_any_more(client: Client, meanwhile: str) -> None:
    order = expire(make(language="en"))
    MemoryChannel.fail("issue", Unavailable("down"))
    renew(client, order)
    if meanwhile == "paid late":
        assert notify(order, paid_at=timezone.now()) == 200
        assert Discrepancy.objects.open().get().kind == "late_payment"
    else:
        make(reference=order.reference)
    asked = [call for call in MemoryChannel.calls if call[0] == "issue"]
    tick(timezone.now() + timedelta(minutes=5))
    assert [call for call in MemoryChannel.calls if call[0] == "issue"] == asked
    order.reload()
    assert (order.state, order.pending_action) == ("expired", "")


@pytest.mark.usefixtures("renewable")
def test_who_presses_like_a_machine_is_stopped(client: Client) -> None:
    order = expire(make())
    url = reverse("pagoefectivo:voucher-renew", args=[order.token])
    answers = within_a_minute(lambda: [client.post(url).status_code for _ in range(11)])
    assert set(answers[:10]) == {302}
    assert answers[10] == 429


def test_the_button_is_pressed_not_followed(client: Client) -> None:
    order = expire(make())
    assert client.get(reverse("pagoefectivo:voucher-renew", args=[order.token])).status_code == 405
    assert client.post(reverse("pagoefectivo:voucher-renew", args=[uuid.uuid4()])).status_code == 404
