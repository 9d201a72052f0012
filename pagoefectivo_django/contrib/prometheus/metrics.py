"""The metrics: calls, messages, events, deliveries, rounds, and gauges of the queues."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import Error
from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ...flows.reports.accounts import known_accounts
from ...flows.reports.health import open_discrepancies, refusals, waiting
from ...measures import Measure, observe_by
from ...models.clock import current_time

#: Bucket limits in seconds: a provider answers within tenths of a second, and a call times out after eight to ten.
SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 12)

CALLS = Histogram(
    "pagoefectivo_provider_call_seconds",
    "Calls to the provider.",
    ("account", "method", "outcome"),
    buckets=SECONDS,
)
MESSAGES = Counter("pagoefectivo_notifications", "Messages that came to the webhook.", ("channel", "status"))
EVENTS = Counter("pagoefectivo_events", "What happened to orders.", ("kind",))
DELIVERIES = Counter("pagoefectivo_deliveries", "Receivers that ran.", ("receiver", "outcome"))
FOREIGN = Counter(
    "pagoefectivo_foreign_payments",
    "Codes of other systems on a shared account: paid, or named by a message.",
    ("account",),
)
ROUNDS = Histogram("pagoefectivo_round_seconds", "Rounds of a worker.", buckets=(0.01, 0.1, 1, 10, 60, 300))


def begin() -> None:
    """Start measuring, and register the gauges, which query the database when scraped."""
    observe_by(_observe)
    if _Gauges.registered is None:
        _Gauges.registered = _Gauges()
        REGISTRY.register(_Gauges.registered)


def _observe(measure: Measure, value: float, labels: tuple[str, ...]) -> None:
    match measure:
        case Measure.CALL:
            CALLS.labels(*labels).observe(value)
        case Measure.ROUND:
            ROUNDS.observe(value)
        case Measure.MESSAGE:
            MESSAGES.labels(*labels).inc(value)
        case Measure.EVENT:
            EVENTS.labels(*labels).inc(value)
        case Measure.DELIVERY:
            DELIVERIES.labels(*labels).inc(value)
        case Measure.FOREIGN:
            FOREIGN.labels(*labels).inc(value)


class _Gauges(Collector):
    """Gauges from the database, equal in every process of a shop, so one process is enough to scrape."""

    registered: _Gauges | None = None

    def describe(self) -> list[Metric]:
        return []  # empty: registering must not query the database

    def collect(self) -> Iterator[Metric]:
        try:
            yield from self._read()
        except Error:
            return  # an unreachable database is another alarm's subject; the counters are still exported

    def _read(self) -> Iterator[Metric]:
        accounts, now, state = known_accounts(), current_time(), waiting()
        asked = GaugeMetricFamily(
            "pagoefectivo_open_discrepancies", "Discrepancies that wait for a person.", labels=["kind"]
        )
        for one in open_discrepancies(accounts):
            asked.add_metric([one.kind], one.count)
        refused = GaugeMetricFamily(
            "pagoefectivo_refused_notifications", "Messages refused since ever.", labels=["channel", "reason"]
        )
        for row in refusals(filter(None, accounts.values())):
            refused.add_metric([row.channel, row.reason], row.count)
        yield from (asked, refused)
        since = {
            "pagoefectivo_worker_silence_seconds": ("Since a worker's last round.", state.beaten_at),
            "pagoefectivo_oldest_event_seconds": ("Age of the oldest event that waits.", state.oldest_event),
        }
        for name, (told, moment) in since.items():
            if moment:
                yield GaugeMetricFamily(name, told, value=(now - moment).total_seconds())
        yield GaugeMetricFamily("pagoefectivo_waiting_deliveries", "Up to 1,000.", value=state.undelivered)
        yield GaugeMetricFamily("pagoefectivo_waiting_notifications", "Up to 1,000.", value=state.unapplied)
        yield GaugeMetricFamily("pagoefectivo_dead_notifications", "Up to 1,000.", value=state.dead)
