"""Who may see whom, and what everybody's actions leave: an event with the name of who did it."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from pagoefectivo_django.admin.lists import MOST_LISTED, BoundedPaginator
from pagoefectivo_django.flows import cancel_order, refund_order
from pagoefectivo_django.flows.refunds.refund import give_account
from pagoefectivo_django.models import Delivery, Discrepancy, Notification, Order, OrderEvent, Refund
from pagoefectivo_django.testing import notify, pay
from tests.factories.people import PLANTED as PAYER
from tests.wording import REQUIRED

pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., Order]
Act = Callable[..., str]
PLANTED = ("planted@example.com", "Plantada", "48151623", "999777555", "00219100000000000152")
MODELS = ("order", "notification", "delivery", "discrepancy", "refund", "apicall", "settlement", "settlementline")


@pytest.fixture
def planted(new_order: Make) -> Order:
    order = pay(new_order(payer=PAYER, concept="for Plantada", metadata={"to": "Plantada"}), userName="Plantada")
    notify(order, operation_number="another", userName="Plantada")
    refund = refund_order(order, None, actor="rosa", reason="too small")
    give_account(refund, bank="BCP", cci="00219100000000000152", holder="Plantada Quispe")
    return order


def pages(client: Client) -> dict[str, str]:
    """Return every page that the app's first page leads to, and what those lead to."""
    found, todo = dict[str, str](), ["/admin/pagoefectivo/"]
    while todo and len(found) < 80:
        path = todo.pop(0)
        if path in found or "/logout" in path:
            continue
        answer = client.get(path)
        if answer.status_code != 200 or "html" not in answer["Content-Type"]:
            found[path] = answer.content.decode(errors="replace") if answer.status_code == 200 else ""
            continue
        found[path] = unescape(answer.content.decode())
        todo += re.findall(r'href="(/admin/pagoefectivo/[^"?#]*)', answer.content.decode())
    return found


def test_who_may_only_look_sees_nobody_s_data(hire: Callable[..., Client], planted: Order) -> None:
    found = pages(hire("luis", *(f"view_{model}" for model in MODELS)))
    assert len(found) > 12
    for path, text in found.items():
        assert not [word for word in PLANTED if word in text], path


def test_who_may_see_people_does(hire: Callable[..., Client], planted: Order) -> None:
    found = pages(hire("rosa", *(f"view_{model}" for model in MODELS), "see_personal_data"))
    text = "".join(found.values())
    assert {word for word in PLANTED if word in text} >= set(PLANTED[:4])


def test_nobody_is_found_by_an_address_that_one_may_not_see(
    hire: Callable[..., Client], staff: Client, planted: Order
) -> None:
    query = {"q": "planted@"}
    luis = hire("luis", "view_order")
    assert planted.reference not in luis.get("/admin/pagoefectivo/order/", query).content.decode()
    assert planted.reference in staff.get("/admin/pagoefectivo/order/", query).content.decode()


def test_a_reason_is_asked_for_and_kept(staff: Client, new_order: Make, act: Act) -> None:
    order = new_order()
    assert REQUIRED in act(staff, "cancel", order, confirmed="yes")
    act(staff, "cancel", order, confirmed="yes", reason="The payer called")
    event = order.events.get(fact="reason")
    assert (event.actor.name, event.reason) == ("rosa", "The payer called")


@pytest.mark.parametrize("action", ["cancel", "extend", "reissue"])
def test_the_second_is_told_what_the_first_did(staff: Client, new_order: Make, act: Act, action: str) -> None:
    order = new_order()
    asked = act(staff, action, order)  # opened before the first acts
    assert "Yes:" in asked
    cancel_order(order, actor="ana")
    count = order.events.count()
    until = (timezone.now() + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")
    text = act(staff, action, order, confirmed="yes", reason="asked", expires_at=until)
    assert "Nothing was changed. It is cancelled since" in text
    assert "by ana." in text
    assert order.events.count() == count


def test_an_order_that_was_paid_meanwhile_says_so(staff: Client, new_order: Make, act: Act) -> None:
    order = new_order()
    act(staff, "cancel", order)
    pay(order)
    assert "It is paid since" in act(staff, "cancel", order, confirmed="yes", reason="asked")
    order.refresh_from_db()
    assert order.state == "paid"


def test_what_staff_does_is_an_event_with_their_name(staff: Client, new_order: Make, act: Act) -> None:
    order = pay(new_order())
    act(staff, "refresh", order)
    assert order.events.get(fact="asked").actor.name == "rosa"
    act(staff, "deliver_once_more", Delivery.objects.filter(event__order=order)[0])
    assert order.events.get(fact="retried").actor.name == "rosa"
    Notification.objects.update(status="dead")
    act(staff, "apply_now", Notification.objects.get())
    event = OrderEvent.objects.get(order=None, fact="retried")
    assert event.actor.name == "rosa"
    assert [*event.data] == ["notification"]


def test_a_list_is_bounded_and_says_so(staff: Client, new_order: Make) -> None:
    asked = [
        Discrepancy(kind="late_payment", subject=str(number), created_at=timezone.now(), evidence=[])
        for number in range(MOST_LISTED + 5)
    ]
    Discrepancy.objects.bulk_create(asked)
    assert BoundedPaginator(Discrepancy.objects.order_by("pk"), 50).count == MOST_LISTED
    text = staff.get("/admin/pagoefectivo/discrepancy/").content.decode()
    assert "Only the first 1,000 are listed" in text
    assert "Only the first" not in staff.get("/admin/pagoefectivo/order/").content.decode()


def test_a_refund_s_account_is_not_shown_to_who_looks(hire: Callable[..., Client], planted: Order) -> None:
    refund = Refund.objects.get()
    client = hire("luis", "view_refund")
    assert refund.cci not in client.get(f"/admin/pagoefectivo/refund/{refund.pk}/change/").content.decode()
