"""The page of an order in the admin, for staff who can't see it or not well."""

import io
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from pagoefectivo_django.flows import comment_on, enter_deposit
from pagoefectivo_django.flows.settle import read_settlement
from pagoefectivo_django.models import ApiCall, ApiCallSubject, Cip, Discrepancy, Heartbeat, Order, Refusal
from pagoefectivo_django.states import Kind, VoucherState
from pagoefectivo_django.testing import pay
from tests.browser.conftest import Open
from tests.browser.states import order_in
from tests.browser.test_voucher_page import assert_accessible
from tests.flows.asking import ask, line
from tests.flows.making import make
from tests.settlements import files

pytestmark = [
    pytest.mark.sqlite,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]

#: Chosen in the browser; words that only that language has.
LANGUAGES = {"en": "Timeline", "es": "Historial", "zh-CN": "历史记录"}


def enter(visit: Open, live_server: Any, path: str, **device: Any) -> Page:
    """Open a page of the admin as its superuser."""
    User.objects.create_superuser("rosa")
    client = Client()
    client.force_login(User.objects.get(username="rosa"))
    page = visit("about:blank", **device)
    # Django's admin has no icon, and a browser says so.
    page.context.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    page.context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}]
    )
    page.goto(live_server.url + path)
    return page


def page_of(order: Order) -> str:
    return reverse("admin:pagoefectivo_order_change", args=[order.pk])


@pytest.mark.parametrize("state", [VoucherState.PAID, VoucherState.IN_REVIEW])
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)])
@pytest.mark.parametrize("language", LANGUAGES)
def test_axe_finds_nothing_on_an_orders_page(
    visit: Open, live_server: Any, language: str, width: int, dark: bool, state: VoucherState
) -> None:
    Heartbeat.objects.create(name="tick", beaten_at=timezone.now())
    page = enter(visit, live_server, page_of(order_in(state)), width=width, dark=dark, locale=language)
    expect(page.locator(".pagoefectivo-section h2").first).to_have_text(LANGUAGES[language])
    assert page.locator(".messagelist .warning").count() == (2 if state == VoucherState.IN_REVIEW else 0)
    assert_accessible(page)


def desk_of(question: Discrepancy, page: str = "change") -> str:
    return reverse(f"admin:pagoefectivo_discrepancy_{page}", args=[question.pk])


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (360, False), (360, True)])
def test_axe_finds_nothing_on_the_desk(visit: Open, live_server: Any, width: int, dark: bool) -> None:
    Heartbeat.objects.create(name="tick", beaten_at=timezone.now())
    order = order_in(VoucherState.PAID)
    of = line(code=order.code, gross=order.amount + 1, operation_number="OP-314160", collector="BCP")
    question = ask(Kind.AMOUNT_MISMATCH, order=order, cip=order.cip, line=of)
    comment_on(question, "I asked the provider which amount is right.", actor="rosa")
    page = enter(visit, live_server, desk_of(question), width=width, dark=dark, locale="en")
    assert page.locator(".pagoefectivo-differs").count() == 2
    tops = {box["y"] for panel in page.locator(".pagoefectivo-panel").all() if (box := panel.bounding_box())}
    assert len(tops) == (1 if width == 1280 else 3)
    assert_accessible(page)
    for deed in ("resolve", "assign", "comment"):
        page.goto(live_server.url + desk_of(question, deed))
        assert_accessible(page)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)])
