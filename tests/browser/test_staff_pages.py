"""The page of an order in the admin, for staff who can't see it or not well."""

import io
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from pagoefectivo_django.flows import comment_on, enter_deposit
from pagoefectivo_django.flows.settlements.imports import read_settlement
from pagoefectivo_django.models import ApiCall, ApiCallSubject, Cip, Discrepancy, Heartbeat, Order, Refusal
from pagoefectivo_django.states import Kind, VoucherState
from pagoefectivo_django.testing import pay
from tests.browser.states import order_in
from tests.browser.visiting import Open, assert_accessible, assert_fits, change_device
from tests.factories import statements
from tests.factories.discrepancies import open_discrepancy
from tests.factories.orders import make
from tests.factories.people import hire_superuser
from tests.factories.settlements import settlement_line

pytestmark = [
    pytest.mark.sqlite,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]

#: What the browser asks for; words that only that language has, on an order's page and on the first.
LANGUAGES = {
    "es": ("Historial", "¿Me pagaron?"),
    "zh-CN": ("历史记录", "收到付款了吗？"),
    "en": ("Timeline", "Was I paid?"),
}
#: A page is looked at on both: together they have every width and every colour.
DESK, PHONE = (1280, False), (360, True)


@pytest.fixture
def desk(visit: Open, live_server: Any) -> Page:
    """A page of the admin's superuser, whose browser wants English."""
    Heartbeat.objects.create(name="tick", beaten_at=timezone.now())
    client = hire_superuser("rosa")
    page = visit("about:blank", base_url=live_server.url)
    # Django's admin has no icon, and a browser says so.
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    page.context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
    )
    return page


def look(page: Page, path: str = "", *, advice: bool = True) -> None:
    """Open a page, or stay on that which is open, and find nothing against it on any device."""
    if path:
        page.goto(path)
    for device in (DESK, PHONE):
        change_device(page, *device)
        assert_fits(page)
        assert_accessible(page, advice=advice)


def open_in(language: str, page: Page, path: str) -> None:
    """Open a page in a language; for axe, which knows none, one of them is enough, but words have widths."""
    page.set_extra_http_headers({"Accept-Language": language})
    page.goto(path)


HOME = "/admin/pagoefectivo/"


def page_of(order: Order) -> str:
    return reverse("admin:pagoefectivo_order_change", args=[order.pk])


@pytest.mark.parametrize("state", [VoucherState.PAID, VoucherState.IN_REVIEW])
def test_an_orders_page(desk: Page, state: VoucherState) -> None:
    path = page_of(order_in(state))
    for language, (timeline, _) in LANGUAGES.items():
        open_in(language, desk, path)
        expect(desk.locator(".pagoefectivo-section h2").first).to_have_text(timeline)
        assert desk.locator(".messagelist .warning").count() == (2 if state == VoucherState.IN_REVIEW else 0)
        for device in (DESK, PHONE):
            change_device(desk, *device)
            assert_fits(desk)
    look(desk)


def desk_of(discrepancy: Discrepancy, page: str = "change") -> str:
    return reverse(f"admin:pagoefectivo_discrepancy_{page}", args=[discrepancy.pk])


def test_the_desk(desk: Page) -> None:
    order = order_in(VoucherState.PAID)
    of = settlement_line(code=order.code, gross=order.amount + 1, operation_number="OP-314160", collector="BCP")
    discrepancy = open_discrepancy(Kind.AMOUNT_MISMATCH, order=order, cip=order.cip, line=of)
    comment_on(discrepancy, "I asked the provider which amount is right.", actor="rosa")
    desk.goto(desk_of(discrepancy))
    assert desk.locator(".pagoefectivo-differs").count() == 2
    for device, rows in ((DESK, 1), (PHONE, 3)):
        change_device(desk, *device)
        tops = {box["y"] for panel in desk.locator(".pagoefectivo-panel").all() if (box := panel.bounding_box())}
        assert len(tops) == rows
    look(desk)
    for staff_action in ("resolve", "assign", "comment"):
        look(desk, desk_of(discrepancy, staff_action))


