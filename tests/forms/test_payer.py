"""The form for the payer's data, by Peru's rules."""

import re
from typing import Any

import pytest
from django import forms
from hypothesis import given
from hypothesis import strategies as st
from stdnum.pe import ruc

from pagoefectivo_django.forms import PayerForm
from pagoefectivo_django.payer import Payer, check_document, check_phone
from tests.factories.payers import ANA, FACTURA, RUC, payer_of
from tests.wording import REQUIRED


def errors_of(data: dict[str, str]) -> dict[str, list[str]]:
    return {name: [str(error) for error in errors] for name, errors in PayerForm(data).errors.items()}


def test_a_boleta_for_a_person() -> None:
    assert payer_of(ANA).data() == {
        "email": "ana@example.com",
        "name": "Ana",
        "last_name": "Quispe",
        "phone": "999888777",
        "phone_prefix": "+51",
        "document_type": "DNI",
        "document_number": "01234567",
        "country": "PERU",
        "receipt": "boleta",
    }


def test_a_factura_for_a_company() -> None:
    payer = payer_of(FACTURA)
    assert (payer.receipt, payer.document_type, payer.document_number) == ("factura", "RUC", RUC)
    assert (payer.company, payer.address) == ("Tejidos Quispe S.A.C.", "Jr. Lima 123, Puno")


def test_a_boleta_has_no_company_even_if_one_was_typed() -> None:
    payer = payer_of(FACTURA | {"receipt": "boleta"})
    assert (payer.document_type, payer.company, payer.address) == ("RUC", "", "")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("document_number", "A factura needs the company's RUC."),
        ("company", "A factura needs the company's name."),
        ("address", "A factura needs the company's fiscal address."),
    ],
)
def test_a_factura_needs_the_company(name: str, said: str) -> None:
    form = PayerForm(FACTURA | {name: "  "})
    form.fields["document_number"].required = False
    assert form.errors == {name: [said]}


def test_a_factura_needs_a_ruc() -> None:
    assert errors_of(FACTURA | {"document_type": "DNI", "document_number": "01234567"}) == {
        "document_type": ["A factura needs a RUC: choose it here, or choose a boleta."]
    }


@pytest.mark.parametrize(
    ("kind", "typed", "said"),
    [
        ("DNI", "1234567", "A DNI has 8 digits; this has 7."),
        ("DNI", "12345678-9", "A DNI has 8 digits; this has 9."),
        ("DNI", "1234567A", "A DNI has digits only."),
        ("DNI", "1234567²x", "A DNI has digits only."),
        ("DNI", "---", "A DNI has digits only."),
        ("RUC", "2051233379", "A RUC has 11 digits; this has 10."),
        ("RUC", "20512333798", "This is no RUC: a digit is wrong. Please compare it."),
        ("RUC", "30512333797", "A RUC begins with 10, 15, 17 or 20."),
        ("CE", "00123-45ñ", "The number has letters from A to Z and digits only."),
        ("PAS", "A" * 13, "The number has at most 12 letters and digits; this has 13."),
    ],
)
def test_a_wrong_document_is_told_at_its_field(kind: str, typed: str, said: str) -> None:
    assert errors_of(ANA | {"document_type": kind, "document_number": typed}) == {"document_number": [said]}


@pytest.mark.parametrize(
    ("kind", "typed", "kept"),
    [
        ("DNI", " 01 234 567 ", "01234567"),
        ("DNI", "０１２３４５６７", "01234567"),
        ("RUC", "20-51233379-7", RUC),
        ("CE", "ce-001234567", "CE001234567"),
        ("PAS", "ab 123456", "AB123456"),
    ],
)
def test_a_document_is_taken_as_people_write_it(kind: str, typed: str, kept: str) -> None:
    assert payer_of(ANA | {"document_type": kind, "document_number": typed}).document_number == kept


@given(st.from_regex(r"[0-9]{8}", fullmatch=True))
def test_every_dni_of_eight_digits_is_kept_as_it_is(number: str) -> None:
    assert check_document("DNI", number) == number


@given(st.sampled_from(["10", "15", "17", "20"]), st.from_regex(r"[0-9]{8}", fullmatch=True), st.data())
def test_a_ruc_holds_and_with_one_digit_changed_it_does_not(kind: str, middle: str, data: st.DataObject) -> None:
    number = kind + middle + ruc.calc_check_digit(kind + middle)
    assert check_document("RUC", number) == number
    place = data.draw(st.integers(0, 10))
    digit = data.draw(st.sampled_from("0123456789".replace(number[place], "")))
    changed = number[:place] + digit + number[place + 1 :]
    # SUNAT's check digit 1 stands for two remainders of eleven: between those no library sees the change.
    if place < 10 and number[10] == "1" and ruc.calc_check_digit(changed[:10]) == "1":
        return
    with pytest.raises(forms.ValidationError):
        check_document("RUC", changed)


