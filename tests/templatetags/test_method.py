"""PagoEfectivo on a shop's own page."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.template import Context, Engine, Template
from django.template.engine import Engine as TemplateEngine

from pagoefectivo_django.errors import InvalidRequest

LIMITS = {"PEN": (Decimal(2), Decimal(3724))}
TAG = Template("{% load pagoefectivo %}{% pagoefectivo_method amount currency %}")


def shown(amount: object = Decimal("35.50"), currency: str = "PEN") -> str:
    return TAG.render(Context({"amount": amount, "currency": currency}))


@pytest.fixture
def limits(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"LIMITS": LIMITS}


@pytest.mark.usefixtures("limits")
def test_it_says_what_it_is_where_one_can_pay_and_how_much() -> None:
    page = shown()
    for words in (
        "Pay in cash, online banking or wallet with PagoEfectivo",
        "Yape",
        "BCP",
        "Kasnet",
        "Wallet",
        "From S/\u00a02.00 to S/\u00a03,724.00.",
    ):
        assert words in page
    assert "too" not in page
    assert "pagoefectivo-method-unavailable" not in page


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize(
    ("amount", "said"),
    [
        ("1.99", "S/\u00a01.99 is too little for PagoEfectivo: it takes S/\u00a02.00 or more."),
        ("3724.01", "S/\u00a03,724.01 is too much for PagoEfectivo: it takes S/\u00a03,724.00 at most."),
    ],
)
def test_an_amount_outside_of_the_limits_is_said_plainly(amount: str, said: str) -> None:
    page = shown(Decimal(amount))
    assert said in page
    assert "pagoefectivo-method-unavailable" in page
    assert "Kasnet" not in page


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize("amount", ["2.00", "3724.00"])
def test_the_limits_themselves_are_inside(amount: str) -> None:
    assert "pagoefectivo-method-unavailable" not in shown(Decimal(amount))


@pytest.mark.usefixtures("limits")
def test_a_currency_without_limits_has_none() -> None:
    page = shown(Decimal(99999), "USD")
    assert "From" not in page
    assert "Yape" not in page
    assert "pagoefectivo-method-unavailable" not in page


def test_the_places_are_those_of_the_setting(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"WAYS": {"cash": ["Bodega <Rosa>"]}}
    page = shown()
    assert "Bodega &lt;Rosa&gt;" in page
    assert "Kasnet" not in page


def test_it_works_under_a_strict_policy() -> None:
    page = shown()
    assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=|https?://", page)
    (link,) = re.findall(r'<link rel="stylesheet" href="([^"]+)">', page)
    assert link.endswith("pagoefectivo/method.css")


def test_an_amount_that_nobody_could_pay_is_the_shops_mistake() -> None:
    with pytest.raises(InvalidRequest, match="amount is ''"):
        shown("")


def test_the_icon_is_an_image_without_a_name_of_the_size_that_is_wanted() -> None:
    icon = Template("{% load pagoefectivo %}{% pagoefectivo_icon 24 %}").render(Context())
    assert icon.startswith("<svg")
    assert 'height="24"' in icon
    assert 'aria-hidden="true"' in icon


def test_a_shop_can_change_a_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "pagoefectivo").mkdir()
    (tmp_path / "pagoefectivo" / "method.html").write_text(
        '{% extends "pagoefectivo/method.html" %}{% block pagoefectivo_title %}Pay in cash{% endblock %}'
        "{% block pagoefectivo_style %}{% endblock %}"
    )
    default: TemplateEngine = Engine.get_default()
    engine = Engine(dirs=[str(tmp_path)], app_dirs=True, libraries=default.libraries)
    page = engine.from_string("{% load pagoefectivo %}{% pagoefectivo_method amount 'PEN' %}").render(
        Context({"amount": Decimal(5)})
    )
    assert "Pay in cash</p>" in page
    assert "stylesheet" not in page
    assert "Kasnet" in page
