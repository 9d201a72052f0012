"""A provider whose answers are at hand."""

from collections.abc import Iterable

from pagoefectivo_django.channels.base import Report
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.codes import plain
from pagoefectivo_django.states import Fact

ACCOUNT = "memory:default"


class Ready(MemoryChannel):
    """Says of every code that it expired, and keeps nothing in memory."""

    def search(self, codes: Iterable[str]) -> dict[str, Report]:
        wanted = [plain(code) for code in codes]
        return {code: Report(account=self.account, fact=Fact.CODE_EXPIRED, code=code) for code in wanted}
