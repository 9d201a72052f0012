"""Runs the benchmarks on a PostgreSQL of their own and prints each ratio beside what it must reach."""

import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path

os.environ["TEST_DATABASE"] = "postgresql"
os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"

import django

django.setup()

from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext, get_runner
from django.utils import timezone

from benchmarks import books
from benchmarks.channels import ACCOUNT
from benchmarks.desk import desk
from benchmarks.settling import settling
from benchmarks.starting import starting
from pagoefectivo_django.channels import get_channel
from pagoefectivo_django.channels.base import CodeRef
from pagoefectivo_django.flows import tick
from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.outbox.publish import hand_over_to
from pagoefectivo_django.flows.worker.expire import expire_orders
from pagoefectivo_django.flows.worker.reconcile import reconcile
from pagoefectivo_django.models import Cip, Delivery, Order, OrderEvent
from pagoefectivo_django.signals import payment_expired
from tests.sandbox.running import Client, running

BATCH = 100
DESK = int(os.environ.get("BENCH_DESK", 1_000_000))
SETTLED = int(os.environ.get("BENCH_SETTLED", 1_000_000))


def tell(what: str, ratio: float, needed: str, detail: str) -> None:
    print(f"{what}: {ratio:.2f} ({needed})\n    {detail}")


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


# One round with nothing due.


def idle(count: int) -> tuple[float, int]:
    """The median of a round in which nothing is due, and its statements."""
    books.empty()
    books.write(count, account=ACCOUNT, mixed=True)
    assert not tick()
    with CaptureQueriesContext(connection) as queries:
        tick()
    return statistics.median(seconds(tick) for _ in range(200)), len(queries)


def bench_tick() -> None:
    (few, few_statements), (many, many_statements) = idle(1_000), idle(1_000_000)
    detail = (
        f"{few * 1000:.2f} ms and {few_statements} statements; {many * 1000:.2f} ms and {many_statements} statements"
    )
    tell("tick with nothing due, 1,000,000 orders against 1,000", many / few, "at most 2", detail)


# Expiring.


def free_stock(sender: object, **kwargs: object) -> None:
    """A receiver, so that both write deliveries; a worker would run it."""


def floor(now: datetime) -> int:
    """The same locked updates and inserts, as somebody would write them who knows the whole case beforehand."""
    channel, ended = get_channel("default"), 0
    while True:
        with transaction.atomic():
            due = Order.objects.select_for_update(skip_locked=True).filter(lapses_at__lte=now).order_by("lapses_at")
            orders = list(due[:BATCH])
            if not orders:
                return ended
            cips = list(Cip.objects.filter(order__in=orders, status="current"))
            found = channel.look_up([CodeRef(cip.code or "") for cip in cips])
            answers = {ref.code: report for ref, report in found.items()}
            assert all(answers[cip.code or ""].fact == "code_expired" for cip in cips)
            keys = [order.pk for order in orders]
            Cip.objects.filter(pk__in=[cip.pk for cip in cips]).update(status="expired", live=None, changed_at=now)
            Order.objects.filter(pk__in=keys).update(state="expired", lapses_at=None, remind_at=None, event_count=2)
            events = [
                OrderEvent(
                    order=order,
                    number=order.event_count + 1,
                    kind="payment_expired",
                    fact="code_expired",
                    state_before=order.state,
                    state_after="expired",
                    actor_kind="worker",
                    cip_id=order.cip_id,
                    created_at=now,
                )
                for order in orders
            ]
            OrderEvent.objects.append(events)
            Delivery.objects.bulk_create(
                [Delivery(event=event, receiver="bench.free_stock", retry_at=now) for event in events]
            )
        ended += len(orders)


def expiring(count: int, work: Callable[[datetime], int]) -> tuple[float, int]:
    """The rate, in orders a second, and by how many MiB the process grew."""
    books.empty()
    books.write(count, account=ACCOUNT, mixed=False, until="-1 hour")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took = seconds(lambda: work(timezone.now()))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert Order.objects.filter(state="expired").count() == count
    assert Delivery.objects.filter(receiver="bench.free_stock").count() == count
    return count / took, grown // 1024


def bench_expire() -> None:
    payment_expired.connect(free_stock, dispatch_uid="bench.free_stock")
    hand_over_to(lambda: None)

    def ours(now: datetime) -> int:
        return expire_orders(TimeBudget(now))

    expiring(5_000, ours), expiring(5_000, floor)  # both begin warm
    (rate, grown), (needed, _) = expiring(100_000, ours), expiring(100_000, floor)
    detail = f"{rate:,.0f} orders/s against {needed:,.0f}; the process grew by {grown} MiB after the first 5,000"
    tell("expiring 100,000 orders, rate against a hand-written loop", rate / needed, "at least 0.5", detail)


# Polling.


def seeded(client: Client, count: int) -> Iterable[int]:
    for number in range(count):
        yield client.create(transactionCode=f"BENCH-{number + 1}")


