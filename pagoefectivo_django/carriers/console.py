"""Prints what would be sent; for development."""

from __future__ import annotations

import sys

from .base import Carrier


class ConsoleCarrier(Carrier):
    """A telephone on the screen. It shows numbers and texts, so it is not for production."""

    def send(self, to: str, text: str) -> None:
        sys.stdout.write(f"SMS to {to}: {text}\n")
        sys.stdout.flush()
