"""Kind 9: before a healthy receiver is called, one that fails is called a few times, however much waits for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection

from pagoefectivo_django.flows import publish_events
from pagoefectivo_django.flows.outbox.publish import _due
from pagoefectivo_django.models.clock import current_time
from tests.receivers.test_slow_receivers import MINUTE, Calls, Connect, left, listen, wait_for

__all__ = ["listen"]

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.usefixtures("pagoefectivo_memory"),
    pytest.mark.django_db(transaction=True),
]


@pytest.mark.parametrize(
    ("name", "waiting", "error", "atomic"),
    [("erp", 121, RuntimeError, True), ("mail", 1000, TimeoutError, False)],
    ids=["121 rows of an ERP that is away", "1,000 of a mute mail server"],
)
def test_it_is_called_after_a_few_calls(
    listen: Connect, name: str, waiting: int, error: type[Exception], atomic: bool
) -> None:
    """At half a second a call it was 66 s for 121 rows; at ten seconds for 10,000 it was a day."""
    calls = Calls()
    listen(calls.of(name, error), name, atomic=atomic)
    listen(calls.of("warehouse"), "warehouse")
    wait_for(name, waiting, since=60 * MINUTE)
    wait_for("warehouse", 1)
    publish_events()
    assert calls.names.index("warehouse") <= 5
    assert left("warehouse") == 0
    assert calls.count(name) <= 5


@pytest.mark.postgresql
def test_statistics_of_a_nearly_empty_shop_make_no_cube_of_what_waits(listen: Connect) -> None:
    """A thousand mails that waited for a mute server took a round two minutes, until PostgreSQL counted its rows anew.

    PostgreSQL plans with the statistics of the last ANALYZE; a first day's burst of events is not in them yet.
    """
    calls, waiting = Calls(), 200
    listen(calls.of("mail", TimeoutError), "mail", atomic=False)
    wait_for("mail", 1)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    wait_for("mail", waiting)
    plan = json.loads(_due(current_time()).filter(receiver="mail").explain(format="json", analyze=True))
    assert rows_looked_at(plan[0]["Plan"]) < 10 * waiting**2  # half of the cube would be 4,000,000


def rows_looked_at(plan: dict[str, Any]) -> float:
    """Return how many rows the nodes of a plan returned or dropped."""
    kinds = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Join Filter")
    mine: float = plan["Actual Loops"] * sum(plan.get(kind, 0) for kind in kinds)
    return mine + sum(map(rows_looked_at, plan.get("Plans", ())))
