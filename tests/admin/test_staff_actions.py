"""Staff's actions, all of them: one declaration each, for the button of a record and for the list."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from pagoefectivo_django.admin.actions import StaffAction
from pagoefectivo_django.admin.base import RecordAdmin
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.flows.possible.rules import PERMISSIONS
from pagoefectivo_django.models import Order
from tests.factories.people import OURS
from tests.wording import levels

pytestmark = pytest.mark.django_db(transaction=True)

Make = Callable[..., Order]
Act = Callable[..., str]
Hire = Callable[..., Client]
DECLARED = [(each, action) for each in OURS if isinstance(each, RecordAdmin) for action in each.staff_actions]
NAMES = [f"{each.opts.model_name}-{action.name}" for each, action in DECLARED]


def button(row: Order, action: str) -> str:
    return reverse(f"admin:pagoefectivo_order_{action}", args=[row.pk])


def told(order: Order) -> list[tuple[str, ...]]:
    return [(event.kind, event.fact, event.actor.name, event.state_after) for event in order.events.order_by("number")]


@pytest.mark.parametrize(("ours", "action"), DECLARED, ids=NAMES)
def test_each_needs_its_one_permission_at_both_doors(hire: Hire, ours: RecordAdmin, action: StaffAction) -> None:
    all_of_ours = Permission.objects.filter(content_type__app_label="pagoefectivo").values_list("codename", flat=True)
    assert action.permission in all_of_ours
    assert action.permission == PERMISSIONS.get(action.name, action.permission)
    other = hire("eva", *set(all_of_ours) - {action.permission}, f"view_{ours.opts.model_name}")
    only = hire("rosa", action.permission, f"view_{ours.opts.model_name}")
    name = f"admin:pagoefectivo_{ours.opts.model_name}"
    assert other.post(reverse(f"{name}_{action.name}", args=[1])).status_code == 403
    assert only.post(reverse(f"{name}_{action.name}", args=[1])).status_code == 404  # there is no record
    posted = {"action": action.name, "_selected_action": ["1"]}
    assert (other.post(reverse(f"{name}_changelist"), posted).status_code == 403) is action.bulk
    assert only.post(reverse(f"{name}_changelist"), posted).status_code in (200, 302)


@pytest.mark.parametrize("action", ["refresh", "cancel", "reissue"])
def test_the_list_does_what_the_button_does(staff: Client, new_order: Make, act: Act, action: str) -> None:
    first, second = new_order("A-1"), new_order("B-2")
    assert staff.post(button(first, action), {"reason": "asked"}).status_code == 302
    act(staff, action, second, confirmed="yes", reason="asked")
    assert told(first) == told(second)
    assert "rosa" in {who for _kind, _fact, who, _state in told(first)}


def test_an_error_of_the_program_at_one_row_is_told_and_stops_no_other(
    staff: Client, new_order: Make, act: Act, caplog: pytest.LogCaptureFixture
) -> None:
    """The request ended with a 500, and nobody knew which rows were done."""
    orders = [new_order(f"SHOP-{number}") for number in range(3)]
    MemoryChannel.fail("delete", ZeroDivisionError("a bug"))
    with caplog.at_level(logging.ERROR, logger="pagoefectivo.orders"):
        text = act(staff, "cancel", *orders, confirmed="yes", reason="asked")
    assert levels(text) == {"success": 2, "error": 1}
    assert "failed by an error of the program" in text
    assert sorted(Order.objects.values_list("state", flat=True)) == ["cancelled", "cancelled", "pending"]
    (logged,) = [record for record in caplog.records if "cancel failed" in record.getMessage()]
    assert logged.exc_info
