"""Kind 12: a receiver that keeps failing stands on the first page, and staff can have it tried now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from pagoefectivo_django.flows import publish_events
from pagoefectivo_django.models import Delivery, FailingReceiver, Order, OrderEvent
from pagoefectivo_django.signals import payment_confirmed
from pagoefectivo_django.testing import pay
from tests.reading import first_page, page

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/pagoefectivo/failingreceiver/"
ERP = "tests.failing.erp"
Make = Callable[..., Order]
Hire = Callable[..., Client]
Act = Callable[..., str]


class Erp:
    """A receiver whose server is away until somebody mends it."""

    def __init__(self) -> None:
        self.away, self.calls = True, 0

    def __call__(self, **named: object) -> None:
        self.calls += 1
        if self.away:
            raise OSError("no route to ana@example.com")


@pytest.fixture
def erp() -> Iterator[Erp]:
    receiver = Erp()
    payment_confirmed.connect(receiver, dispatch_uid=ERP, in_request=False)
    yield receiver
    payment_confirmed.disconnect(dispatch_uid=ERP)


@pytest.fixture
def failing(erp: Erp, new_order: Make) -> FailingReceiver:
    """One that is left alone for some minutes, at two deliveries that were put off for an hour."""
    for number in range(2):
        pay(new_order(f"SHOP-{number}"))
    now = timezone.now()
    mine = Delivery.objects.filter(receiver=ERP)
    mine.update(attempts=35, retry_at=now + timedelta(minutes=55), last_error="OSError: no route")
    return FailingReceiver.objects.create(
        receiver=ERP, failures=35, since=now - timedelta(hours=30), paused_until=now + timedelta(minutes=9)
    )


def late(receiver: str = ERP) -> None:
    """Let the events be of yesterday, as far as the first page looks."""
    for delivery in Delivery.objects.filter(receiver=receiver):
        rows = OrderEvent.objects.filter(pk=delivery.event_id)
        super(type(rows), rows).update(created_at=timezone.now() - timedelta(hours=30))


def test_the_first_page_leads_to_it(hire: Hire, failing: FailingReceiver) -> None:
    late()
    said = f'<a href="{LIST}">{ERP} fails again and again</a>'
    assert said in first_page(hire("luis", "view_order", "view_delivery"))
    text = first_page(hire("ana", "view_order"))
    assert f"{ERP} fails again and again" in text
    assert LIST not in text
    failing.delete()  # others succeeded, so that it is one bad delivery
    assert '/delivery/?delivered=no">' + ERP in first_page(hire("eva", "view_order", "view_delivery"))


def test_staff_sees_who_fails_since_when_and_at_what(hire: Hire, failing: FailingReceiver) -> None:
    luis = hire("luis", "view_delivery")
    text = luis.get(LIST).content.decode()
    assert ERP in text
    assert ">35<" in text
    text = page(luis, failing)
    assert "SHOP-0" in text
    assert "OSError" in text
    assert '/try_now/"' not in text
    assert ERP in luis.get(LIST, {"q": "failing.erp"}).content.decode()
    assert ERP not in luis.get(LIST, {"q": "warehouse"}).content.decode()
    assert hire("ana", "view_order").get(LIST).status_code == 403


def test_trying_now_ends_the_pause_and_the_worker_calls_it_once(
    hire: Hire, act: Act, failing: FailingReceiver, erp: Erp
) -> None:
    eva = hire("eva", "view_delivery", "change_delivery")
    assert publish_events() == 0
    assert erp.calls == 0
    assert '/try_now/"' in page(eva, failing)
    assert "the worker tries it in its next round" in act(eva, "try_now", failing)
    event = OrderEvent.objects.get(order=None, fact="retried")
    assert (event.actor.name, event.data) == ("eva", {"receiver": ERP})
    publish_events()
    assert erp.calls == 1
    failing.refresh_from_db()
    assert failing.failures == 36
    assert failing.paused_until
    assert failing.paused_until > timezone.now() + timedelta(minutes=1), "it failed, and is left alone again"
    erp.away = False
    act(eva, "try_now", failing)
    publish_events()
    assert not FailingReceiver.objects.filter(receiver=ERP).exists()
    assert erp.calls == 2


def test_who_may_only_look_can_t_and_nothing_happens_where_nothing_is_paused(
    hire: Hire, act: Act, failing: FailingReceiver
) -> None:
    luis, eva = hire("luis", "view_delivery"), hire("eva", "view_delivery", "change_delivery")
    act(luis, "try_now", failing, status=403)
    FailingReceiver.objects.update(paused_until=None, failures=1)
    assert '/try_now/"' not in page(eva, failing)
    assert "is not left alone" in act(eva, "try_now", failing)
    assert not OrderEvent.objects.filter(fact="retried").exists()


def test_nobody_edits_it(admin_client: Client, failing: FailingReceiver) -> None:
    assert admin_client.post(f"{LIST}{failing.pk}/change/", {"failures": 0}).status_code == 403
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}{failing.pk}/delete/", {"post": "yes"}).status_code == 403
