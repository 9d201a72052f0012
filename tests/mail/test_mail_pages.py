"""The mails in a real browser: what mail programs with a small or a dark screen make of them."""

import uuid
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe

from pagoefectivo_django.conf import MESSAGES
from pagoefectivo_django.mail.compose import compose
from pagoefectivo_django.money import Money
from tests.browser.conftest import Open, chromium, visit  # noqa: F401
from tests.mail.vouchers import voucher_for

LONG: dict[str, Any] = {
    "concept": "W" * 50,
    "reference": "R" * 64,
    "code": "12345678901234",
    "money": Money(Decimal("9999999.99"), "USD"),
}
OVERFLOWING = """[...document.querySelectorAll('.card *')]
    .filter(one => one.clientWidth && one.scrollWidth > one.clientWidth + 1).map(one => one.outerHTML.slice(0, 99))"""
#: Without axe's advice about landmarks, which are the mail program's.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize(("width", "dark"), [(360, False), (360, True), (700, False)])
def test_it_fits_and_can_be_read(visit: Open, name: str, width: int, dark: bool) -> None:  # noqa: F811
    for changes in ({}, LONG):
        voucher = voucher_for(name, **changes)
        html = compose(name, voucher, to="ana@example.com", event_id=uuid.uuid4()).alternatives[0][0]
        page = visit(f"data:text/html;charset=utf-8,{quote(str(html))}", width=width, dark=dark)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OVERFLOWING) == []
        assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == dark
        background = page.evaluate("getComputedStyle(document.querySelector('.card')).backgroundColor")
        assert background == ("rgb(31, 36, 40)" if dark else "rgb(255, 255, 255)")
        found = Axe().run(page, options=RULES)
        assert found.violations_count == 0, found.generate_report()
