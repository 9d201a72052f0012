"""The person at the command line, as the history names an actor."""

from __future__ import annotations

import getpass
import os


def name_of_user() -> str:
    """Return the name of the system's user, or ``uid 1000`` where the system has no name, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # Python 3.13 raises OSError
        return f"uid {os.getuid()}"
