"""The tasks that Celery runs, and the function that enqueues a delivery.

A message is acknowledged when its task begins, whatever the shop's default: the work of a dead worker is in the
database, where the next ``tick`` finds it, and a receiver that kills its process must not be given to the next worker.
"""

from __future__ import annotations

from celery import shared_task
from kombu.pools import producers

from ... import flows
from ...flows.messages.alert import notice_silence
from ...flows.worker.tick import BUDGET

#: Seconds to wait for the broker; a request of the shop's waits too.
TIMEOUT = 1
#: A connection dropped by the broker is reopened once, at once; Celery's default would go on for seconds.
RETRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
#: The time-outs under the names of Redis, then of RabbitMQ; each transport ignores the other's names.
BRIEFLY = {
    **RETRY,
    "socket_connect_timeout": TIMEOUT,
    "socket_timeout": TIMEOUT,
    "read_timeout": TIMEOUT,
    "write_timeout": TIMEOUT,
}


@shared_task(name="pagoefectivo.tick", ignore_result=True, acks_late=False)
def tick() -> None:
    """Do one round of everything due, as the worker does."""
    flows.tick()


@shared_task(name="pagoefectivo.publish_events", ignore_result=True, acks_late=False)
def publish_events() -> None:
    """Deliver due events within a time budget; the next task delivers the rest."""
    flows.publish_events(budget=BUDGET)
    notice_silence()  # beat may have stopped while tasks still run


def enqueue() -> None:
    """Enqueue ``publish_events``; raises Celery's own errors, within a few seconds."""
    # Not Celery's own pool, whose connections have the shop's time-outs, by default none.
    connection = publish_events.app.connection_for_write(connect_timeout=TIMEOUT, transport_options=BRIEFLY)
    with producers[connection].acquire(block=True, timeout=TIMEOUT) as producer:
        # Expires: each task delivers everything due, so the tasks of a burst would only keep ticks waiting.
        publish_events.apply_async(producer=producer, retry=True, retry_policy=RETRY, expires=BUDGET.total_seconds())
