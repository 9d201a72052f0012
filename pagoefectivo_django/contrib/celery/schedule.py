"""When Celery's beat calls ``tick``; for a settings module, so it imports nothing of Django's."""

from __future__ import annotations

from typing import Any

#: Ticks expire, so that they don't pile up behind a slow one or while no worker runs; but not by the second, since a
#: queue may be long and two machines' clocks differ.
BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "pagoefectivo-tick": {"task": "pagoefectivo.tick", "schedule": 10.0, "options": {"expires": 60.0}},
}
