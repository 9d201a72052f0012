"""An import that is killed, whenever that is: gone as a whole or gone on with, never half, and nothing twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from benchmarks import books as bench
from pagoefectivo_django.channels.base import Report
from pagoefectivo_django.channels.memory import Slip
from pagoefectivo_django.conf import conf
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.reports.balance import balance
from pagoefectivo_django.flows.settlements.imports import settle
from pagoefectivo_django.flows.settlements.reading import DRAFTS_LIVE
from pagoefectivo_django.models import (
    Cip,
    Delivery,
    Discrepancy,
    Match,
    Order,
    OrderEvent,
    Payment,
    Settlement,
    SettlementLine,
)
from pagoefectivo_django.models.database import LEASE
from pagoefectivo_django.signals import payment_settled
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import deliver
from tests.conftest import FULL, ROOT
from tests.factories.provider import channel
from tests.factories.statements import LIMA, text
from tests.shop.models import Heard
from tests.shop.receivers import ship

pytestmark = [
    pytest.mark.long,
    pytest.mark.once,
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]

#: How many points of each part of an import are died at.
TIMES = 30 if FULL else 2
COUNT = 1_000 if FULL else 400
#: The lines about codes that nobody knows.
STRANGERS = range(COUNT, 7, -301)
PAID_AT = datetime.now(LIMA)
#: Of a hundred orders one is not paid here: of every second of these the provider says that it is.
STATE = "CASE WHEN n % 100 = 0 THEN 'pending' ELSE 'paid' END"
#: ``python -c CHILD fatal command…``: run a command in small batches, and die at that point of it (0: at none).
CHILD = """
import json, os, sys
import django
django.setup()
from django.core.management import call_command
from pagoefectivo_django.flows.settlements import reading, rules
from tests.crash.points import points
from tests.settlements.test_killed import shop

reading.BATCH = rules.BATCH = 50
with shop(), points.counted(int(sys.argv[1])) as names, open(os.devnull, "w") as nowhere:
    call_command(*sys.argv[2:], stdout=nowhere)
print(json.dumps(names))
"""


@contextmanager
def shop() -> Iterator[None]:
    """A shop that hears of settlements, and a provider that knows of payments which nobody heard of."""
    for cip in Cip.objects.filter(status="current"):
        report = Report(account=cip.account, fact=Fact.ISSUED, code=cip.code or "")
        if not cip.pk % 200:
            report = replace(report, fact=Fact.PAYMENT, amount=Decimal("35.50"), currency="PEN", paid_at=PAID_AT)
        channel().book[report.code] = Slip(report)
    payment_settled.connect(ship, dispatch_uid="tests.settled")
    try:
        with override_settings(PAGOEFECTIVO=dict(conf.all()) | {"SEARCHES_PER_MINUTE": 100_000}):
            yield
    finally:
        payment_settled.disconnect(dispatch_uid="tests.settled")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A statement about every order; and some lines of which we know nothing, or are repeated."""
    file = tmp_path / "LIQ-1001.txt"
    lines = [row(number, f"{70_000_000 + number:014}") for number in range(1, COUNT + 1)]
    strangers = [row(number, f"99{number}") for number in STRANGERS]
    file.write_bytes(text([*lines[:700], *strangers, *lines[700:], *lines[100:130]]))
    return file


def row(number: int, code: str) -> list[str]:
    known = code.startswith("00000070")
    moment = f"{PAID_AT:%d/%m/%Y %H:%M:%S}"
    named = f"BENCH-{number}" if known else ""
    return ["1", "x", code, named, "x", "1.89", "35.50", moment, moment, "x", "x", "x", "BCP", "x", "Agente"]


def run(environment: dict[str, str], path: Path, fatal: int = 0) -> list[str]:
    """Import in a process of its own; return the points that it came by, none if it was killed."""
    command = ["pagoefectivo_settle", str(path), "--currency=PEN", "--date=2026-11-04"]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(fatal), *command], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == (-signal.SIGKILL if fatal else 0), done.stderr[-4000:]
    names: list[str] = [] if fatal else json.loads(done.stdout.splitlines()[-1])
    return names


def sell() -> None:
    bench.empty()
    Heard.objects.all().delete()
    bench.write(COUNT, account="memory:default", mixed=False, state=STATE)


