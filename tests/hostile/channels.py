"""Channels that are not as they should be."""

from collections.abc import Callable, Mapping
from typing import ClassVar

from django.db import connection

from pagoefectivo_django.channels.base import Charge, Report
from pagoefectivo_django.channels.memory import MemoryChannel


class Stumbling(MemoryChannel):
    """A channel with a mistake in its code."""

    #: How many of the next calls fail, by name.
    stumbles: ClassVar[dict[str, int]] = {}

    def _stumble(self, call: str) -> None:
        if self.stumbles.get(call, 0) > 0:
            self.stumbles[call] -= 1
            raise RuntimeError(f"a mistake in {call}")

    def verify(self, body: bytes, headers: Mapping[str, str]) -> str:
        self._stumble("prove")
        return super().verify(body, headers)

    def read(self, body: bytes) -> Report:
        self._stumble("read")
        return super().read(body)


class Meanwhile(MemoryChannel):
    """A channel at which something happens while it is asked for a code."""

    happens: ClassVar[list[Callable[[], object]]] = []

    def issue(self, charge: Charge) -> Report:
        while self.happens:
            self.happens.pop()()
        return super().issue(charge)


def late_with_a_mistake(order: object, report: Report) -> bool:
    """A LATE_PAYMENTS function that asks a table which isn't there."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT stock FROM nowhere")
    return True
