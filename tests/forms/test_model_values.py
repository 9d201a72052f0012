"""Kind 15, payers and orders: what a shop's models have for a text is one, and what can't be meant is told."""

# ruff: noqa: E501

from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _

from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.flows import create_order
from pagoefectivo_django.forms import AccountForm, PayerForm
from pagoefectivo_django.models import Order
from pagoefectivo_django.payer import Payer, check_cci, check_document, e164
from tests.factories.payers import ANA

KEY = UUID("f47ac10b-58cc-4372-a567-0e02b2c3d479")
ASKED: dict[str, Any] = {"amount": Decimal("35.50"), "currency": "PEN", "payer": Payer(email="ana@example.com")}


@pytest.mark.parametrize(
    ("typed", "prefix", "kept"),
    [
        ("(+51) 999-888-777", "+51", "999888777"),
        ("0051999888777", "+51", "999888777"),
        ("00 51 999 888 777", "+51", "999888777"),
        ("+51 (0) 999 888 777", "+51", "999888777"),
        ("999.888.777", "+51", "999888777"),
        ("999888777 ext. 12", "+51", "999888777"),
        ("\uff19\uff19\uff19\uff18\uff18\uff18\uff17\uff17\uff17", "+51", "999888777"),
        ("\uff0b51 999888777", "+51", "999888777"),
        ("\u2067999888777\u2069", "+51", "999888777"),
        ("\u061c+51\u00a0999\u2011888\u2011777", "+51", "999888777"),
        ("tel:+51999888777", "+51", "999888777"),
        ("Cel. 999888777", "+51", "999888777"),
        ("0034 612 345 678", "+34", "612345678"),
        ("+1 (202) 555-0143 x 5", "+1", "2025550143"),
    ],
)
def test_a_phone_as_people_write_it(typed: str, prefix: str, kept: str) -> None:
    payer = Payer(email="ana@example.com", phone=typed)
    assert (payer.phone_prefix, payer.phone, e164(payer)) == (prefix, kept, prefix + kept)
    form = PayerForm(ANA | {"phone": typed})
    assert form.is_valid(), form.errors
    assert (form.payer.phone_prefix, form.payer.phone) == (prefix, kept)


@pytest.mark.parametrize("typed", ["999888777 / 998877665", "99988877", "+51", "++51999888777", "0", "9" * 30, "*#06#"])
def test_what_is_no_phone_is_nobodys(typed: str) -> None:
    payer = Payer(email="ana@example.com", phone=typed)
    assert e164(payer) in ("", "+51999888777")
    assert Payer.of(payer.data()) == payer


@pytest.mark.parametrize("given", [999888777, 51999888777])
def test_a_phone_may_be_a_number_of_the_shops(given: int) -> None:
    assert e164(Payer(email="ana@example.com", phone=given)) == "+51999888777"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "kept"), [(77, "77"), (KEY, str(KEY)), (_("Name"), "Name"), (mark_safe("77"), "77"), (2**70, str(2**70))]
)
def test_a_customers_number_is_what_the_shop_has(given: Any, kept: str) -> None:
    payer = Payer(email="ana@example.com", user_id=given)
    assert payer.user_id == kept
    assert Payer.of(payer.data()) == payer


@pytest.mark.parametrize("name", ["document_number", "ubigeo", "name", "email"])
@pytest.mark.parametrize("given", [12345678, True, 1.5, Decimal(7), b"x", ["x"], None])
def test_where_a_zero_may_be_lost_a_number_is_refused(name: str, given: Any) -> None:
    with pytest.raises(InvalidRequest, match=rf"^payer\.{name} is a .*; pass text\.$"):
        Payer(**{"email": "ana@example.com"} | {name: given})


@pytest.mark.parametrize("name", ["user_id", "phone"])
@pytest.mark.parametrize("given", [True, 1.5, Decimal(7), b"x", None])
def test_nor_is_everything_a_number(name: str, given: Any) -> None:
    with pytest.raises(InvalidRequest, match=rf"^payer\.{name} is a "):
        Payer(**{"email": "ana@example.com", name: given})


@pytest.mark.parametrize(
    "address",
    ["ana@exámple.com", "ana@xn--exmple-qta.com", "ANA@EXAMPLE.COM", "ana+tienda@example.com.pe", "ñandú@example.pe"],
)
def test_an_address_is_judged_alike_by_form_and_payer(address: str) -> None:
    form = PayerForm(ANA | {"email": address})
    if form.is_valid():
        assert form.payer.email == Payer(email=address).email
    else:
        with pytest.raises(InvalidRequest):
            Payer(email=address)