@pytest.mark.parametrize(
    ("typed", "prefix", "kept"),
    [
        ("999 888 777", "+51", "999888777"),
        ("+51 999888777", "+51", "999888777"),
        ("51999888777", "+51", "999888777"),
        ("(01) 444-1234", "+51", "14441234"),
        ("+1 202 555 0143", "+1", "2025550143"),
        ("+39 06 698 12345", "+39", "0669812345"),
    ],
)
def test_a_phone_is_taken_as_people_write_it(typed: str, prefix: str, kept: str) -> None:
    payer = payer_of(ANA | {"phone": typed})
    assert (payer.phone_prefix, payer.phone) == (prefix, kept)
    assert check_phone(typed) == (prefix, kept)


@pytest.mark.parametrize("typed", ["99988877", "9998887777", "hello", "+999 12345", "+1 202 555"])
def test_what_is_no_phone_is_told_at_its_field(typed: str) -> None:
    (said,) = errors_of(ANA | {"phone": typed})["phone"]
    assert said.startswith("This is no phone number.")


@pytest.mark.parametrize("name", ["email", "name", "last_name", "phone", "document_type", "document_number", "receipt"])
def test_what_is_needed_is_asked_for(name: str) -> None:
    assert errors_of(ANA | {name: ""})[name] == [REQUIRED]


def test_pasted_names_become_what_an_order_can_take() -> None:
    payer = payer_of(ANA | {"name": "  Ana\tMari\u0301a\u00a0", "last_name": "de la\n Cruz"})
    assert (payer.name, payer.last_name) == ("Ana Mar\u00eda", "de la Cruz")
    assert errors_of(ANA | {"name": "A\x07na"})["name"][0].startswith("There is a character in it")


def test_an_address_of_more_than_a_hundred_letters_is_told_at_its_field() -> None:
    assert errors_of(ANA | {"email": f"{'a' * 60}@{'b' * 40}.pe"})["email"]


class Short(PayerForm):
    phone = None  # type: ignore[assignment]
    receipt = None  # type: ignore[assignment]


class Shortest(PayerForm):
    last_name = phone = document_number = None  # type: ignore[assignment]


class Lenient(PayerForm):
    phone = forms.CharField(required=False)  # type: ignore[assignment]
    document_number = forms.CharField(required=False)  # type: ignore[assignment]


def test_a_shop_may_ask_for_less() -> None:
    short = Short(ANA)
    assert list(short.fields) == ["email", "name", "last_name", "document_type", "document_number"]
    assert short.is_valid()
    assert (short.payer.phone, short.payer.receipt, short.payer.document_number) == ("", "", "01234567")
    shortest = Shortest(ANA)
    assert list(shortest.fields) == ["email", "name"]
    assert shortest.is_valid()
    assert shortest.payer == Payer(email="ana@example.com", name="Ana")


def test_a_shop_may_leave_it_to_the_payer() -> None:
    form = Lenient({name: value for name, value in ANA.items() if name not in ("phone", "document_number")})
    assert form.is_valid()
    assert (form.payer.phone, form.payer.document_type, form.payer.receipt) == ("", "", "boleta")


def test_a_screen_reader_and_a_phone_know_what_each_field_is() -> None:
    page = PayerForm(ANA | {"document_number": "1"}).as_div()
    for name, purpose in {
        "email": "email",
        "name": "given-name",
        "last_name": "family-name",
        "phone": "tel",
        "company": "organization",
        "address": "street-address",
    }.items():
        (field,) = re.findall(rf'<input[^>]* name="{name}"[^>]*>|<input[^>]*name="{name}"[^>]*>', page)
        assert f'autocomplete="{purpose}"' in field
        assert f'<label for="id_{name}">' in page
    (number,) = re.findall(r'<input[^>]*name="document_number"[^>]*>', page)
    assert 'aria-invalid="true"' in number
    described: Any = re.search(r'aria-describedby="([^"]+)"', number)
    for identity in described[1].split():
        assert f'id="{identity}"' in page
    assert "A DNI has 8 digits; this has 1." in page
    assert "<script" not in page
    assert "style=" not in page
