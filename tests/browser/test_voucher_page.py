"""The voucher page as its payer has it: on a phone and on a desktop, with scripts and without, in light and in dark."""

import io
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import PIL.Image
import pypdfium2
import pytest
import zxingcpp
from django.utils import timezone
from playwright.sync_api import Page, expect

from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import Cip, Order
from pagoefectivo_django.states import VoucherState
from pagoefectivo_django.testing import notify, pay
from tests.browser.states import order_in
from tests.browser.visiting import Open, assert_accessible, assert_fits, change_device
from tests.factories.orders import make

pytestmark = [
    pytest.mark.sqlite,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]

LANGUAGES = ("es", "en", "zh-hans")
#: Nobody was reloaded if it is still there.
MARK, MARKED = "() => { window.mark = 1 }", "() => window.mark === 1"
PATIENCE = 60_000


def address(live_server: Any, order: Order) -> str:
    return f"{live_server.url}{order.voucher_url}"


def news(page: Page) -> Any:
    return page.locator("#pagoefectivo-news")


def spoken(page: Page) -> Any:
    return page.locator("#pagoefectivo-spoken")


def awkward(**of: Any) -> Order:
    """An order that fits no page easily: a long code, much money, wide letters."""
    named: dict[str, Any] = {"amount": Decimal("9999999.99"), "concept": "订" * 50, "reference": "W" * 64} | of
    order = make(**named)
    Cip.objects.filter(order=order).update(code="12345678901234")
    order.reload()
    return order


# Copying.


def test_the_code_is_copied_without_blanks_and_the_button_says_so(visit: Open, live_server: Any) -> None:
    order = make(language="en")
    page = visit(address(live_server, order), clock=True, permissions=["clipboard-read", "clipboard-write"])
    page.click("#pagoefectivo-copy")
    expect(page.locator("#pagoefectivo-copy")).to_have_text("Copied")
    expect(spoken(page)).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == order.code
    page.clock.run_for(3000)
    expect(page.locator("#pagoefectivo-copy")).to_have_text("Copy the code")


def test_where_nothing_can_be_copied_the_code_is_selected(visit: Open, live_server: Any) -> None:
    order = make(language="en")
    page = visit("about:blank")
    page.add_init_script(
        "Object.defineProperty(navigator, 'clipboard', { value: undefined }); document.execCommand = () => false;"
    )
    page.goto(address(live_server, order))
    page.click("#pagoefectivo-copy")
    expect(page.locator("#pagoefectivo-copy")).to_contain_text("The code is selected")
    expect(spoken(page)).to_contain_text("The code is selected")
    assert page.evaluate("getSelection().toString()") == order.code


# Counting.


def without_news(page: Page) -> None:
    """Have the page hear nothing new, nor the server's time: it goes by its own clock."""
    page.route("**/status/", lambda route: route.fulfill(status=304))


def test_the_time_runs_and_is_told_aloud_rarely(visit: Open, live_server: Any) -> None:
    order = make(language="en")
    Order.objects.update(expires_at=timezone.now() + timedelta(minutes=5, seconds=30))
    page = visit("about:blank", clock=True)
    without_news(page)
    page.goto(address(live_server, order))
    left = page.locator("#pagoefectivo-left")
    before = left.text_content() or ""
    assert re.fullmatch(r"00 h 05 min \d\d s", before)
    assert (left.get_attribute("role"), left.get_attribute("aria-live")) == ("timer", "off")
    page.clock.run_for(2000)
    expect(left).not_to_have_text(before)
    assert spoken(page).text_content() == ""
    page.clock.run_for(30_000)
    expect(spoken(page)).to_have_text("Time left: 5 minutes")


def test_a_phone_with_the_wrong_time_counts_right(visit: Open, live_server: Any) -> None:
    order = make(language="en", expires_at=timezone.now() + timedelta(minutes=90, seconds=30))
    page = visit("about:blank", clock=True)
    page.clock.set_system_time(timezone.now() + timedelta(days=400))
    page.goto(address(live_server, order))
    page.clock.run_for(1500)
    expect(page.locator("#pagoefectivo-left")).to_have_text(re.compile(r"01 h 30 min \d+ s"))


