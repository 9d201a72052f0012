"""The storm: many processes on one PostgreSQL, everything goes wrong that can, and at the end the books balance.

``STORM=full`` (``make storm``) is the whole of it; without it a short one blows.
"""

import random
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pagoefectivo_django.models import Cip, Heartbeat, Order
from tests.conftest import FULL
from tests.storm import books
from tests.storm.conftest import REPORT
from tests.storm.report import report
from tests.storm.running import AHEAD, RENAMED, Size, Storm, rage
from tests.storm.shopper import MANNERS

WHOLE = Size(shops=8, orders=2000, webs=2, workers=4, calls=60)
SHORT = Size(shops=4, orders=80, webs=1, workers=2, calls=6)
#: Milliseconds for which one process may wait for another's lock.
LONGEST_WAIT = 2000

pytestmark = [
    pytest.mark.long,
    pytest.mark.once,
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("first_round"),
]


def test_the_books_balance_after_a_storm(
    child_environment: dict[str, str],
    server_log: Callable[[], str],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    size = WHOLE if FULL else SHORT
    storm = rage(size, random.randrange(10**6) if FULL else 1, child_environment, tmp_path)
    payments = books.taken(storm.codes)
    waits = lock_waits(server_log())
    sums = books.sums(payments)
    record_property(REPORT, report(storm, payments, sums, waits))

    books.check_money(payments)
    assert all(theirs == ours for theirs, ours in sums.values()), sums
    books.check_orders(storm)
    books.check_codes(storm.codes)
    books.check_queues()
    books.check_receivers()
    books.check_history()
    books.check_callers(storm)
    assert Order.objects.count() >= size.orders
    assert set(storm.manners.values()) == MANNERS.keys(), "not every manner was tried"
    # The disturbances were there: codes of both aliases and of the other accounts, and a worker whose machine was an
    # hour ahead of the database.
    assert {*Cip.objects.values_list("channel", flat=True)} == {"default", RENAMED, "hinting", "linking"}
    assert Heartbeat.objects.filter(name="clock ahead", ahead__gt=timedelta(seconds=AHEAD - 60)).exists()
    # Each provider went down for a while and came up again, and orders were sold meanwhile.
    assert storm.down.keys() == {"default", "hinting", "linking"}
    assert storm.shops["sold while a provider was down"]
    assert storm.rounds["left"] == 0, "there was something to do in a round after the last one"
    # Everybody took part, ended in peace, and said nothing of an error that nobody expects.
    assert storm.tasks["pagoefectivo.publish_events"]
    assert all(storm.worked.values())
    assert {name: code for name, code in storm.exits.items() if code and "web" not in name} == {}
    assert unexpected(storm) == []
    log = server_log()
    assert "deadlock detected" not in log, around(log, "deadlock detected")
    assert max(waits, default=0) < LONGEST_WAIT, around(log, f" {max(waits)} ms")


def around(log: str, text: str) -> str:
    """What the server says of something, with its context."""
    begin = log.index(text)
    return log[max(0, begin - 500) : begin + 3000]


def lock_waits(log: str) -> list[float]:
    """How long somebody waited for a lock, in ms, each time that it was longer than ``deadlock_timeout``."""
    return [float(found) for found in re.findall(r"(?:still waiting for|acquired) .* after ([\d.]+) ms", log)]


def unexpected(storm: Storm) -> list[str]:
    """What was logged as an error though nothing failed but what is made to: receivers, and providers that are down."""
    lines = [f"{name}: {line}" for name, log in storm.logs.items() for line in log.splitlines()]
    errors = [line for line in lines if re.search(r"\b(ERROR|CRITICAL)\b", line)]
    down = r'Service Unavailable: /pay/api/orders/|"POST /pay/api/orders/\S* HTTP/1.1" 503 '
    return [line for line in errors if not re.search(rf"Receiver (moody|mail|hanging) failed at event|{down}", line)]
