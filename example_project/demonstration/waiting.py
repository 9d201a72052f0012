"""Looking until something is there."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

#: Seconds that anything may take; most takes a tenth of one.
PATIENCE = 20.0
#: Seldom enough for the shop's status page, which answers once a second for long.
GLANCE = 0.25


class Failed(Exception):
    """What was expected did not happen."""


def wait_for(what: str, look: Callable[[], Found | None]) -> Found:
    """Look again and again until there is something; raises ``Failed`` when patience ends."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        if time.monotonic() > deadline:
            raise Failed(f"waited {PATIENCE:.0f} s for {what}")
        time.sleep(GLANCE)
    return found