def test_axe_finds_nothing_on_the_pages_of_settlements(visit: Open, live_server: Any, width: int, dark: bool) -> None:
    Heartbeat.objects.create(name="tick", beaten_at=timezone.now())
    orders = [pay(make()) for _ in range(3)]
    settlement = files.load(files.line(orders[0]), files.line(orders[1], gross=Decimal("1234.50")))
    enter_deposit(settlement, Decimal("33.60"), date(2026, 11, 5), actor="rosa")
    bad = [*files.line(orders[2])[:6], "0.00", *files.line(orders[2])[7:]]
    data = files.text([files.line(orders[2]), bad])
    draft = read_settlement(io.BytesIO(data), "LIQ-1002.txt", actor="rosa", currency="PEN")
    page = enter(visit, live_server, reverse("admin:app_list", args=["pagoefectivo"]), width=width, dark=dark)
    paths = {
        "import": reverse("admin:pagoefectivo_settlement_import"),
        "preview": reverse("admin:pagoefectivo_settlement_change", args=[draft.pk]),
        "confirm": reverse("admin:pagoefectivo_settlement_confirm", args=[draft.pk]),
        "settlement": reverse("admin:pagoefectivo_settlement_change", args=[settlement.pk]),
        "deposit": reverse("admin:pagoefectivo_settlement_deposit", args=[settlement.pk]),
        "line": reverse("admin:pagoefectivo_settlementline_change", args=[settlement.lines.earliest("pk").pk]),
        "match": reverse("admin:pagoefectivo_settlementline_match", args=[settlement.lines.latest("pk").pk]),
        "export": reverse("admin:pagoefectivo_settlement_export"),
    }
    expect(page.get_by_text("settled and matched")).to_be_visible()
    assert_accessible(page)
    for path in paths.values():
        page.goto(live_server.url + path)
        assert_accessible(page)


def a_busy_shop() -> Order:
    """Write what a dashboard has to show: sales of two weeks on two channels, questions, refusals, calls."""
    now, paid = timezone.now(), list[Order]()
    for days in range(14):
        for _ in range(1 + days % 3):
            order = pay(make(amount=Decimal("35.50") * (1 + days * 7 % 5)))
            Order.objects.filter(pk=order.pk).update(
                created_at=now - timedelta(days=days, hours=5), paid_at=now - timedelta(days=days)
            )
            paid.append(order)
    make(reference="STILL-OPEN-WITH-A-RATHER-LONG-REFERENCE-OF-64-LETTERS-0123456789")
    Cip.objects.filter(order__in=paid[::4]).update(account="memory:another-channel-with-a-long-name")
    ask(Kind.LATE_PAYMENT, order=paid[0], cip=paid[0].cip)
    Refusal.objects.create(channel="default", reason="unproven", count=1234, first_at=now, last_at=now)
    body = '{\n "amount": "35.50",\n "userEmail": "…"\n}'
    for number, status in enumerate((201, 503, None)):
        call = ApiCall.objects.create(
            channel="default", account="memory:default", method="POST", path="/v1/cips/search", status=status,
            error="" if status else "ReadTimeout", began_at=now, milliseconds=120 * (number + 1), request=body,
            answer=body, trace=f"{number}" * 32,
        )  # fmt: skip
        ApiCallSubject.objects.create(call=call, order=paid[0])
    Heartbeat.objects.update_or_create(name="tick", defaults={"beaten_at": now})
    return paid[0]


#: What the dashboard is called in each language.
QUESTIONS = {"en": "Was I paid?", "es": "¿Me pagaron?", "zh-CN": "收到付款了吗？"}


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True), (360, False)])
@pytest.mark.parametrize("language", QUESTIONS)
def test_axe_finds_nothing_on_the_operators_desk(
    visit: Open, live_server: Any, language: str, width: int, dark: bool
) -> None:
    order = a_busy_shop()
    home = reverse("admin:app_list", args=["pagoefectivo"])
    page = enter(visit, live_server, home, width=width, dark=dark, locale=language)
    expect(page.get_by_text(QUESTIONS[language])).to_be_visible()
    assert page.locator(".pagoefectivo-chart rect").count() > 6
    for summary in page.locator(".pagoefectivo-section summary").all():
        summary.click()
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    if (language, width, dark) not in (("en", 1280, False), ("es", 360, True)):
        return  # the other pages have been seen in these
    call = ApiCall.objects.latest("pk")
    names = ("order", "notification", "delivery", "discrepancy", "apicall")
    # Django's own search box has an icon as its label: no violation of WCAG, but against the advice.
    lists = [reverse(f"admin:pagoefectivo_{name}_changelist") for name in names]
    paths = [
        page_of(order),
        reverse("admin:pagoefectivo_apicall_change", args=[call.pk]),
        reverse("admin:pagoefectivo_order_erase_payer", args=[order.pk]),
        *lists,
    ]
    for path in paths:
        page.goto(live_server.url + path)
        assert_accessible(page, advice=path not in lists)
