"""The example shop as its buyers have it: from the shelf to the voucher that says "paid", with all its processes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Error, Locator, Page, expect

from example_project.demonstration.stage import Stage, running
from example_project.demonstration.story import PAYER
from example_project.demonstration.waiting import wait_for
from tests.browser.conftest import Open
from tests.browser.test_voucher_page import MARK, MARKED, PATIENCE, assert_accessible, news

pytestmark = pytest.mark.sqlite

PRODUCT = "/productos/cafe-de-chanchamayo/"
COPIES = ["clipboard-read", "clipboard-write"]


@dataclass
class Words:
    """What a shopper of one language reads."""

    header: str
    to_pay: str
    waiting: str
    copied: str
    paid: str
    order_paid: str


WORDS = {
    "es": Words("es-PE", "Ir a pagar", "Paga con este código", "¡Copiado!", "Recibimos tu pago", "Recibimos tu pago."),
    "en": Words(
        "en", "Go to pay", "Pay with this code", "Copied", "We received your payment", "We received your payment."
    ),
    "zh-hans": Words("zh-hans", "去付款", "用此付款码付款", "已复制", "我们已收到您的付款", "我们已收到您的付款。"),
}


@pytest.fixture(scope="module")
def stage(chromium: Browser) -> Iterator[Stage]:
    """A shop, its worker and a sandbox, each a process of its own; not started where there is no browser."""
    with running() as all_of_it:
        yield all_of_it


def enter(visit: Open, stage: Stage, language: str = "es", **device: Any) -> Page:
    """Come with a browser that wants another language, and choose this one in the shop."""
    wanted = "es-PE" if language == "en" else "en-US"
    page = visit(stage.shop, locale=wanted, **device)
    page.click(f"button[name=language][value={language}]")
    expect(page.locator("html")).to_have_attribute("lang", WORDS[language].header)
    return page


def fill_the_cart(page: Page, stage: Stage, quantity: int = 2) -> None:
    page.click(f"a[href='{PRODUCT}']")
    page.fill("#quantity", str(quantity))
    page.click(".choose button")
    expect(page).to_have_url(f"{stage.shop}/carrito/")


def write_who_pays(page: Page, **changes: str) -> str:
    """Fill in and send the checkout, and return the address that nobody else has."""
    payer = PAYER | {"email": f"{uuid4()}@example.com"} | changes
    for name, value in payer.items():
        if name == "receipt":
            page.check(f"[name=receipt][value={value}]")
        elif name == "document_type":
            page.select_option(f"[name={name}]", value)
        else:
            page.fill(f"[name={name}]", value)
    page.click(".payer button")
    return payer["email"]


def buy(page: Page, stage: Stage, words: Words) -> str:
    fill_the_cart(page, stage)
    page.get_by_role("link", name=words.to_pay).click()
    return write_who_pays(page)


def pay_at_the_counter(page: Page, stage: Stage, code: str) -> None:
    """In another tab, as an agent; ``code`` empty: what was copied."""
    counter = page.context.new_page()
    counter.goto(f"{stage.sandbox}/counter")
    counter.focus("#cip")
    if code:
        counter.keyboard.type(code)
    else:
        counter.keyboard.press("Control+V")
    counter.get_by_role("button", name="Buscar").click()
    counter.get_by_role("button", name="Cobrar S/").click()
    expect(counter.get_by_text("Pago registrado")).to_be_visible()
    counter.close()


def reload_until(page: Page, wanted: Locator) -> None:
    def look() -> bool:
        try:
            page.reload()
        except Error:  # the browser was just on its way to this page itself
            return False
        return wanted.count() > 0

    wait_for(f"{wanted} on {page.url}", look)


def assert_fits(page: Page, width: int) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= width, page.url


def assert_mailed(page: Page, stage: Stage, email: str, code: str) -> None:
    """In another tab: the shop's page of its mails has one to this payer, and it shows the code."""
    mails = page.context.new_page()
    mails.goto(f"{stage.shop}/correos/")
    mine = mails.get_by_role("link").filter(has_text=email)
    reload_until(mails, mine)
    mine.click()
    letter = mails.frame_locator("iframe").locator("body")
    for shown in (mails.locator("pre"), letter):
        assert code in re.sub(r"\s", "", shown.inner_text())
    mails.close()


# Buying.


