"""Channels that are not as they should be."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar
from urllib.parse import parse_qsl

from django.db import connection
from django.utils import timezone

from pagoefectivo_django.channels.base import Charge, CodeRef, Hint, Incoming, Proof, Report, Trust
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import InvalidSignature
from pagoefectivo_django.states import Fact


class Stumbling(MemoryChannel):
    """A channel with a mistake in its code."""

    #: How many of the next calls fail, by name.
    stumbles: ClassVar[dict[str, int]] = {}

    def _stumble(self, call: str) -> None:
        if self.stumbles.get(call, 0) > 0:
            self.stumbles[call] -= 1
            raise RuntimeError(f"a mistake in {call}")

    def verify(self, incoming: Incoming) -> Proof:
        self._stumble("prove")
        return super().verify(incoming)

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        self._stumble("read")
        return super().read(incoming)


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


class Listing(Stumbling):
    """A provider that tells of several codes in one signed message: ``[{…}, {…}]``."""

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        self._stumble("read")
        bodies = [json.dumps(item).encode() for item in json.loads(incoming.body)]
        return [item for body in bodies for item in MemoryChannel.read(self, replace(incoming, body=body))]


class Hinting(MemoryChannel):
    """A provider whose messages are empty, and name a code in the address; the sender knows a password."""

    def verify(self, incoming: Incoming) -> Proof:
        if incoming.header("Password") not in self.options["WEBHOOK_SECRETS"]:
            raise InvalidSignature("The notification has no valid signature.")
        identity = hashlib.sha256(incoming.query.encode()).hexdigest()
        return Proof(Trust.SHARED_SECRET, "", identity, Incoming(incoming.body, query=incoming.query))

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        names = dict(parse_qsl(incoming.query))
        return [Hint(self.account, names.get("code", ""), names.get("ours", ""))] if names else []


class Unbound(MemoryChannel):
    """A provider whose signature covers the sender only, and whose messages say everything."""

    def verify(self, incoming: Incoming) -> Proof:
        return replace(super().verify(incoming), trust=Trust.SIGNED_SENDER)


class Ids(MemoryChannel):
    """A provider that knows its codes by ids of its own: its messages and its look-ups need the id."""

    def issue(self, charge: Charge) -> Report:
        return self._with_id(super().issue(charge))

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        wanted = {CodeRef(ref.provider_id.removeprefix("id-")): ref for ref in refs if ref.provider_id}
        return {wanted[ref]: self._with_id(report) for ref, report in super().look_up(wanted).items()}

    def delete(self, ref: CodeRef) -> None:
        super().delete(CodeRef(ref.provider_id.removeprefix("id-")))

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        (item,) = super().read(incoming)
        if isinstance(item, Report) and item.fact == Fact.UNKNOWN:
            return [Hint(self.account, provider_id=f"id-{item.code}")]
        return [replace(item, code="", provider_id=f"id-{item.code}")]

    @staticmethod
    def _with_id(report: Report) -> Report:
        return replace(report, provider_id=f"id-{report.code}")


class Nameless(MemoryChannel):
    """A channel that forgets to name the code which its provider made."""

    def issue(self, charge: Charge) -> Report:
        return replace(super().issue(charge), code="")


class AnyDate(MemoryChannel):
    """A provider whose codes may have any date."""

    expires_within = None  # type: ignore[assignment]


class Deaf(Unbound):
    """The same, of a provider that can't be asked."""

    can_look_up = False


class OwnDate(MemoryChannel):
    """A provider that takes no date: what it issues lives for ``LIFE``, or without an end, and can't be deleted."""

    expires_within = None  # type: ignore[assignment]
    can_delete = can_extend = False
    LIFE: ClassVar[timedelta | None] = None

    def issue(self, charge: Charge) -> Report:
        date = timezone.now() + self.LIFE if self.LIFE else None
        report = replace(super().issue(charge), expires_at=date)
        self.book[report.code].report = report
        return report


class ThreeDays(OwnDate):
    """The same, with a date of its own in three days."""

    LIFE = timedelta(days=3)
