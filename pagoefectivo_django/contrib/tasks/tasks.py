"""The tasks that a task backend runs, and the function that enqueues a delivery."""

from __future__ import annotations

from dataclasses import asdict

from ... import flows
from ...flows.messages.alert import notice_silence
from ...flows.outbox.publish import REQUEST_BUDGET

try:
    from django.tasks import task
except ModuleNotFoundError:  # before Django 6.0
    from django_tasks import task  # type: ignore[no-redef]


@task
def tick() -> dict[str, int]:
    """Do one round of everything due, as the worker does; return the counts of the round."""
    return asdict(flows.tick())


@task
def publish_events() -> int:
    """Deliver due events within a short time budget, and return the number delivered; the next task delivers the rest.

    Short, because Django's default backend runs a task within the shop's request.
    """
    notice_silence()  # the scheduler that calls tick may have stopped
    return flows.publish_events(budget=REQUEST_BUDGET)


def enqueue() -> None:
    """Enqueue ``publish_events``; raises the backend's own errors."""
    publish_events.enqueue()