@pytest.mark.parametrize(
    ("language", "width", "dark"), [("es", 360, False), ("en", 1280, False), ("zh-hans", 360, True)]
)
def test_buy_copy_pay_and_see_it_paid_without_a_reload(
    visit: Open, stage: Stage, language: str, width: int, dark: bool
) -> None:
    words = WORDS[language]
    page = enter(visit, stage, language, width=width, dark=dark, permissions=COPIES)
    email = buy(page, stage, words)
    expect(news(page)).to_have_text(words.waiting, timeout=PATIENCE)
    page.evaluate(MARK)
    left = page.locator("#pagoefectivo-left")
    for _ in range(3):  # more often than there can be news
        expect(left).not_to_have_text(left.text_content() or "")
    page.click("#pagoefectivo-copy")
    expect(page.locator("#pagoefectivo-copy")).to_have_text(words.copied)
    code = re.sub(r"\D", "", page.locator("#pagoefectivo-code").inner_text())
    assert_fits(page, width)
    # Before it is paid: whoever has paid is not asked to pay.
    assert_mailed(page, stage, email, code)

    pay_at_the_counter(page, stage, "")
    expect(news(page)).to_have_text(words.paid, timeout=PATIENCE)
    assert page.evaluate(MARKED)
    receipt = page.locator(".pagoefectivo-facts").inner_text()

    page.click(".back a")
    expect(page.locator(".note.good")).to_contain_text(words.order_paid)
    expect(page.locator("[data-shipped='']")).to_have_count(0, timeout=PATIENCE)
    assert email in page.locator("dl").inner_text()
    assert (page.locator("[data-reference]").get_attribute("data-reference") or "?") in receipt
    assert re.search(r"S/\s69\.80", page.locator(".total").inner_text())
    assert_fits(page, width)


@pytest.mark.parametrize("width", [360, 1280])
def test_without_scripts_it_is_the_same_by_reload(visit: Open, stage: Stage, width: int) -> None:
    words = WORDS["es"]
    page = enter(visit, stage, width=width, scripts=False)
    email = buy(page, stage, words)
    reload_until(page, news(page).filter(has_text=words.waiting))
    code = page.locator("#pagoefectivo-code").inner_text().strip()
    assert re.fullmatch("[0-9]+", code)
    assert_mailed(page, stage, email, code)
    pay_at_the_counter(page, stage, code)
    reload_until(page, news(page).filter(has_text=words.paid))
    page.click(".back a")
    reload_until(page, page.locator(".note.good").filter(has_text=words.order_paid))
    assert email in page.locator("dl").inner_text()


def test_the_order_page_follows_by_itself(visit: Open, stage: Stage) -> None:
    page = enter(visit, stage)
    buy(page, stage, WORDS["es"])
    expect(news(page)).to_have_text(WORDS["es"].waiting, timeout=PATIENCE)
    code = re.sub(r"\D", "", page.locator("#pagoefectivo-code").inner_text())
    page.click(".back a")
    expect(page.locator(".note.wait")).to_be_visible()
    pay_at_the_counter(page, stage, code)
    expect(page.locator(".note.good")).to_contain_text("Tu pedido salió", timeout=PATIENCE)


# Bad input.


def test_a_wrong_document_number_is_told_at_its_field_in_spanish(visit: Open, stage: Stage) -> None:
    page = enter(visit, stage)
    fill_the_cart(page, stage)
    page.goto(f"{stage.shop}/comprar/")
    write_who_pays(page, document_number="1234567")
    field = page.locator("[name=document_number]")
    expect(field).to_have_attribute("aria-invalid", "true")
    assert page.locator("[aria-invalid]").count() == 1
    described = (field.get_attribute("aria-describedby") or "").split()
    said = " ".join(page.locator(f"#{one}").inner_text() for one in described)
    assert "El DNI tiene 8 dígitos; este tiene 7." in said
    assert field.input_value() == "1234567"
    assert page.locator("[name=name]").input_value() == PAYER["name"]


def test_a_factura_asks_for_the_company_and_a_boleta_does_not(visit: Open, stage: Stage) -> None:
    page = enter(visit, stage)
    fill_the_cart(page, stage)
    page.goto(f"{stage.shop}/comprar/")
    expect(page.locator("[name=company]")).to_be_hidden()
    page.check("[name=receipt][value=factura]")
    expect(page.locator("[name=company]")).to_be_visible()
    expect(page.locator("[name=address]")).to_be_visible()


# Who can't see it.


@pytest.mark.parametrize(("width", "dark"), [(360, False), (1280, True)])
def test_axe_finds_nothing_from_the_shelf_to_the_mails(visit: Open, stage: Stage, width: int, dark: bool) -> None:
    page = enter(visit, stage, width=width, dark=dark)

    def look() -> None:
        assert_accessible(page)
        assert_fits(page, width)

    look()
    page.goto(f"{stage.shop}/carrito/")
    look()
    page.goto(f"{stage.shop}{PRODUCT}")
    look()
    page.click(".choose button")
    look()
    page.goto(f"{stage.shop}/comprar/")
    look()
    page.check("[name=receipt][value=factura]")
    page.click(".payer button")
    expect(page.locator("[aria-invalid]").first).to_be_visible()
    look()
    email = write_who_pays(page)
    page.click(".back a")
    look()
    page.goto(f"{stage.shop}/correos/")
    mine = page.get_by_role("link").filter(has_text=email)
    reload_until(page, mine)
    look()
    mine.click()
    look()
