"""Kind 12: Celery that delivers and does nothing else by the clock is told, and is not silent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, current_app
from django.apps import apps as project
from django.core.checks import Warning

from pagoefectivo_django.contrib.celery.apps import check_beat
from pagoefectivo_django.contrib.celery.schedule import BEAT_SCHEDULE


@pytest.fixture
def celery() -> Iterator[Celery]:
    """A shop's Celery, for as long as a test takes."""
    before: Celery = current_app._get_current_object()  # type: ignore[attr-defined]
    app = Celery("made-up", set_as_current=False)
    app.set_current()
    yield app
    before.set_current()


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ({}, True),
        (BEAT_SCHEDULE, False),
        ({"by another name": {"task": "pagoefectivo.tick", "schedule": 60.0}}, False),
        ({"deliveries only": {"task": "pagoefectivo.publish_events", "schedule": 60.0}}, True),
        ({"of the shop": {"task": "shop.clean"}}, True),
    ],
)
def test_no_beat_calls_tick(celery: Celery, schedule: dict[str, Any], told: bool) -> None:
    celery.conf.beat_schedule = schedule
    found = check_beat(None)
    assert [message.id for message in found] == (["pagoefectivo.W011"] if told else [])
    for message in found:
        assert isinstance(message, Warning)
        assert "pagoefectivo.tick" in message.msg
        assert "BEAT_SCHEDULE" in str(message.hint)


def test_a_beat_whose_schedule_is_in_the_database_is_believed(celery: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    celery.conf.beat_schedule = {}
    is_installed = project.is_installed
    monkeypatch.setattr(project, "is_installed", lambda name: name == "django_celery_beat" or is_installed(name))
    assert check_beat(None) == []
