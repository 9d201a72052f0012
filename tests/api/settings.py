"""The project of the API's real servers in the tests: ``tests.settings`` without a limit of requests."""

from typing import Any

from tests.settings import *  # noqa: F403
from tests.settings import REST_FRAMEWORK as OURS

REST_FRAMEWORK = dict[str, Any](OURS, DEFAULT_THROTTLE_RATES={"pagoefectivo": None})
