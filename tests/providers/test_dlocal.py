"""dLocal keeps the contract and sells, by codes and by pages."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from pagoefectivo_django.channels.base import Presents
from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.flows import create_order
from pagoefectivo_django.models import Order
from pagoefectivo_django.states import Fact
from tests.sandbox.running import Client

from .contract import ANA, ProviderContract
from .control import Control
from .dialect import DialectControl
from .story import LinkStory, ProviderStory, Shop


class Dlocal(DialectControl):
    name = "dlocal"
    backend = "pagoefectivo_django.channels.dlocal.DlocalChannel"
    document: ClassVar = {"document_type": "DNI", "document_number": "40302010"}
    calls: ClassVar = {
        "issue": "POST /dlocal/payments$",
        "look_up": "GET /dlocal/payments/",
        "find": "GET /dlocal/orders/",
        "refund": "POST /dlocal/refunds$",
        "look_up_refunds": "GET /dlocal/refunds/",
    }
    words: ClassVar = {
        "PENDING": Fact.ISSUED,
        "PAID": Fact.PAYMENT,
        "REJECTED": Fact.CODE_FAILED,
        "CANCELLED": Fact.CODE_DELETED,
        "EXPIRED": Fact.CODE_EXPIRED,
        "AUTHORIZED": Fact.IN_PROCESS,
        "VERIFIED": Fact.UNKNOWN,
    }
    lacks: ClassVar = {
        "process": "PagoEfectivo takes cash, which nobody examines",
        "take_back": "what dLocal says of a payment that was taken back is not known",
    }

    def said(self, code: str) -> dict[str, Any]:
        number, _colon, param = code.partition(":")
        return {"code": int(number), "message": "made up", "param": param or None}

    def say(self, answer: Any, word: str) -> Any:
        return answer | {"status": word}


class DlocalPages(Dlocal):
    """The same account, by the flow REDIRECT."""

    words: ClassVar = Dlocal.words | dict.fromkeys(("REJECTED", "CANCELLED"), Fact.CODE_EXPIRED)
    lacks: ClassVar = Dlocal.lacks | dict.fromkeys(
        ("cancel", "fail"), "a try that failed ends the page, and not the order; a test below looks"
    )

    def options(self, site: str, *, other: bool = False) -> dict[str, Any]:
        flow = {"FLOW": "REDIRECT", "CALLBACK_URL": "https://shop.example/thanks/"}
        return super().options(site, other=other) | flow


@pytest.fixture
def dlocal(dialects: Client) -> Dlocal:
    return Dlocal(dialects.site, dialects.session)


@pytest.fixture
def pages(dialects: Client) -> DlocalPages:
    return DlocalPages(dialects.site, dialects.session)


class TestDlocal(ProviderContract):
    #: A ticket ends some days later than we asked for: dLocal takes no date.
    step = timedelta(days=6)

    @pytest.fixture
    def control(self, dlocal: Control) -> Control:
        return dlocal


class TestDlocalPages(ProviderContract):
    @pytest.fixture
    def control(self, pages: Control) -> Control:
        return pages

    def test_presents_a_link(self, control: Control) -> None:
        channel = control.channel(control.site)
        assert (channel.presents, type(channel).presents) == (Presents.LINK, Presents.CODE)
        self.document = control.document
        report = self.issue(channel)
        assert (report.code, report.url.startswith("http")) == ("", True)


class TestStoryOfDlocal(ProviderStory):
    @pytest.fixture
    def control(self, dlocal: Control) -> Control:
        return dlocal

    def test_without_a_document_dlocal_is_not_asked(self, shop: Shop) -> None:
        with pytest.raises(InvalidRequest) as refusal:
            create_order(reference="SHOP-1001", amount=Decimal("120.50"), currency="PEN", payer=ANA)
        assert refusal.value.code == "no_route"
        assert not Order.objects.exists()
        assert shop.between.heard("dlocal") == 0


class TestStoryOfDlocalPages(LinkStory):
    @pytest.fixture
    def control(self, pages: Control) -> Control:
        return pages
