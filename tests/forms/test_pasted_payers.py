"""Kind 15: what people paste is read as they saw it, and a form that is valid has a payer: one validation for both."""

import sys
import unicodedata
from decimal import Decimal
from typing import Any

import pytest
from django import forms
from hypothesis import given
from hypothesis import strategies as st

from pagoefectivo_django.codes import plain
from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.flows import create_order
from pagoefectivo_django.forms import AccountForm, PayerForm
from pagoefectivo_django.payer import Payer, check_cci, check_document, check_phone, e164
from pagoefectivo_django.texts import one_line, visible
from tests.factories.payers import ANA, FACTURA, payer_of

#: All that Unicode calls a format character, as this Python knows it.
FORMATS = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Cf"]
#: Others that nobody sees: fillers, joiners, selectors, the empty Braille cell, the mark of a lost object.
OTHERS = list("\u034f\u115f\u1160\u17b4\u180b\u2800\u3164\ufe0f\uffa0\ufffc\U000e0101")
#: What contacts of iOS, WhatsApp and names in Indic scripts bring along (faults, 15).
LISTED = list("\u200b\u200d\u200e\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\xad")
TEXTS = [name for name in FACTURA if name not in ("document_type", "receipt")]


def around(text: str, sign: str) -> list[str]:
    return [sign + text, text[:1] + sign + text[1:], text + sign]


@pytest.mark.parametrize("name", TEXTS)
def test_no_invisible_character_changes_who_pays(name: str) -> None:
    """Enumerated: each format character before, in and behind each text; two seconds, of a thousand forms."""
    expected = payer_of(FACTURA)
    for sign in dict.fromkeys([*FORMATS[:: 1 if name == "email" else 7], *LISTED, *OTHERS]):
        for typed in around(FACTURA[name], sign):
            assert payer_of(FACTURA | {name: typed}) == expected, f"U+{ord(sign):04X}"


def test_no_format_character_is_left_in_any_text() -> None:
    assert visible("".join([*FORMATS, *OTHERS])) == ""


@given(st.text(max_size=30))
def test_a_text_is_read_once_and_for_all(text: str) -> None:
    assert one_line(one_line(text)) == one_line(text)


@pytest.mark.parametrize("sign", ["\u200b", "\u200e", "\u202c", "\u2069", "\ufeff", "\xad", "\ufffc", "\u200d"])
def test_an_address_with_something_invisible_behind_is_that_address(sign: str) -> None:
    assert payer_of(ANA | {"email": f"ana@example.com{sign}"}).email == "ana@example.com"
    assert Payer(email=f"{sign}ana@example.com{sign}").email == "ana@example.com"


@pytest.mark.parametrize("host", ["exa\ufffdmple.com", "exam\u2713ple.com", "example.co\u20acm", "example.c\ue000m"])
def test_an_address_on_no_host_is_told_at_its_field(host: str) -> None:
    assert PayerForm(ANA | {"email": f"ana@{host}"}).errors["email"]
    with pytest.raises(InvalidRequest, match=r"^payer\.email "):
        Payer(email=f"ana@{host}")


class Loose(PayerForm):
    """A shop's own fields, without any of our rules."""

    email = forms.CharField()  # type: ignore[assignment]
    name = forms.CharField(required=False, empty_value=None)  # type: ignore[assignment]
    last_name = forms.CharField()  # type: ignore[assignment]
    company = forms.CharField(required=False)  # type: ignore[assignment]
    phone = document_number = None  # type: ignore[assignment]


@pytest.mark.parametrize("form", [PayerForm, Loose])
@given(
    data=st.fixed_dictionaries(
        {name: st.one_of(st.text(max_size=20), st.just(FACTURA[name])) for name in FACTURA if name != "email"}
        | {"email": st.one_of(st.text(max_size=12), st.text(max_size=6).map(lambda text: f"ana@example.com{text}"),
                              st.text(max_size=6).map(lambda text: f"ana@exa{text}mple.com"), st.emails())}
    )
)  # fmt: skip
def test_a_valid_form_has_a_payer(form: Any, data: dict[str, str]) -> None:
    filled = form(data)
    if filled.is_valid():
        payer = filled.payer
        assert Payer.of(payer.data()) == payer


def test_a_shops_own_field_is_judged_like_ours() -> None:
    data = ANA | {"email": "ana@example.com\u200b", "last_name": "Quis\u200dpe"}
    form = Loose(data)
    assert form.is_valid(), form.errors
    assert (form.payer.email, form.payer.name, form.payer.last_name) == ("ana@example.com", "Ana", "Quispe")
    assert Loose(data | {"email": "ana"}).errors["email"] == ["Enter a valid email address."]
    assert Loose(data | {"email": f"{'a' * 60}@{'b' * 40}.pe"}).errors["email"]
    assert Loose(data | {"last_name": "\x07"}).errors["last_name"]


