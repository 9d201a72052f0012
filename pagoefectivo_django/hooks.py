"""Functions that apps in ``contrib`` add to the worker's round and to the alerts for staff, each by dotted path.

The flows that call the functions know no app of ``contrib``; an app names its functions here in ``ready()``, and the
modules are imported when the functions first run.
"""

from __future__ import annotations

from .signals import ByPath

#: Called in each round after the events were published, with the round's ``TimeBudget``; each returns a count.
DELIVERING: list[ByPath] = []
#: Called with the present moment; each yields troubles for staff.
TROUBLES: list[ByPath] = []


def also_deliver(path: str) -> None:
    """Have each round call a function that delivers events in a further way."""
    _add(DELIVERING, path)


def also_report(path: str) -> None:
    """Have the alerts for staff include the troubles that a function yields."""
    _add(TROUBLES, path)


def _add(functions: list[ByPath], path: str) -> None:
    if (function := ByPath(path)) not in functions:
        functions.append(function)
