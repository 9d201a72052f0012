"""Kind 12: Celery delivers, and nobody calls its tick by the clock: a check says so."""

from typing import Any

import pytest

from pagoefectivo_django.contrib.celery.apps import check_beat
from pagoefectivo_django.contrib.celery.schedule import BEAT_SCHEDULE
from pagoefectivo_django.contrib.celery.tasks import tick

pytestmark = [pytest.mark.xdist_group("celery"), pytest.mark.once]


@pytest.mark.parametrize("schedule", [None, {}, {"mine": {"task": "shop.tasks.clean", "schedule": 60.0}}])
def test_a_beat_that_does_not_call_our_tick_is_told(monkeypatch: pytest.MonkeyPatch, schedule: Any) -> None:
    monkeypatch.setattr(tick.app.conf, "beat_schedule", schedule)
    (told,) = check_beat(None)
    assert told.id == "pagoefectivo.W011"
    assert told.hint


@pytest.mark.parametrize(
    "schedule", [BEAT_SCHEDULE, {**BEAT_SCHEDULE, "mine": {"task": "x"}}, {"mine": {"task": "pagoefectivo.tick"}}]
)
def test_one_that_calls_it_is_not(monkeypatch: pytest.MonkeyPatch, schedule: Any) -> None:
    monkeypatch.setattr(tick.app.conf, "beat_schedule", schedule)
    assert check_beat(None) == []
