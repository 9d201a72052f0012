"""A carrier for development, which prints texts to the screen."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning

from .base import Carrier


class ConsoleCarrier(Carrier):
    """A carrier without a service: numbers and texts are printed to stdout, which is unfit for production."""

    option_names = ()

    @classmethod
    def check_deploy(cls, alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
        if settings.DEBUG:
            return []
        problem = f"Carrier {alias!r} writes payers' numbers and texts to the log, and sends none."
        hint = "Use the carrier of somebody who sends texts, or none."
        return [Warning(problem, hint=hint, id="pagoefectivo.W008")]

    def send(self, to: str, text: str) -> None:
        sys.stdout.write(f"SMS to {to}: {text}\n")
        sys.stdout.flush()
