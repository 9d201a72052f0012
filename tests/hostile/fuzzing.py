"""Doors that anything is thrown at: for seconds in the suite, for minutes each by ``make fuzz``.

The cases come in batches, each from a seed, so that a failure can be had again: it prints its seed, and
``make fuzz SEED=7 MINUTES=0`` sends the same.
"""

import os
import time
import unittest
from collections.abc import Callable
from typing import Any

from django.db import transaction
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

#: For each door; 0: one batch.
MINUTES = float(os.environ.get("FUZZ_MINUTES", 0))
#: Of the first batch; the next has the next.
SEED = int(os.environ.get("FUZZ_SEED") or (time.time() if MINUTES else 0))
#: Cases of a batch.
EXAMPLES = 200 if "FUZZ_MINUTES" in os.environ else 25

#: What no text of ours should break at: what PostgreSQL can't hold, what is not seen, and what turns around.
odd = st.sampled_from(["\0", "\ud800", "\u202e", "\u200b", "", " ", "\n", "%00", "'", "<b>", "9" * 30, "-1", "1e999"])
texts = st.text(max_size=30) | odd
#: What a browser can send: no half of a surrogate pair, which UTF-8 has not.
sendable = texts.map(lambda text: text.encode(errors="replace").decode())
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
headers = st.dictionaries(
    st.sampled_from(["PE-Signature", "Content-Type", "X-Forwarded-For", "If-None-Match", "Accept-Language", "Range"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80),
    max_size=4,
)


class Door(TestCase):
    """Each case begins with the same rows; its transaction is rolled back."""

    def __call__(self, result: Any = None) -> Any:
        """Run a test in a transaction, in which each case enters one of its own."""
        around = transaction.atomic()
        around._from_testcase = True  # type: ignore[attr-defined] # as Django marks those of its tests
        with around:
            unittest.TestCase.__call__(self, result)
            transaction.set_rollback(True)


def fuzz(*strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Have a method of a ``Door`` called with cases of these strategies, batch after batch, while there is time."""

    def decorate(check: Callable[..., None]) -> Callable[..., None]:
        all_of_it = settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
        batch = all_of_it(given(*strategies)(check))

        def run(self: Door) -> None:
            until, number = time.monotonic() + 60 * MINUTES, SEED
            while True:
                print(f"{check.__name__}: SEED={number}")  # noqa: T201 # pytest shows it beside a failure
                seed(number)(batch)(self)
                number += 1
                if time.monotonic() >= until:
                    return

        run.__name__, run.__doc__ = check.__name__, check.__doc__
        return run

    return decorate
