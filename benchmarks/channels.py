"""A provider whose answers are at hand."""

from collections.abc import Iterable

from pagoefectivo_django.channels.base import CodeRef, Report
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.states import Fact

ACCOUNT = "memory:default"


class Ready(MemoryChannel):
    """Says of every code that it expired, and keeps nothing in memory."""

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        return {ref: Report(account=self.account, fact=Fact.CODE_EXPIRED, code=ref.code) for ref in refs}
