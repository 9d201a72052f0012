"""Ask a provider about codes: what it says of each, or that it knows none of ours, which is no answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from ...channels.base import Channel, Report
from ...errors import InvalidRequest, OutcomeUnknown
from ...models import Cip, Heartbeat, UnknownCode
from ...models.clock import current_time
from ...models.database import database
from ...states import Fact
from .pace import may_search
from .record import recorded

#: The version of a code that we did not know when we asked.
UNKNOWN = -1
#: What the heartbeat of an account that knows none of our codes begins with; it says since when.
NOTHING = "knows nothing: "
#: When an account that knew none of our codes is asked about them again.
AFTER_NOTHING = timedelta(minutes=10)
#: Other codes that are asked about as well, to see whether an account knows any.
MOST_OTHERS = 10
_WATCHED = Q(live=True) | Q(poll_at__isnull=False)


class KnowsNothing(OutcomeUnknown):
    """An account knew none of the codes of ours that it was asked about: nothing follows from that for any of them."""


def ask_provider(
    channel: Channel, codes: Iterable[str], now: datetime | None = None, *, paced: bool = False
) -> dict[str, Report]:
    """Return what a provider says of codes, with the time at which it was asked and what we knew then.

    ``paced``: the caller has taken a turn to ask. Any other question can't wait for one, but is counted in the
    account's pace, so that those which can wait do.
    """
    if not paced:
        may_search(channel)
    asked_at, wanted = now or current_time(), list(codes)
    cips = Cip.objects.using(database()).filter(account=channel.account, code__in=wanted)
    versions = dict(cips.values_list("code", "version"))
    with recorded(channel, codes=wanted):
        answers = channel.search(wanted)
    return {
        code: replace(report, asked_at=asked_at, version=versions.get(code, UNKNOWN))
        for code, report in answers.items()
    }


def look_up(channel: Channel, cips: Sequence[Cip], now: datetime) -> dict[int, Report]:
    """Return what a provider says of codes of ours, by our key, for a person who waits; raises ``KnowsNothing``."""
    codes = [cip.code or "" for cip in cips]
    said: dict[str, Report | None] = dict.fromkeys(codes) | ask_provider(channel, codes, now)
    return by_key(cips, believed(channel, said, now, lambda: may_search(channel) or True), now)


def believed(
    channel: Channel, said: dict[str, Report | None], now: datetime, may_ask: Callable[[], bool]
) -> dict[str, Report | None]:
    """Return the answers about codes of ours that count: that a provider doesn't know one, if it knows another.

    If it knows none of these, it is asked once more, together with others that are open or watched (``may_ask``: there
    is a turn for that). The only such code of an account counts alone. Raises ``KnowsNothing`` if it knows none of all
    these; staff is told of that until it knows one again.
    """
    if not said:
        return said
    if _knows(said, said):
        _heartbeat(channel.account).delete()
        return said
    watched = Cip.objects.using(database()).filter(_WATCHED, account=channel.account, code__isnull=False)
    others = list(watched.exclude(code__in=said).order_by("-pk").values_list("code", flat=True)[:MOST_OTHERS])
    if not others and len(said) == 1:
        return said
    nothing = KnowsNothing(f"Account {channel.account} knows none of the codes that it was asked about; ask it later.")
    if others:
        if not may_ask():
            raise nothing
        wanted = [*said, *map(str, others)]
        try:
            answers = ask_provider(channel, wanted, now, paced=True)
        except InvalidRequest:
            raise nothing from None
        if _knows(answers, wanted):
            _heartbeat(channel.account).delete()
            return {code: answers.get(code) for code in said}
    rows = Heartbeat.objects.using(database())
    rows.bulk_create([Heartbeat(name=_name(channel.account), beaten_at=now)], ignore_conflicts=True)
    raise nothing


def by_key(cips: Sequence[Cip | UnknownCode], answers: Mapping[str, Report | None], now: datetime) -> dict[int, Report]:
    """Return for each code what was answered, by our key; ``Fact.ABSENT`` for one of which nothing was."""
    return {cip.pk: answers.get(cip.code or "") or _absent(cip, now) for cip in cips}


def know_nothing() -> dict[str, datetime]:
    """Return the accounts that know none of our codes, and since when, while a code of theirs is open or watched."""
    alias = database()
    rows = Heartbeat.objects.using(alias).filter(name__startswith=NOTHING).order_by("name")
    found = {row.name.removeprefix(NOTHING): row.beaten_at for row in rows}
    watched = Cip.objects.using(alias).filter(_WATCHED)
    return {account: since for account, since in found.items() if watched.filter(account=account).exists()}


def _knows(answers: Mapping[str, Report | None], codes: Iterable[str]) -> bool:
    return any((answer := answers.get(code)) and answer.fact != Fact.ABSENT for code in codes)


def _name(account: str) -> str:
    return f"{NOTHING}{account}"


def _heartbeat(account: str) -> QuerySet[Heartbeat]:
    return Heartbeat.objects.using(database()).filter(name=_name(account))


def _absent(cip: Cip | UnknownCode, now: datetime) -> Report:
    detail = "The provider doesn't know this code."
    version = cip.version if isinstance(cip, Cip) else UNKNOWN
    return Report(cip.account, Fact.ABSENT, cip.code or "", asked_at=now, version=version, detail=detail)
