"""What every carrier can be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.core.checks import CheckMessage


class Carrier:
    """Somebody who carries short texts to telephones. No message, error or log line of it shows a number or a text."""

    #: The names of its OPTIONS; a system check tells of any other. None: not said, and nothing is told.
    option_names: ClassVar[Sequence[str] | None] = None

    def __init__(self, alias: str, options: Mapping[str, Any]) -> None:
        self.alias = alias
        self.options = options

    @classmethod
    def check(cls, alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
        """Judge the settings of one alias for Django's system checks. May be extended by subclasses."""
        return []

    @classmethod
    def check_deploy(cls, alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
        """Judge, for ``check --deploy``, whether they fit where the site runs. May be extended."""
        return []

    def send(self, to: str, text: str) -> None:
        """Send a text to a number in E.164, such as ``+51999888777``.

        Raises ``Refused`` if it can never arrive; every other error means that it is tried again later.
        """
        raise NotImplementedError