def bench_poll() -> None:
    count = 10_000
    with running() as client:
        options = {name: client.keys[name] for name in ("SERVICE_ID", "ACCESS_KEY", "SECRET_KEY")}
        entry = {
            "BACKEND": "pagoefectivo_django.channels.pagoefectivo.PagoEfectivoChannel",
            "OPTIONS": options | {"BASE_URL": client.base},
        }
        settings.PAGOEFECTIVO["CHANNELS"]["default"] = entry
        channel = get_channel("default")
        books.empty()
        books.write(count, account=channel.account, mixed=False)
        for key, code in zip(
            Cip.objects.order_by("pk").values_list("pk", flat=True), seeded(client, count), strict=True
        ):
            Cip.objects.filter(pk=key).update(code=str(code))
        now = timezone.now() + timedelta(hours=13)

        def bare() -> None:
            """One question and one statement a batch."""
            codes = list(Cip.objects.order_by("pk").values_list("pk", "code"))
            for begin in range(0, count, BATCH):
                batch = codes[begin : begin + BATCH]
                assert len(channel.look_up([CodeRef(code or "") for _, code in batch])) == BATCH
                Cip.objects.filter(pk__in=[key for key, _ in batch]).update(attempts=0)

        needed = seconds(bare)
        before = searches(client)
        with CaptureQueriesContext(connection) as queries:
            took = seconds(lambda: print("    polled:", dict(reconcile(TimeBudget(now), patient=True))))
        asked = searches(client) - before
    detail = f"{len(queries) / asked:.1f} statements a batch; {took:.1f} s against {needed:.1f} s by hand"
    tell("polling 10,000 codes at the sandbox, searches for each batch", asked / (count / BATCH), "exactly 1", detail)


def searches(client: Client) -> int:
    calls = client.send("GET", "/sandbox/requests").json()["requests"]
    return sum(call["path"].endswith("/search") for call in calls)


# Settling.


def bench_settle() -> None:
    with tempfile.TemporaryDirectory() as folder:
        _, few, _ = settling(10_000, Path(folder))
        took, most, needed = settling(SETTLED, Path(folder))
    memory = f"at most {most} MiB, for 10,000 lines {few} MiB (under 200, and the same)"
    detail = f"{took:.0f} s against {needed:.0f} s; {memory}"
    tell(f"settling {SETTLED:,} lines, time against COPY and joining SQL", took / needed, "at most 3", detail)


# The operator's desk.


def bench_desk() -> None:
    (few, few_home), (many, many_home) = desk(1_000), desk(DESK)
    ratios = []
    # By their place: what is searched for and the dates of filters differ.
    for (name, (small, fewer)), (_, (large, more)) in zip(sorted(few.items()), sorted(many.items()), strict=True):
        line = f"{small * 1000:7.1f} ms {large * 1000:7.1f} ms  {large / small:5.2f}  {name}"
        if fewer == more:
            ratios.append((large / small, line))
        else:  # a page of 50 rows is not found more slowly than one of 3, but it is longer
            print(f"    {line}: {fewer} rows and {more}, not compared")
    for _, line in sorted(ratios):
        print(f"    {line}")
    worst = max(ratio for ratio, _ in ratios)
    detail = f"of {len(ratios)} (of {len(few)}) lists, filters and searches, as requests to Django's test client"
    tell(f"the slowest list, {DESK:,} orders against 1,000", worst, "at most 1.5", detail)
    detail = f"{few_home * 1000:.0f} ms and {many_home * 1000:.0f} ms"
    tell(f"the dashboard, {DESK:,} orders against 1,000", many_home / few_home, "at most 3", detail)


# A start.


def bench_start() -> None:
    ours, floor = starting()
    more, grown = ours.milliseconds - floor.milliseconds, ours.mebibytes - floor.mebibytes
    detail = (
        f"{ours.milliseconds:.0f} ms against {floor.milliseconds:.0f} ms, {more:.0f} more; {ours.mebibytes:.1f} MiB"
        f" against {floor.mebibytes:.1f}, {grown:.1f} more; {ours.modules - floor.modules:.0f} modules more"
    )
    ratio = ours.milliseconds / floor.milliseconds
    tell("django.setup() with the app against without", ratio, "at most 100 ms and 8 MiB more, aims at 60 ms", detail)


BENCHMARKS = {
    "start": bench_start,
    "tick": bench_tick,
    "expire": bench_expire,
    "poll": bench_poll,
    "settle": bench_settle,
    "desk": bench_desk,
}


def main(names: list[str]) -> None:
    runner = get_runner(settings)(verbosity=0, interactive=False)
    databases = runner.setup_databases(aliases={"default"})
    try:
        for name in names or BENCHMARKS:
            BENCHMARKS[name]()
    finally:
        runner.teardown_databases(databases)


if __name__ == "__main__":
    main(sys.argv[1:])
