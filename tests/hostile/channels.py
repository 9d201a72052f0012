"""Channels that are not as they should be."""

from collections.abc import Mapping
from typing import ClassVar

from pagoefectivo_django.channels.base import Report
from pagoefectivo_django.channels.memory import MemoryChannel


class Stumbling(MemoryChannel):
    """A channel with a mistake in its code."""

    #: How many of the next calls fail, by name.
    stumbles: ClassVar[dict[str, int]] = {}

    def _stumble(self, call: str) -> None:
        if self.stumbles.get(call, 0) > 0:
            self.stumbles[call] -= 1
            raise RuntimeError(f"a mistake in {call}")

    def prove(self, body: bytes, headers: Mapping[str, str]) -> str:
        self._stumble("prove")
        return super().prove(body, headers)

    def read(self, body: bytes) -> Report:
        self._stumble("read")
        return super().read(body)
