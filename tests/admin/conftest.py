"""Staff who may act, staff who may only look, and things to look at."""

import logging
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import django
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.log import AdminEmailHandler
from django.views.debug import ExceptionReporter

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.flows import create_order, refund_order
from pagoefectivo_django.flows.refunds.refund import approve_refund, give_account
from pagoefectivo_django.models import Discrepancy, Heartbeat, Order
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.testing import notify, pay
from tests.factories import people
from tests.factories.people import CCI, PLANTED

TESTS = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _provider() -> Iterator[None]:
    MemoryChannel.clear()
    yield
    MemoryChannel.clear()


def _staff(name: str, *verbs: str, more: tuple[str, ...] = ()) -> Client:
    models = ("order", "notification", "delivery", "discrepancy", "refund")
    return people.hire(name, *(f"{verb}_{model}" for verb in verbs for model in models), *more)


@pytest.fixture
def hire(transactional_db: None) -> Callable[..., Client]:
    """A function that returns somebody of a name who has some permissions and no others."""
    return people.hire


@pytest.fixture
def staff(transactional_db: None) -> Client:
    """Somebody who may look and act, and see who pays."""
    return _staff("rosa", "view", "change", more=("see_personal_data",))


@pytest.fixture
def looker(transactional_db: None) -> Client:
    """Somebody who may only look."""
    return _staff("luis", "view")


@pytest.fixture
def new_order(transactional_db: None) -> Callable[..., Order]:
    """A function that makes an order with a code."""
    Heartbeat.objects.create(name="tick", beaten_at=timezone.now())

    def make(reference: str = "SHOP-1001", **changes: object) -> Order:
        named: dict[str, object] = {
            "amount": Decimal("120.50"),
            "currency": "PEN",
            "payer": Payer(email="ana@example.com", name="Ana <b>"),
            "concept": "Two T-shirts",
        }
        return create_order(reference=reference, **named | changes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def discrepancy(new_order: Callable[..., Order]) -> Discrepancy:
    """A discrepancy about an order over 120.50, of which 1.00 was paid."""
    notify(new_order(), amount=Decimal("1.00"), operation_number="4711")
    return Discrepancy.objects.get()


@pytest.fixture
def act() -> Callable[..., str]:
    """A function that presses an action's button, on the list or on the record's page, and returns the page after."""

    def press(client: Client, action: str, *rows: object, status: int = 200, **more: object) -> str:
        meta = rows[0]._meta  # type: ignore[attr-defined]
        url = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
        data = {"action": action, "_selected_action": [row.pk for row in rows], **more}  # type: ignore[attr-defined]
        answer = client.post(url, data, follow=True)
        assert answer.status_code == status
        return answer.content.decode()

    return press


@pytest.fixture
def planted(new_order: Callable[..., Order]) -> Order:
    """An order whose payer is named wherever one can be, with a refund to their account."""
    order = pay(new_order(payer=PLANTED, metadata={"to": "Plantada"}))
    refund = refund_order(order, None, actor="rosa", reason="too small")
    give_account(refund, bank="BCP", cci=CCI, holder="Plantada Quispe")
    approve_refund(refund, actor="eva")
    return order


@pytest.fixture
def reported(settings: Any, mailoutbox: list[Any]) -> Iterator[Callable[[Callable[[], Any]], str]]:
    """A function that returns what Django mails to the shop's admins of the errors in another one, also logged ones."""
    settings.ADMINS = [("Rosa", "rosa@shop.example")] if django.VERSION < (6,) else ["rosa@shop.example"]
    handler = AdminEmailHandler(include_html=True)
    handler.setLevel(logging.ERROR)

    def report(do: Callable[[], Any]) -> str:
        mailoutbox.clear()
        text = ""
        try:
            do()
        except Exception:
            kind, value, trace = sys.exc_info()
            # The frames of the test itself are the shop's, which knows its payer.
            while trace and trace.tb_frame.f_code.co_filename.startswith(str(TESTS)):
                trace = trace.tb_next
            text = str(ExceptionReporter(None, kind, value, trace).get_traceback_html())
        return text + "".join(str(mail.alternatives[0][0]) for mail in mailoutbox if mail.alternatives)

    root = logging.getLogger("pagoefectivo")
    root.addHandler(handler)
    try:
        yield report
    finally:
        root.removeHandler(handler)
