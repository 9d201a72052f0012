"""Kind 9: before a healthy receiver is called, one that fails is called a few times, however much waits for it."""

from __future__ import annotations

import pytest

from pagoefectivo_django.flows import publish_events
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