def test_the_pages_of_settlements(desk: Page) -> None:
    orders = [pay(make()) for _ in range(3)]
    settlement = statements.load(statements.line(orders[0]), statements.line(orders[1], gross=Decimal("1234.50")))
    enter_deposit(settlement, Decimal("33.60"), date(2026, 11, 5), actor="rosa")
    bad = [*statements.line(orders[2])[:6], "0.00", *statements.line(orders[2])[7:]]
    data = statements.text([statements.line(orders[2]), bad])
    draft = read_settlement(io.BytesIO(data), "LIQ-1002.txt", actor="rosa", currency="PEN")
    desk.goto(HOME)
    expect(desk.get_by_text("settled and matched")).to_be_visible()
    look(desk)
    for path in (
        reverse("admin:pagoefectivo_settlement_import"),
        reverse("admin:pagoefectivo_settlement_change", args=[draft.pk]),  # a preview
        reverse("admin:pagoefectivo_settlement_confirm", args=[draft.pk]),
        reverse("admin:pagoefectivo_settlement_change", args=[settlement.pk]),
        reverse("admin:pagoefectivo_settlement_deposit", args=[settlement.pk]),
        reverse("admin:pagoefectivo_settlementline_change", args=[settlement.lines.earliest("pk").pk]),
        reverse("admin:pagoefectivo_settlementline_match", args=[settlement.lines.latest("pk").pk]),
        reverse("admin:pagoefectivo_settlement_export"),
    ):
        look(desk, path)


def a_busy_shop() -> Order:
    """Write what a dashboard has to show: sales of two weeks on two channels, discrepancies, refusals, calls."""
    now, paid = timezone.now(), list[Order]()
    for days in range(14):
        order = pay(make(amount=Decimal("35.50") * (1 + days * 7 % 5)))
        Order.objects.filter(pk=order.pk).update(
            created_at=now - timedelta(days=days, hours=5), paid_at=now - timedelta(days=days)
        )
        paid.append(order)
    make(reference="STILL-OPEN-WITH-A-RATHER-LONG-REFERENCE-OF-64-LETTERS-0123456789")
    Cip.objects.filter(order__in=paid[::4]).update(account="memory:another-channel-with-a-long-name")
    open_discrepancy(Kind.LATE_PAYMENT, order=paid[0], cip=paid[0].cip)
    Refusal.objects.create(channel="default", reason="unproven", count=1234, first_at=now, last_at=now)
    body = '{\n "amount": "35.50",\n "userEmail": "…"\n}'
    for number, status in enumerate((201, 503, None)):
        call = ApiCall.objects.create(
            channel="default", account="memory:default", method="POST", path="/v1/cips/search", status=status,
            error="" if status else "ReadTimeout", began_at=now, milliseconds=120 * (number + 1), request=body,
            answer=body, trace=f"{number}" * 32,
        )  # fmt: skip
        ApiCallSubject.objects.create(call=call, order=paid[0])
    return paid[0]


def test_the_operators_desk(desk: Page) -> None:
    order = a_busy_shop()
    for language, (_, discrepancy) in LANGUAGES.items():
        open_in(language, desk, HOME)
        expect(desk.get_by_text(discrepancy)).to_be_visible()
        assert desk.locator(".pagoefectivo-chart rect").count() > 6
        for summary in desk.locator(".pagoefectivo-section summary").all():
            summary.click()
        for device in (DESK, PHONE):
            change_device(desk, *device)
            assert_fits(desk)
    look(desk)
    call = ApiCall.objects.latest("pk")
    look(desk, page_of(order))
    look(desk, reverse("admin:pagoefectivo_apicall_change", args=[call.pk]))
    look(desk, reverse("admin:pagoefectivo_order_erase_payer", args=[order.pk]))
    # Django's own search box has an icon as its label: no violation of WCAG, but against the advice.
    for name in ("order", "notification", "delivery", "discrepancy", "apicall"):
        look(desk, reverse(f"admin:pagoefectivo_{name}_changelist"), advice=False)
