"""What a task backend runs, and how it is told."""

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
    """Do one round of everything due, and return how much was done."""
    return asdict(flows.tick())


@task
def publish_events() -> int:
    """Deliver what is due, for a while, and return how many were delivered; the rest is the next one's.

    A short while: Django's default backend runs it in the shop's request.
    """
    notice_silence()  # whatever calls tick by the clock may have ended
    return flows.publish_events(budget=REQUEST_BUDGET)


def enqueue() -> None:
    """Ask for ``publish_events``; raises what the backend raises."""
    publish_events.enqueue()