def written() -> dict[str, Any]:
    """All that an import leaves behind, without keys and moments of its own."""
    lines = SettlementLine.objects.exclude(settlement__status="draft")
    return {
        "settlements": list(Settlement.objects.counted().values_list("digest", "status", "line_count", "open_amount")),
        "lines": list(
            lines.order_by("number").values_list("number", "status", "about", "reason", "first", "net", "digest")
        ),
        "matches": sorted(Match.objects.values_list("line__number", "payment__cip", "rule", "amount", "stands")),
        "discrepancies": sorted(Discrepancy.objects.values_list("kind", "subject", "status", "line__number", "amount")),
        "payments": sorted(Payment.objects.values_list("cip", "amount", "status")),
        "orders": [(each.state, each.is_settled, each.event_count) for each in Order.objects.order_by("pk")],
        "events": Counter(OrderEvent.objects.values_list("order", "kind")),
        "deliveries": Counter(Delivery.objects.values_list("event__order", "event__kind", "receiver")),
        "books": balance("PEN"),
    }


def half(path: Path) -> str:
    """What must hold of the books when an import was just killed; return what it was about."""
    books = balance("PEN")
    assert books.holds, books.equations
    lines = SettlementLine.objects.exclude(settlement__status="draft")
    left = Counter(lines.values_list("status", flat=True))
    settled = Order.objects.filter(settled_at__isnull=False).count()
    told = OrderEvent.objects.filter(kind="payment_settled").count()
    assert left["matched"] == Match.objects.filter(stands=True).count() == settled == told
    settlement = Settlement.objects.counted().first()
    if settlement is None:
        # A draft counts nowhere, and nothing was moved for it.
        assert not any((books.gross, books.net, books.settled, books.open_payouts, left))
        assert not Discrepancy.objects.exists()
        return "reading"
    assert left.total() == settlement.line_count == len(path.read_text().splitlines())
    return "matching" if left["new"] else "asking"


def worker_goes_on() -> None:
    """Only once the killed one's lease is over, if it took one."""
    later = timezone.now() + LEASE + timedelta(seconds=1)
    while settle(TimeBudget(later)):
        later += LEASE + timedelta(seconds=1)


def everything_is_heard() -> None:
    with shop():
        deliver(timezone.now() + timedelta(hours=1))
    heard = Counter(Heard.objects.filter(signal="payment_settled").values_list("reference", flat=True))
    settled = Order.objects.filter(settled_at__isnull=False).values_list("reference", flat=True)
    assert heard == dict.fromkeys(settled, 1)


def chosen(names: list[str]) -> list[int]:
    """Some points of each part, spread over it, counted from 1."""
    asking = names.index("before SELECT pagoefectivo_heartbeat")  # the pace at which the provider is asked
    # In the midst of a transaction: matches are written, and their lines do not say so yet.
    matching = [place for place, name in enumerate(names[:asking], 1) if name == "before UPDATE pagoefectivo_match"]
    commits = [names.index("before COMMIT", place) + 1 for place in matching]
    return [
        *spread(range(2, matching[0] - 15)),
        *(pair[time % 2] for time, pair in enumerate(spread(list(zip(matching, commits, strict=True))))),
        *spread(range(asking + 10, len(names) - 10)),
    ]


def spread(of: Sequence[Any]) -> list[Any]:
    return [of[(2 * time + 1) * len(of) // (2 * TIMES)] for time in range(TIMES)]


def test_whenever_it_is_killed_the_end_is_that_of_one_that_was_not(
    child_environment: dict[str, str], path: Path
) -> None:
    sell()
    names = run(child_environment, path)
    whole = written()
    # Thirty lines stand twice in the file and have no number of their own: each is asked about.
    unheard = COUNT // 200
    statuses = Counter(status for _, status, *_ in whole["lines"])
    assert statuses == {"matched": COUNT - unheard, "discrepancy": 30 + len(STRANGERS) + unheard}
    midst = Counter[str]()
    for place, fatal in enumerate(chosen(names)):
        sell()
        run(child_environment, path, fatal)
        midst[half(path)] += 1
        if place % 2:
            with shop():
                worker_goes_on()
        if not Settlement.objects.filter(status="done").exists():
            run(child_environment, path)
        assert written() == whole, f"killed at {fatal} of {len(names)}, {names[fatal - 1]}"
    assert midst == {"reading": TIMES, "matching": TIMES, "asking": TIMES}
    everything_is_heard()


def test_what_was_read_when_it_was_killed_is_forgotten(child_environment: dict[str, str], path: Path) -> None:
    sell()
    run(child_environment, path, fatal=20)
    draft = Settlement.objects.get()
    assert (draft.status, draft.lines.exists()) == ("draft", True)
    assert half(path) == "reading"
    settle(TimeBudget(timezone.now() + DRAFTS_LIVE - timedelta(minutes=1)))
    assert Settlement.objects.exists()
    settle(TimeBudget(timezone.now() + DRAFTS_LIVE + timedelta(minutes=1)))
    assert not Settlement.objects.exists()
    assert not SettlementLine.objects.exists()
