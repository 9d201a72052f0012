"""The example shop as its buyers have it: from the shelf to the voucher that says "paid", with all its processes."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Error, Locator, Page, expect

from example_project.demonstration.stage import Stage, running
from example_project.demonstration.story import PAYER
from example_project.demonstration.waiting import wait_for
from tests.browser.test_voucher_page import MARK, MARKED, PATIENCE, news
from tests.browser.visiting import Chromium, Open, assert_accessible, assert_fits, change_device

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
    shipped: str


WORDS = {
    "es": Words(
        header="es-PE",
        to_pay="Ir a pagar",
        waiting="Paga con este código",
        copied="¡Copiado!",
        paid="Recibimos tu pago",
        order_paid="Recibimos tu pago.",
        shipped="Tu pedido salió",
    ),
    "en": Words(
        header="en",
        to_pay="Go to pay",
        waiting="Pay with this code",
        copied="Copied",
        paid="We received your payment",
        order_paid="We received your payment.",
        shipped="Your order left on",
    ),
    "zh-hans": Words(
        header="zh-hans",
        to_pay="去付款",
        waiting="用此付款码付款",
        copied="已复制",
        paid="我们已收到您的付款",
        order_paid="我们已收到您的付款。",
        shipped="您的订单已于",
    ),
}


@pytest.fixture(scope="module")
def stage(started_chromium: Chromium) -> Iterator[Stage]:
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


def buy(page: Page, stage: Stage, words: Words, *, width: int = 0) -> str:
    """Fill the cart and order it, on another screen than before if a width is given."""
    fill_the_cart(page, stage)
    if width:
        change_device(page, width)
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


def do_until(page: Page, step: Callable[[], object], wanted: Locator) -> None:
    """Do something with a page until there is what is wanted."""

    def look() -> bool:
        try:
            step()
        except Error:  # the browser was just on its way to this page itself
            return False
        return wanted.count() > 0

    wait_for(f"{wanted} on {page.url}", look)


def reload_until(page: Page, wanted: Locator) -> None:
    do_until(page, page.reload, wanted)


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


def assert_sold(page: Page, words: Words, email: str) -> None:
    """From the voucher that says "paid" to the order's page, which says it too, to whom, for what and how much."""
    receipt = page.locator(".pagoefectivo-facts").inner_text()
    page.click(".back a")
    reload_until(page, page.locator(".note.good").filter(has_text=words.shipped))
    expect(page.locator(".note.good")).to_contain_text(words.order_paid)
    assert page.locator("[data-shipped='']").count() == 0
    assert email in page.locator("dl").inner_text()
    assert (page.locator("[data-reference]").get_attribute("data-reference") or "?") in receipt
    assert re.search(r"S/\s69\.80", page.locator(".total").inner_text())
    assert_fits(page)


# Buying.


def test_buy_copy_pay_and_see_it_paid_without_a_reload(visit: Open, stage: Stage) -> None:
    words = WORDS["es"]
    page = enter(visit, stage, permissions=COPIES)
    email = buy(page, stage, words)
    expect(news(page)).to_have_text(words.waiting, timeout=PATIENCE)
    page.evaluate(MARK)
    left = page.locator("#pagoefectivo-left")
    for _ in range(3):  # more often than there can be news
        expect(left).not_to_have_text(left.text_content() or "")
    page.click("#pagoefectivo-copy")
    expect(page.locator("#pagoefectivo-copy")).to_have_text(words.copied)
    code = re.sub(r"\D", "", page.locator("#pagoefectivo-code").inner_text())
    assert_fits(page)
    # Before it is paid: whoever has paid is not asked to pay.
    assert_mailed(page, stage, email, code)

    pay_at_the_counter(page, stage, "")
    expect(news(page)).to_have_text(words.paid, timeout=PATIENCE)
    assert page.evaluate(MARKED)
    assert_sold(page, words, email)


def test_the_order_page_follows_by_itself(visit: Open, stage: Stage) -> None:
    words = WORDS["en"]
    page = enter(visit, stage, "en", width=1280, clock=True)
    five_seconds = partial(page.clock.run_for, 5000)
    email = buy(page, stage, words)
    do_until(page, five_seconds, news(page).filter(has_text=words.waiting))
    code = re.sub(r"\D", "", page.locator("#pagoefectivo-code").inner_text())
    assert_fits(page)
    page.click(".back a")
    expect(page.locator(".note.wait")).to_be_visible()
    pay_at_the_counter(page, stage, code)
    do_until(page, five_seconds, page.locator(".note.good").filter(has_text=words.shipped))
    page.go_back()
    expect(news(page)).to_have_text(words.paid)
    assert_sold(page, words, email)


def test_without_scripts_it_is_the_same_by_reload(visit: Open, stage: Stage) -> None:
    """On a phone up to the cart, on a desktop from there, and the voucher on both."""
    words = WORDS["zh-hans"]
    page = enter(visit, stage, "zh-hans", dark=True, java_script_enabled=False)
    email = buy(page, stage, words, width=1280)
    reload_until(page, news(page).filter(has_text=words.waiting))
    assert page.get_attribute("#pagoefectivo", "data-copied") == words.copied
    code = page.locator("#pagoefectivo-code").inner_text().strip()
    assert re.fullmatch("[0-9]+", code)
    for width in (360, 1280):
        change_device(page, width, dark=True)
        expect(page.locator("#pagoefectivo-code")).to_be_visible()
        assert_fits(page)
    assert_mailed(page, stage, email, code)
    pay_at_the_counter(page, stage, code)
    reload_until(page, news(page).filter(has_text=words.paid))
    assert_sold(page, words, email)


# Bad input.


def test_the_checkout_asks_for_what_it_needs_and_tells_what_is_wrong_at_its_field(visit: Open, stage: Stage) -> None:
    page = enter(visit, stage)
    fill_the_cart(page, stage)
    page.goto(f"{stage.shop}/comprar/")
    # A boleta needs no company, a factura does.
    for name in ("company", "address"):
        expect(page.locator(f"[name={name}]")).to_be_hidden()
    page.check("[name=receipt][value=factura]")
    for name in ("company", "address"):
        expect(page.locator(f"[name={name}]")).to_be_visible()
    write_who_pays(page, document_number="1234567")
    field = page.locator("[name=document_number]")
    expect(field).to_have_attribute("aria-invalid", "true")
    assert page.locator("[aria-invalid]").count() == 1
    described = (field.get_attribute("aria-describedby") or "").split()
    said = " ".join(page.locator(f"#{one}").inner_text() for one in described)
    assert "El DNI tiene 8 dígitos; este tiene 7." in said
    assert field.input_value() == "1234567"
    assert page.locator("[name=name]").input_value() == PAYER["name"]


# Who can't see it.


def test_axe_finds_nothing_from_the_shelf_to_the_mails(visit: Open, stage: Stage) -> None:
    page = enter(visit, stage)

    def look() -> None:
        for width, dark in ((1280, True), (360, False)):
            change_device(page, width=width, dark=dark)
            assert_accessible(page)
            assert_fits(page)

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