@pytest.mark.parametrize("sign", ["\u202a", "\u202c", "\u202e", "\u2066", "\u2069", "\u200b", "\ufeff"])
def test_numbers_from_contacts_and_chats_are_read(sign: str) -> None:
    assert check_phone(f"{sign}+51 999\u00a0888 777{sign}") == ("+51", "999888777")
    assert check_document("DNI", f"{sign}01234567{sign}") == "01234567"
    assert check_document("CE", f"0012{sign}3\u22124567") == "001234567"
    assert check_cci(f"{sign}011-366-000100032542-21".replace("-", sign)) == "01136600010003254221"
    assert plain(f"{sign}7000 0001{sign}") == "70000001"
    assert AccountForm(
        {"bank": f"BCP{sign}", "cci": f"01136600010003254221{sign}", "holder": f"Ana{sign} Q"}
    ).is_valid()


@pytest.mark.parametrize(
    ("given", "prefix", "kept", "sent"),
    [
        ({"phone": "51999888777"}, "+51", "999888777", "+51999888777"),
        ({"phone": "+58 412 1234567"}, "+58", "4121234567", "+584121234567"),
        ({"phone": "0058 412 1234567"}, "+58", "4121234567", "+584121234567"),
        ({"phone": "\u202a+51 999 888 777\u202c"}, "+51", "999888777", "+51999888777"),
        ({"phone": "999-888-777"}, "+51", "999888777", "+51999888777"),
        ({"phone": "0412 1234567", "phone_prefix": "+58"}, "+58", "4121234567", "+584121234567"),
        ({"phone": "584121234567", "phone_prefix": "58"}, "+58", "4121234567", "+584121234567"),
        ({"phone": "+39 06 698 12345"}, "+39", "0669812345", "+390669812345"),
        ({"phone": "+870 773 111 632"}, "+870", "773111632", "+870773111632"),
        # What exists nowhere is kept as it was typed; it is nobody's, and never a number of Peru if it says another.
        ({"phone": "99988877"}, "+51", "99988877", ""),
        ({"phone": "+999 12345"}, "", "+999 12345", ""),
        ({"phone": "hello"}, "+51", "hello", ""),
        ({}, "+51", "", ""),
    ],
)
def test_a_number_belongs_to_the_country_that_it_says(given: dict[str, str], prefix: str, kept: str, sent: str) -> None:
    payer = Payer(email="ana@example.com", **given)
    assert (payer.phone_prefix, payer.phone, e164(payer)) == (prefix, kept, sent)
    assert Payer.of(payer.data()) == payer


@given(
    st.from_regex(r"\+?[0-9][0-9 ()-]{3,14}", fullmatch=True), st.sampled_from(["+51", "+58", "+1", "+39", "", "+870"])
)
def test_a_number_that_names_its_country_is_never_sent_as_another_ones(typed: str, prefix: str) -> None:
    payer = Payer(email="ana@example.com", phone=typed, phone_prefix=prefix)
    assert Payer.of(payer.data()) == payer
    if typed.startswith("+"):
        assert payer.phone_prefix == "" or "".join(filter(str.isdigit, typed)).startswith(payer.phone_prefix[1:])
        assert (
            check_phone(typed) == (payer.phone_prefix, payer.phone)
            if payer.phone_prefix
            else payer.phone == one_line(typed)
        )


@pytest.mark.django_db
@pytest.mark.usefixtures("pagoefectivo_memory")
def test_a_shops_own_values_are_taken_as_they_are_meant() -> None:
    asked: dict[str, Any] = {"amount": Decimal("120.50"), "currency": "PEN", "payer": Payer(email="ana@example.com")}
    order = create_order(
        reference=1001, concept="Polo \U0001f469\u200d\U0001f467\ufe0f  rojo\u200b", language="en-us", **asked
    )
    assert (order.reference, order.concept, order.language) == ("1001", "Polo \U0001f469\U0001f467 rojo", "en-us")
    assert create_order(reference="1001", **asked) == order
    for language in ("es", "es-pe", "es_PE", "en", "zh-hans", "zh_CN"):
        assert create_order(reference=f"SHOP-{language}", language=language, **asked).language == language
    with pytest.raises(InvalidRequest, match=r"^language is 'fr'; use one of es, en, zh-hans\.$"):
        create_order(reference="SHOP-fr", language="fr", **asked)
