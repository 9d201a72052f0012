"""Look at everything that a shop needs to be paid, step by step; a step that fails stops no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .finding import Finding, Verdict, not_looked_at
from .machine import examine_cache, examine_database, examine_worker
from .messages import examine_carriers, examine_mail
from .provider import examine_providers
from .shop import examine_settings
from .webhook import examine_webhooks

__all__ = ["Finding", "Verdict", "examine"]

STEPS: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
    ("settings", examine_settings),
    ("database", examine_database),
    ("cache", examine_cache),
    ("worker", examine_worker),
    ("provider", examine_providers),
    ("webhook", examine_webhooks),
    ("mail", examine_mail),
    ("carriers", examine_carriers),
)


def examine() -> Iterator[Finding]:
    """Yield what each step finds, as soon as it does; sends no money, no mail and no text."""
    for name, step in STEPS:
        try:
            yield from step()
        except Exception as error:  # whatever it is: the others go on, and no text of it may hold a secret
            yield not_looked_at(name, error)
