"""The base class of carriers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.core.checks import CheckMessage


class Carrier:
    """A service for short texts to telephones; errors and log lines show no number and no text."""

    #: The names of the carrier's OPTIONS; a system check warns of any other name. None: names are not checked.
    option_names: ClassVar[Sequence[str] | None] = None

    def __init__(self, alias: str, options: Mapping[str, Any]) -> None:
        self.alias = alias
        self.options = options

    @classmethod
    def check(cls, alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
        """Return the faults of an alias's OPTIONS as messages of Django's system checks; subclasses add their own."""
        return []

    @classmethod
    def check_deploy(cls, alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
        """Return the faults of an alias's OPTIONS on a production site, for ``check --deploy``."""
        return []

    def send(self, to: str, text: str) -> None:
        """Send a text to a number in E.164, such as ``+51999888777``.

        Raises ``Refused`` for a text or number that can never arrive; after any other error the text is tried again
        later.
        """
        raise NotImplementedError