def test_when_the_time_is_over_the_page_says_so_by_itself(visit: Open, live_server: Any) -> None:
    order = make(language="en", expires_at=timezone.now() + timedelta(hours=1))
    page = visit("about:blank", clock=True)
    page.clock.pause_at(timezone.now() + timedelta(minutes=1))
    page.goto(address(live_server, order))
    page.evaluate(MARK)
    Order.objects.update(expires_at=timezone.now())
    # The last second, and no more: the page's regular questions begin with the next one.
    page.evaluate("document.getElementById('pagoefectivo-voucher').dataset.expires = '2020-01-01T00:00:00Z'")
    page.clock.run_for(1000)
    expect(news(page)).to_have_text("The time to pay is over", timeout=PATIENCE)
    assert page.locator("#pagoefectivo-code").count() == 0
    assert page.evaluate(MARKED)


# Following.


def test_it_follows_from_the_first_moment_to_the_refund_without_a_reload(visit: Open, live_server: Any) -> None:
    order = order_in(VoucherState.GETTING, language="en")
    page = visit(address(live_server, order), clock=True)
    page.evaluate(MARK)
    expect(news(page)).to_have_text("We are getting your payment code")
    tick(timezone.now() + timedelta(minutes=2))
    order.reload()
    page.clock.run_for(2000)
    expect(news(page)).to_have_text("Pay with this code", timeout=PATIENCE)
    assert page.locator("#pagoefectivo-code").text_content() == order.code
    assert notify(order, amount="1.00", operation_number="7000") == 200
    page.clock.run_for(60_000)
    expect(news(page)).to_have_text("We are looking at your payment", timeout=PATIENCE)
    pay(order, operation_number="7001")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(news(page)).to_have_text("We received your payment", timeout=PATIENCE)
    expect(spoken(page)).to_have_text("We received your payment")
    expect(page.locator(".pagoefectivo-facts")).to_contain_text("7001")
    assert page.title() == "Dos polos de algodón · PagoEfectivo"
    assert page.evaluate(MARKED)


def test_what_the_payer_looks_at_stays_when_there_is_news(visit: Open, live_server: Any) -> None:
    order = make(language="en")
    page = visit(address(live_server, order), clock=True)
    page.click("label[for=pagoefectivo-cash]")
    page.focus("#pagoefectivo-copy")
    tag = page.get_attribute("#pagoefectivo-voucher", "data-etag")
    Order.objects.update(expires_at=timezone.now() + timedelta(days=9))
    page.clock.run_for(2000)
    expect(page.locator("#pagoefectivo-voucher")).not_to_have_attribute("data-etag", tag or "", timeout=PATIENCE)
    expect(page.locator(".pagoefectivo-way-cash")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "pagoefectivo-copy"


# Without scripts.


def test_without_scripts_all_is_there_but_what_needs_them(visit: Open, live_server: Any) -> None:
    order = make(language="en")
    page = visit(address(live_server, order), java_script_enabled=False)
    assert page.locator("#pagoefectivo-code").inner_text() == order.code
    expect(page.locator("#pagoefectivo-copy")).to_be_hidden()
    expect(page.locator("#pagoefectivo-left")).to_be_hidden()
    for way in ("online", "cash", "wallet"):
        page.click(f"label[for=pagoefectivo-{way}]")
        expect(page.locator(f".pagoefectivo-way-{way}")).to_be_visible()
        assert page.locator(".pagoefectivo-way:visible").count() == 1
    pay(order)
    page.reload()
    expect(news(page)).to_have_text("We received your payment")


def test_the_tabs_are_changed_by_keys(visit: Open, live_server: Any) -> None:
    page = visit(address(live_server, make()), java_script_enabled=False)
    page.focus("#pagoefectivo-wallet")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".pagoefectivo-way-online")).to_be_visible()


