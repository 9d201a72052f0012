"""The mails in a real browser: what mail programs with a small or a dark screen make of them."""

import uuid
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest

from pagoefectivo_django.conf import MESSAGES
from pagoefectivo_django.mail.compose import compose
from pagoefectivo_django.money import Money
from tests.browser.visiting import Open, assert_accessible, assert_fits, change_device
from tests.factories.vouchers import voucher_for

LONG: dict[str, Any] = {
    "concept": "W" * 50,
    "reference": "R" * 64,
    "code": "12345678901234",
    "money": Money(Decimal("9999999.99"), "USD"),
}
OVERFLOWING = """[...document.querySelectorAll('.card *')]
    .filter(one => one.clientWidth && one.scrollWidth > one.clientWidth + 1).map(one => one.outerHTML.slice(0, 99))"""


@pytest.mark.parametrize("name", MESSAGES)
def test_it_fits_and_can_be_read(visit: Open, name: str) -> None:
    page = visit("about:blank")
    for changes in (LONG, {}):
        html = compose(name, voucher_for(name, **changes), to="ana@example.com", event_id=uuid.uuid4()).alternatives[0][
            0
        ]
        page.goto(f"data:text/html;charset=utf-8,{quote(str(html))}")
        for width, dark in ((360, False), (360, True), (700, False)):
            change_device(page, width=width, dark=dark)
            assert_fits(page)
            assert page.evaluate(OVERFLOWING) == []
            assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") == dark
            background = page.evaluate("getComputedStyle(document.querySelector('.card')).backgroundColor")
            assert background == ("rgb(31, 36, 40)" if dark else "rgb(255, 255, 255)")
            if not changes and width == 360:
                assert_accessible(page, advice=False)  # landmarks are the mail program's
