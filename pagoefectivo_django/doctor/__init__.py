"""The doctor: examines everything a shop needs for payments, step by step; a failing step stops no later step."""

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
    """Yield the findings of each step as soon as known; moves no money and sends no mail and no text message."""
    for name, step in STEPS:
        try:
            yield from step()
        except Exception as error:  # see not_looked_at(); the next steps go on
            yield not_looked_at(name, error)
