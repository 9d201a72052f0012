"""Kind 9: whoever needs several locks takes them in one order, so nobody is given up by the database."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from pagoefectivo_django.flows import resolve_discrepancy
from pagoefectivo_django.flows.inbox.apply import apply_again
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.settlements.judging import look_again
from pagoefectivo_django.models import Discrepancy
from pagoefectivo_django.testing import pay
from tests.concurrency import at_once, breaking
from tests.factories.messages import paid, post
from tests.factories.orders import make
from tests.factories.statements import line, load
from tests.reading import kept

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.usefixtures("pagoefectivo_memory", "first_round"),
    pytest.mark.django_db(transaction=True),
]


def resting(*parts: str) -> Any:
    """Rest after the first statement that holds these texts, so that the other one comes to its second lock."""
    left = [1]

    def run(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if left[0] and all(part in sql for part in parts):
            left[0] = 0
            time.sleep(0.5)
        return result

    return connection.execute_wrapper(run)


def test_staff_answers_a_discrepancy_while_its_line_is_judged_anew(server_log: Callable[[], str]) -> None:
    order = make()
    load(line(order))
    discrepancy = Discrepancy.objects.get(kind="status_mismatch")
    pay(order)

    def worker() -> str:
        with resting("UPDATE", "settlementline", "status"):
            look_again(TimeBudget())
        return "worker"

    def staff() -> str:
        with resting('FROM "pagoefectivo_order"', "FOR UPDATE"):
            resolve_discrepancy(discrepancy, "ignore", actor="rosa", reason="Seen.")
        return "staff"

    said = at_once(worker, staff)
    assert "deadlock detected" not in server_log()
    assert said[0] == "worker"
    # Whoever came second found it done; staff is told so.
    assert said[1] == "staff" or "was resolved by" in str(said[1])


def test_the_provider_repeats_a_message_while_the_worker_applies_it(server_log: Callable[[], str]) -> None:
    order = make()
    body = paid(order)
    with breaking('UPDATE "pagoefectivo_order"', times=1):
        post(body)
    row = kept(body)

    def worker() -> bool:
        with resting('FROM "pagoefectivo_order"', "FOR UPDATE"):
            return apply_again(row, timezone.now())

    def web() -> int:
        with resting('FROM "pagoefectivo_notification"', "FOR UPDATE"):
            return int(post(body).status_code)

    said = at_once(worker, web)
    assert "deadlock detected" not in server_log()
    assert said[1] == 200
    order.reload()
    assert (order.state, kept(body).status) == ("paid", "applied")