@pytest.mark.parametrize(
    "address",
    ["ana@example.com.", "ana\uff20example.com", "ana@example..com", "ana@.com", "ana@", "@example.com", "ana example.com",
     "<ana@example.com>", "mailto:", "ana@example.com,", "ana@exa mple.com", "ana@example.com\nBcc: x@y.pe", "ana@\u200b"],
)  # fmt: skip
def test_an_address_that_reaches_nobody_is_told_and_never_raises(address: str) -> None:
    assert PayerForm(ANA | {"email": address}).errors["email"]
    with pytest.raises(InvalidRequest, match=r"^payer\.email "):
        Payer(email=address)


def test_numbers_in_full_width_are_numbers() -> None:
    wide = str.maketrans("0123456789", "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19")
    assert check_document("DNI", "01234567".translate(wide)) == "01234567"
    assert check_cci("01136600010003254221".translate(wide)) == "01136600010003254221"
    assert AccountForm({"bank": "BCP", "cci": "01136600010003254221".translate(wide), "holder": "Ana Q"}).is_valid()


class Mine(str):
    """A text of the shop's own type."""


@pytest.mark.django_db
@pytest.mark.usefixtures("pagoefectivo_memory")
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (0, "0"),
        (1001, "1001"),
        (10**20, str(10**20)),
        (KEY, str(KEY)),
        (Decimal(1001), "1001"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1001.00"), "1001"),
        (lazystr("SHOP-1"), "SHOP-1"),
        (mark_safe("SHOP-1"), "SHOP-1"),
        (Mine("SHOP-1"), "SHOP-1"),
        ("00123", "00123"),
    ],
)
def test_a_reference_of_any_kind_is_its_text(given: Any, kept: str) -> None:
    order = create_order(reference=given, **ASKED)
    assert order.reference == kept
    assert Order.objects.get(reference=kept) == order
    assert create_order(reference=kept, **ASKED) == order


@pytest.mark.django_db
@pytest.mark.parametrize(
    "given",
    [True, 1001.0, Decimal("10.5"), Decimal("NaN"), Decimal("Infinity"), Decimal(-1), Fraction(7), b"7", None, [7], (7,),
     object, {"pk": 7}, "", " ", "x" * 65, 10**64],
)  # fmt: skip
def test_what_is_no_reference_is_told(given: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"^reference "):
        create_order(reference=given, **ASKED)
    assert not Order.objects.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("pagoefectivo_memory")
def test_texts_may_be_translations() -> None:
    texts: dict[str, Any] = {"concept": _("Orders"), "language": lazystr("es")}
    order = create_order(reference="SHOP-9", **texts, **ASKED)
    order.refresh_from_db()
    assert (order.concept, order.language) == ("Orders", "es")


@pytest.mark.django_db
@pytest.mark.usefixtures("pagoefectivo_memory")
@pytest.mark.parametrize(
    "language", ["es-PE", "ES", "es_PE", "es-419", "en_US", "EN", "en-GB", "zh-hans", "zh_CN", "zh-TW"]
)
def test_a_language_is_known_by_its_first_part(language: str) -> None:
    assert create_order(reference="SHOP-1", language=language, **ASKED).language == language


@pytest.mark.django_db
@pytest.mark.parametrize(
    "language", ["qu", "fr", "pt-BR", "ay", "spa", "english", "", " es", "es ", None, 1, b"es", "x" * 11]
)
def test_a_language_without_a_voucher_is_told(language: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"^language "):
        create_order(reference="SHOP-1", language=language, **ASKED)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "metadata",
    [{"to": _("Orders")}, {"key": KEY}, {"price": Decimal("1.5")}, {KEY: 1}, {"set": {1}}, {"x": object()}, {"f": float("nan")},
     {"b": b"x"}, {"c": 1 + 2j}, {"deep": {"date": 1, "bytes": bytearray(b"x")}}, "text", [("a", 1)], 7],
)  # fmt: skip
def test_metadata_that_json_cannot_hold_is_told(metadata: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"^metadata .*pass "):
        create_order(reference="SHOP-1", metadata=metadata, **ASKED)
    assert not Order.objects.exists()
