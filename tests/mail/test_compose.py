"""What the messages say, and in which shape."""

import re
import uuid
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMultiAlternatives

from pagoefectivo_django.conf import MESSAGES, SHORT_MESSAGES
from pagoefectivo_django.mail.compose import LONGEST_SUBJECT, compose
from pagoefectivo_django.mail.short import short_text
from pagoefectivo_django.states import VoucherState
from tests.factories.vouchers import BY_LINK, PAYMENT_PAGE, URL, link_of, voucher_for

EVENT = uuid.UUID("11111111-2222-4333-8444-555566667777")
#: GSM 03.38: an SMS of these letters alone has 160 of them, or parts of 153.
GSM = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
GSM += "abcdefghijklmnopqrstuvwxyzäöñüà"


@pytest.fixture(autouse=True)
def sender(settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = "The Shop <pay@shop.example>"


def composed(name: str, **changes: Any) -> EmailMultiAlternatives:
    return compose(name, voucher_for(name, **changes), to="ana@example.com", event_id=EVENT)


def html(message: EmailMultiAlternatives) -> str:
    return str(message.alternatives[0][0])


def seen(message: EmailMultiAlternatives) -> str:
    """The words of the HTML, as somebody reads them."""
    text = re.sub(r"<(style|title)>.*?</\1>|<[^>]+>", "", html(message), flags=re.DOTALL)
    return " ".join(text.replace("&amp;", "&").replace("&lt;", "<").replace("&#x27;", "'").split())


def of_message(name: str) -> list[str]:
    """What a payer must find in it, in the text and in the HTML."""
    to_pay = [
        "245919830",
        "S/\u00a01,234.50",
        "Friday, August 21, 11:59",
        "PagoEfectivo Soles",
        "Yape",
        "02186",
        "cash",
    ]
    paid = ["S/\u00a01,234.50", "7001", "Friday, August 21, 9:03"]
    return {
        "created": ["Pay with this code", "attached PDF", *to_pay],
        "reminder": ["expires soon", *to_pay],
        "paid": ["Thank you", *paid],
        "expired": ["Do not pay it any more", "245919830"],
        "in_review": ["do not pay again", "will write to you"],
        "refund_account": ["is being refunded", "once", "S/\u00a01,234.50"],
        "refunded": ["was refunded", *paid],
    }[name]


@pytest.mark.parametrize("name", MESSAGES)
def test_what_it_says_and_where_it_leads(name: str) -> None:
    message = composed(name)
    for said in [*of_message(name), "Two T-shirts", "SHOP-1001"]:
        assert " ".join(said.split()) in " ".join(message.body.split()), said
        assert " ".join(said.split()) in seen(message), said
    assert message.body.count(link_of(name)) == 1
    assert f'href="{link_of(name)}"' in html(message)


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("language", ["es", "en", "zh-hans"])
def test_every_language_and_its_header(name: str, language: str) -> None:
    message = composed(name, language=language)
    parsed = message.message()
    assert parsed["Content-Language"] == language
    assert f'<html lang="{language}">' in html(message)
    assert message.subject
    assert "\n" not in message.subject
    assert "\n\n\n" not in message.body
    days = {"es": "viernes 21 de agosto", "en": "Friday, August 21", "zh-hans": "8月21日星期五"}
    assert (days[language] in message.body) == (name not in ("in_review", "refund_account"))
    assert parsed.as_bytes().endswith(b"\n")


@pytest.mark.parametrize("name", MESSAGES)
def test_headers(name: str) -> None:
    parsed = composed(name).message()
    assert parsed["Message-ID"] == f"<{EVENT}.{name}@shop.example>"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert (parsed["To"], parsed["From"]) == ("ana@example.com", "The Shop <pay@shop.example>")


@pytest.mark.parametrize(
    ("sender", "domain"),
    [("pay@shop.example", "shop.example"), ("Ñandú <x@ñandú.example>", "xn--and-6ma2c.example"), ("root", "localhost")],
)
def test_the_message_id_s_domain_is_the_sender_s(settings: Any, sender: str, domain: str) -> None:
    settings.DEFAULT_FROM_EMAIL = sender
    assert composed("paid").extra_headers["Message-ID"] == f"<{EVENT}.paid@{domain}>"


def parts(message: EmailMultiAlternatives) -> list[Message]:
    return [part for part in message.message().walk() if not part.is_multipart()]


@pytest.mark.parametrize("name", MESSAGES)
def test_only_the_created_one_brings_the_voucher_as_a_pdf(name: str) -> None:
    kinds = [part.get_content_type() for part in parts(composed(name))]
    assert kinds == ["text/plain", "text/html", *(["application/pdf"] if name == "created" else [])]
    if name == "created":
        pdf = parts(composed(name))[2]
        assert pdf.get_filename() == "pagoefectivo-245919830.pdf"
        content = pdf.get_payload(decode=True)
        assert isinstance(content, bytes)
        assert content.startswith(b"%PDF-")


@pytest.mark.parametrize("name", MESSAGES)
def test_no_concept_makes_a_header(name: str) -> None:
    message = composed(name, concept="Shirts\r\nBcc: all@example.com\r\n\r\nHello\u2028there " + "x" * 300)
    assert len(message.subject) <= LONGEST_SUBJECT
    assert "Bcc" not in message.message()
    assert "all@example.com" not in message.recipients()
    assert " · Shirts Bcc: all@example.com Hello there xx" in message.subject


@pytest.mark.parametrize("name", MESSAGES)
def test_the_shop_s_words_are_text_in_both(name: str) -> None:
    message = composed(name, concept="Hat <b>&</b> 'scarf'")
    assert "Hat <b>&</b> 'scarf'" in message.body
    assert "Hat <b>&</b> 'scarf'" in message.subject
    assert "Hat &lt;b&gt;&amp;&lt;/b&gt; &#x27;scarf&#x27;" in html(message)


def test_the_code_is_large_and_copied_without_blanks() -> None:
    shown = re.search(r"font-size:30px[^>]*>(.*?)</div>", html(composed("created")))
    assert shown
    assert re.sub("<[^>]+>", "", shown[1]) == "245919830"
    assert shown[1].count("<span") == 3


@pytest.mark.parametrize("name", MESSAGES)
def test_nothing_is_asked_of_another_host_and_nothing_runs(name: str) -> None:
    text = html(composed(name))
    assert not re.search(r"<script|<img|<link|@import|url\(|\bsrc=", text)
    assert set(re.findall(r'https?://[^"\s<]+', text)) == {link_of(name)}


@pytest.mark.parametrize("name", MESSAGES)
def test_without_a_public_address_there_is_the_provider_s_or_none(name: str) -> None:
    assert "href" not in html(composed(name, url=""))
    assert "http" not in composed(name, url="").body
    if name in ("created", "reminder"):
        theirs = "https://pagoefectivo.example/245919830"
        assert theirs in composed(name, url="", provider_url=theirs).body


def test_a_new_code_is_offered_where_the_shop_allows_it() -> None:
    for renewable in (True, False):
        message = composed("expired", renewable=renewable)
        assert ("Get a new code" in message.body) == ("Get a new code" in seen(message)) == renewable


def test_another_payment_of_a_paid_order() -> None:
    message = composed("in_review", state=VoucherState.PAID)
    assert "Another payment came" in message.body
    assert "Another payment came" in seen(message)


def test_dollars_are_paid_to_their_own_company(settings: Any) -> None:
    from decimal import Decimal

    from pagoefectivo_django.documents.ways import ways_of
    from pagoefectivo_django.money import Money

    text = composed("created", money=Money(Decimal("35"), "USD"), ways=ways_of("USD")).body
    assert "US$\u00a035.00" in text
    assert "PagoEfectivo Dólares" in text
    assert "Yape" not in text


def test_a_shop_overrides_a_template_or_a_block(settings: Any, tmp_path: Path) -> None:
    folder = tmp_path / "pagoefectivo" / "mail"
    folder.mkdir(parents=True)
    (folder / "paid.subject.txt").write_text("Hooray, {{ voucher.title }}\n")
    (folder / "paid.html").write_text(
        '{% extends "pagoefectivo/mail/base.html" %}{% block brand %}My Shop{% endblock %}'
        "{% block heading %}Hooray{% endblock %}"
    )
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    message = composed("paid")
    assert message.subject == "Hooray, Two T-shirts"
    assert "My Shop Hooray" in seen(message)
    assert "SHOP-1001" in seen(message)
    assert "Thank you" in message.body


@pytest.mark.parametrize("language", ["es", "en", "zh-hans"])
def test_templates_speak_the_voucher_s_language(settings: Any, tmp_path: Path, language: str) -> None:
    for file in ("mail/paid.subject.txt", "mail/paid.txt", "mail/paid.html", "sms/paid.txt"):
        path = tmp_path / "pagoefectivo" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{% load i18n %}{% get_current_language as spoken %}{{ spoken }}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    message = composed("paid", language=language)
    text = short_text("paid", voucher_for("paid", language=language))
    assert {message.subject, message.body.strip(), html(message).strip(), text} == {language}


# An order that is paid on a page of the provider's, without a code.


def by_link(name: str, **changes: Any) -> Any:
    given = BY_LINK if name in ("created", "reminder") else BY_LINK | {"provider_url": ""}
    return voucher_for(name, **given | changes)


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("language", ["es", "en", "zh-hans"])
def test_a_link_stands_where_a_code_would(name: str, language: str) -> None:
    message = compose(name, by_link(name, language=language), to="ana@example.com", event_id=EVENT)
    text = f"{message.subject} {message.body} {seen(message)}"
    assert not re.search("CIP|PagoEfectivo", text), text
    leads_to = PAYMENT_PAGE if name in ("created", "reminder") else link_of(name)
    assert message.body.count(leads_to) == 1
    assert f'href="{leads_to}"' in html(message)
    assert [file[0] for file in message.attachments] == (["pagoefectivo-voucher.pdf"] if name == "created" else [])


@pytest.mark.parametrize("name", SHORT_MESSAGES)
@pytest.mark.parametrize("language", ["es", "en", "zh-hans"])
def test_a_short_text_leads_to_the_link(name: str, language: str) -> None:
    text = short_text(name, by_link(name, language=language))
    assert "CIP" not in text
    assert text.endswith(PAYMENT_PAGE if name in ("created", "reminder") else link_of(name))
    assert URL not in text or name not in ("created", "reminder")


# Short texts.


@pytest.mark.parametrize("name", SHORT_MESSAGES)
@pytest.mark.parametrize("language", ["es", "en", "zh-hans"])
def test_a_short_text_is_one_line(name: str, language: str) -> None:
    text = short_text(name, voucher_for(name, language=language))
    assert "\n" not in text
    assert text.endswith(link_of(name))
    assert "245919830" in text
    if name in ("created", "reminder"):
        assert "S/ 1,234.50" in text
        assert "21" in text


@pytest.mark.parametrize("name", SHORT_MESSAGES)
@pytest.mark.parametrize("language", ["es", "en"])
def test_a_short_text_costs_two_parts_at_most(name: str, language: str) -> None:
    """In Spanish on a Saturday, which has an accent that GSM does not know."""
    saturday = datetime(2026, 9, 27, 4, 59, tzinfo=UTC)
    text = short_text(name, voucher_for(name, language=language, expires_at=saturday, renewable=True))
    assert not set(text) - set(GSM)
    assert len(text) <= 2 * 153


def test_a_short_text_knows_whether_there_is_a_new_code_to_get() -> None:
    for renewable in (True, False):
        assert (
            "Get a new code: https" in short_text("expired", voucher_for("expired", renewable=renewable))
        ) == renewable
    assert "Get" not in short_text("expired", voucher_for("expired", renewable=True, url=""))
