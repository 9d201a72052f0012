"""What Celery runs, and how it is told.

Messages are acknowledged when they begin, whatever the shop's default: what a dead worker had begun is kept in the
database, where the next ``tick`` finds it, and a receiver that kills its process must not be handed to the next one.
"""

from __future__ import annotations

from celery import shared_task
from kombu.pools import producers

from ... import flows
from ...flows.messages.alert import notice_silence
from ...flows.worker.tick import BUDGET

#: Seconds that a broker may take for an answer. It is a shop's request that waits.
TIMEOUT = 1
#: A connection that the broker dropped is opened again, once and at once; Celery's own default goes on for seconds.
RETRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
#: By the names of Redis, then of RabbitMQ; either ignores the other's.
BRIEFLY = {
    **RETRY,
    "socket_connect_timeout": TIMEOUT,
    "socket_timeout": TIMEOUT,
    "read_timeout": TIMEOUT,
    "write_timeout": TIMEOUT,
}


@shared_task(name="pagoefectivo.tick", ignore_result=True, acks_late=False)
def tick() -> None:
    """Do one round of everything due."""
    flows.tick()


@shared_task(name="pagoefectivo.publish_events", ignore_result=True, acks_late=False)
def publish_events() -> None:
    """Deliver what is due, for a while; the rest is the next one's."""
    flows.publish_events(budget=BUDGET)
    notice_silence()  # beat may have ended while this goes on


def enqueue() -> None:
    """Ask for ``publish_events``; raises what Celery raises, within a few seconds."""
    # Not Celery's own pool: its connections have the shop's time-outs, by default none.
    connection = publish_events.app.connection_for_write(connect_timeout=TIMEOUT, transport_options=BRIEFLY)
    with producers[connection].acquire(block=True, timeout=TIMEOUT) as producer:
        # Expires, so that a burst of events doesn't keep every tick waiting behind it: whoever delivers, delivers all.
        publish_events.apply_async(producer=producer, retry=True, retry_policy=RETRY, expires=BUDGET.total_seconds())
