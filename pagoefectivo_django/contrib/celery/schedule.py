"""The schedule on which Celery's beat calls ``tick``; for a settings module, so nothing of Django is imported."""

from __future__ import annotations

from typing import Any

#: A tick every 10 seconds. A tick not begun after 60 seconds expires, so ticks don't pile up behind a slow tick or
#: while no worker runs; the margin allows for long queues and machines whose clocks differ.
BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "pagoefectivo-tick": {"task": "pagoefectivo.tick", "schedule": 10.0, "options": {"expires": 60.0}},
}
