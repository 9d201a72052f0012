"""The voucher on paper: one page, whatever is on it."""

import base64
import io
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import PIL.Image
import PIL.ImageOps
import pypdfium2
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st

from pagoefectivo_django.documents.pdf import voucher_pdf
from pagoefectivo_django.documents.voucher import Voucher
from pagoefectivo_django.documents.ways import Means, Place, Way, ways_of
from pagoefectivo_django.money import Money
from pagoefectivo_django.states import VoucherState

PAGE = "https://payment.example/3f1c9a52-made-up.html"
VOUCHER = Voucher(
    state=VoucherState.WAITING,
    order_state="pending",
    reference="SHOP-1001",
    money=Money(Decimal("1234.50"), "PEN"),
    expires_at=datetime(2026, 8, 22, 4, 59, tzinfo=UTC),
    language="es",
    concept="Dos polos de algodón",
    code="24591983",
    provider_url=PAGE,
    url="https://shop.example/pay/6fa4e1f0-made-up/",
    ways=ways_of("PEN"),
)


def sheet(voucher: Voucher) -> pypdfium2.PdfPage:
    pages = pypdfium2.PdfDocument(voucher_pdf(voucher))
    assert len(pages) == 1
    return pages[0]


def solid(text: str) -> str:
    return "".join(text.split())


def text_of(voucher: Voucher) -> str:
    """Its text without blanks: which of them there are is a guess of PDFium's."""
    return solid(sheet(voucher).get_textpage().get_text_range())


def scanned(voucher: Voucher) -> set[str]:
    return {one.text for one in zxingcpp.read_barcodes(sheet(voucher).render(scale=4).to_pil())}


def test_it_says_what_to_pay_until_when_and_where() -> None:
    text = text_of(VOUCHER)
    for said in ("2459 1983", "S/ 1,234.50", "viernes 21 de agosto, 11:59 p. m.", "Dos polos de algodón", "SHOP-1001"):
        assert solid(said) in text
    for said in ("PagoEfectivo Soles", "Yape", "Interbank", "BCP 02186", "https://shop.example/pay/6fa4e1f0-made-up/"):
        assert solid(said) in text


def test_barcode_and_qr_are_read_back() -> None:
    assert scanned(VOUCHER) == {"24591983", PAGE}


@settings(max_examples=25)
@given(code=st.from_regex(r"[1-9][0-9]{0,13}", fullmatch=True))
def test_every_code_is_read_back(code: str) -> None:
    assert code in scanned(replace(VOUCHER, code=code, provider_url=""))


def test_a_link_stands_where_a_code_would() -> None:
    paper = replace(VOUCHER, code="", by_link=True, ways=())
    assert scanned(paper) == {PAGE}
    text = text_of(paper)
    for said in (PAGE, "S/ 1,234.50", "viernes 21 de agosto, 11:59 p. m.", "SHOP-1001"):
        assert solid(said) in text
    assert "CIP" not in text
    assert "PagoEfectivo" not in text
    over = replace(paper, state=VoucherState.EXPIRED)
    assert solid(PAGE) not in text_of(over)
    assert not scanned(over)


def test_the_providers_own_qr_goes_before_ours() -> None:
    assert scanned(replace(VOUCHER, provider_qr="00020101021226-made-up")) == {"24591983", "00020101021226-made-up"}


def test_a_picture_of_the_provider_is_drawn_and_a_broken_one_is_not() -> None:
    file = io.BytesIO()
    zxing = zxingcpp.create_barcode("made-up-picture", zxingcpp.BarcodeFormat.QRCode)
    PIL.Image.fromarray(zxing.to_image(scale=8)).save(file, "PNG")
    address = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    assert scanned(replace(VOUCHER, provider_qr=address)) == {"24591983", "made-up-picture"}
    drawn = PIL.Image.fromarray(zxing.to_image(scale=8))
    clear = PIL.Image.new("RGBA", drawn.size, (0, 0, 0))  # black on nothing
    clear.putalpha(PIL.ImageOps.invert(drawn))
    file = io.BytesIO()
    clear.save(file, "PNG")
    clear_address = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    assert scanned(replace(VOUCHER, provider_qr=clear_address)) == {"24591983", "made-up-picture"}
    huge = f"{address}{'A' * 200_000}"
    for broken in ("data:image/png;base64,bWFkZS11cA==", "data:image/png;base64,%%", "data:,x", "订" * 777, huge):
        voucher = replace(VOUCHER, provider_qr=broken)
        assert scanned(voucher) == {"24591983", PAGE}
        assert solid("Opens PagoEfectivo's page") in text_of(replace(voucher, language="en"))


@pytest.mark.parametrize("state", [state for state in VoucherState if state != VoucherState.WAITING])
def test_a_code_that_nobody_may_pay_is_not_on_paper(state: VoucherState) -> None:
    paid = state == VoucherState.PAID
    voucher = replace(
        VOUCHER, state=state, operation_number="7001" if paid else "", paid_at=VOUCHER.expires_at if paid else None
    )
    text = text_of(voucher)
    assert "1983" not in text
    assert "S/1,234.50" in text
    assert ("7001" in text) == paid
    assert not scanned(voucher)


def test_the_same_voucher_is_the_same_file() -> None:
    assert voucher_pdf(VOUCHER) == voucher_pdf(VOUCHER)


def test_chinese_is_text_and_emoji_are_discrepancy_marks() -> None:
    text = text_of(replace(VOUCHER, concept="两件棉质T恤 🎁 ñ", language="zh-hans"))
    assert "两件棉质" in text  # PDFium leaves out single letters between two fonts
    assert "?ñ" in text
    assert "日星期五" in text


@pytest.mark.parametrize("concept", ["订" * 200, "W" * 200, "palabras " * 22, "<b>&amp;</b>", "‮abc"])
def test_nothing_is_pushed_off_the_page(concept: str) -> None:
    places = tuple(Place(f"Un lugar con un nombre largo {number}", "02186") for number in range(60))
    voucher = replace(
        VOUCHER,
        concept=concept,
        reference="R" * 64,
        code="12345678901234",
        money=Money(Decimal("9999999.99"), "USD"),
        url="https://shop.example/" + "x" * 300,
        ways=tuple(Way(means, places) for means in Means),
    )
    page = sheet(voucher)
    text = page.get_textpage()
    for index in range(text.count_rects()):
        left, bottom, right, top = text.get_rect(index)
        assert 0 <= left <= right <= page.get_width()
        assert 0 <= bottom <= top <= page.get_height()
    assert "US$9,999,999.99" in text_of(voucher)
    assert scanned(voucher) == {"12345678901234", PAGE}


@settings(max_examples=40)
@given(concept=st.text(max_size=200), reference=st.text(max_size=64), language=st.sampled_from(["es", "en", "zh-hans"]))
def test_no_words_break_it(concept: str, reference: str, language: str) -> None:
    sheet(replace(VOUCHER, concept=concept, reference=reference, language=language))
