"""The project of the benchmarks."""

from typing import Any

from tests import settings as ours
from tests.settings import *  # noqa: F403

PAGOEFECTIVO: dict[str, Any] = ours.PAGOEFECTIVO | {  # type: ignore[no-redef]
    "CHANNELS": {"default": {"BACKEND": "benchmarks.channels.Ready", "OPTIONS": {"WEBHOOK_SECRETS": ["made-up"]}}},
    "SEARCHES_PER_MINUTE": 60_000,
}