# How it looks.


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_sticks_out_or_is_cut(visit: Open, live_server: Any, language: str) -> None:
    page = visit(address(live_server, awkward(language=language)))
    for width in (320, 360, 1280):
        change_device(page, width=width)
        assert_fits(page)
        boxes = page.evaluate(
            "[...document.querySelectorAll('#pagoefectivo-voucher *')].filter(e => e.getClientRects().length)"
            ".map(e => e.getBoundingClientRect().right)"
        )
        assert max(boxes) <= width
        code = page.locator("#pagoefectivo-code").bounding_box()
        assert code
        assert code["height"] < 60  # on one line


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_link_stands_where_a_code_would(visit: Open, live_server: Any, language: str) -> None:
    order = awkward(language=language)
    link = "https://provider.example/pages/" + "a1b2c3d4" * 6
    Cip.objects.update(code=None, provider_id="pg_1", url=link)
    page = visit(address(live_server, order))
    expect(page.locator("a.pagoefectivo-button")).to_have_attribute("href", link)
    for width in (320, 360, 1280):
        change_device(page, width=width)
        assert_fits(page)
        assert_accessible(page)
    picture = PIL.Image.open(io.BytesIO(page.screenshot(full_page=True, scale="device")))
    assert {one.text for one in zxingcpp.read_barcodes(picture)} == {link}


def test_nothing_moves_while_it_loads_and_counts(visit: Open, live_server: Any) -> None:
    page = visit("about:blank", clock=True)
    page.add_init_script(
        "window.shifts = []; new PerformanceObserver(list => list.getEntries().forEach(entry => "
        "entry.sources.forEach(({ node, previousRect, currentRect }) => window.shifts.push(["
        "entry.startTime, node && (node.outerHTML || node.textContent).slice(0, 200), previousRect, currentRect]))"
        ")).observe({ type: 'layout-shift', buffered: true });"
    )
    without_news(page)
    soon = timezone.now() + timedelta(hours=10, seconds=20)
    page.goto(address(live_server, make(expires_at=soon)))
    left = page.locator("#pagoefectivo-left")
    for milliseconds in (1000, 1000, 20_000):  # until all its numbers have other digits
        assert (left.text_content() or "").startswith("10 h 00 min")
        page.clock.fast_forward(milliseconds)
        page.screenshot()  # draws a frame, in which a shift is seen
    assert (left.text_content() or "").startswith("09 h 59 min")
    assert page.evaluate("window.shifts") == []


def test_it_is_dark_where_the_payer_wants_that(visit: Open, live_server: Any) -> None:
    page = visit(address(live_server, make()))
    look = "getComputedStyle(document.querySelector('.pagoefectivo-voucher')).backgroundColor"
    assert page.evaluate(look) == "rgb(255, 255, 255)"
    change_device(page, width=360, dark=True)
    assert page.evaluate(look) == "rgb(31, 36, 40)"


def test_barcode_and_qr_are_read_from_the_screen(visit: Open, live_server: Any) -> None:
    order = make()
    assert order.cip is not None
    page = visit(address(live_server, order), device_scale_factor=2)
    for width, dark in ((360, False), (360, True), (1280, False), (1280, True)):
        change_device(page, width=width, dark=dark)
        picture = PIL.Image.open(io.BytesIO(page.locator(".pagoefectivo-symbols").screenshot()))
        read = [one.text for one in zxingcpp.read_barcodes(picture)]
        assert sorted(read) == sorted([order.code, order.cip.url]), (width, dark)


def test_it_prints_on_one_sheet(visit: Open, live_server: Any) -> None:
    order = make(language="es", concept="Dos polos de algodón")
    assert order.cip is not None
    page = visit(address(live_server, order))
    for width, height in (("105mm", "148mm"), ("210mm", "297mm")):  # A6 and A4
        printed = pypdfium2.PdfDocument(page.pdf(width=width, height=height, print_background=False))
        assert len(printed) == 1
        text = "".join(printed[0].get_textpage().get_text_range().split())
        for needed in ("35.50", "PagoEfectivoSoles", "Yape", "Interbank", "Kasnet", order.code):
            assert needed in text
        picture = printed[0].render(scale=4).to_pil()
        assert {one.text for one in zxingcpp.read_barcodes(picture)} == {order.code, order.cip.url}


# Who can't see it.


def test_axe_finds_nothing_in_any_state(visit: Open, live_server: Any, settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"PAYER_MAY_RENEW": True}
    page = visit("about:blank")
    for state in VoucherState:
        page.goto(address(live_server, order_in(state)))
        for dark in (False, True):
            change_device(page, width=360, dark=dark)
            assert_accessible(page)
