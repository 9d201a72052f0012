"""Kind 14: texts go to mobile numbers of the countries that the shop names, Peru's if it names none."""

from typing import Any

import pytest

from pagoefectivo_django.flows import publish_events
from pagoefectivo_django.models import Delivery
from pagoefectivo_django.payer import Payer
from tests.clock import later
from tests.factories.carriers import CONSOLE
from tests.factories.orders import make
from tests.mail.conftest import Connect, messages  # noqa: F401

pytestmark = [pytest.mark.usefixtures("pagoefectivo_memory"), pytest.mark.django_db(transaction=True)]

SATELLITES = ["+8816123456789", "+870773111632", "+88213123456"]
PREMIUM = ["+449098790123", "+19005551234", "+4990012345678"]


def texted(messages: Connect, number: str, capsys: pytest.CaptureFixture[str], **more: Any) -> bool:  # noqa: F811
    messages(("created",), CARRIERS={"screen": {"BACKEND": CONSOLE}}, **more)
    make(payer=Payer(email="ana@example.com", phone=number))
    publish_events(later(seconds=1))
    assert not Delivery.objects.filter(delivered_at=None).exists()
    return f"SMS to {number}: " in capsys.readouterr().out


@pytest.mark.parametrize("number", ["+51999888777"])
def test_peru_s_mobiles_are_texted(messages: Connect, number: str, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    assert texted(messages, number, capsys)


@pytest.mark.parametrize(
    "number", [*SATELLITES, *PREMIUM, "+5117654321", "+5180011234", "+56961234567", "+18095551234"]
)
def test_nobody_else_is(messages: Connect, number: str, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    assert not texted(messages, number, capsys)


@pytest.mark.parametrize("number", [*SATELLITES, *PREMIUM])
def test_no_list_of_countries_has_them(messages: Connect, number: str, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    assert not texted(messages, number, capsys, TEXT_COUNTRIES=["PE", "GB", "US", "DE", "001"])


def test_others_where_the_shop_names_them(messages: Connect, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    assert texted(messages, "+56961234567", capsys, TEXT_COUNTRIES=["CL"])
    assert not texted(messages, "+51999888777", capsys, TEXT_COUNTRIES=["CL"])
    assert not texted(messages, "+51999888777", capsys, TEXT_COUNTRIES=[])
