"""Ask a provider about codes. A provider that knows none of our codes has given no answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_noop as _

from ...channels.base import Channel, CodeRef, Report
from ...errors import InvalidRequest, OutcomeUnknown
from ...models import Cip, Heartbeat, UnknownCode
from ...models.clock import current_time
from ...models.database import database
from ...models.orders import KNOWN
from ...states import Fact
from .pace import may_search
from .record import recorded

#: The version given to reports about a code without a row here at the time of the question.
UNKNOWN = -1
#: Prefix of the heartbeat kept while an account knows none of our codes; the heartbeat's time says since when.
NOTHING = "knows nothing: "
#: Pause before an account that knew none of our codes is asked again.
AFTER_NOTHING = timedelta(minutes=10)
#: Most further codes included in a second question, to see whether the account knows any.
MOST_OTHERS = 10
_WATCHED = Q(live=True) | Q(poll_at__isnull=False)


class KnowsNothing(OutcomeUnknown):
    """The account knew none of the codes asked about, from which nothing follows for any of the codes."""


def ref_of(row: Cip | UnknownCode) -> CodeRef:
    """Return the names by which a provider is asked about a code."""
    if isinstance(row, Cip):
        return CodeRef(row.code or "", row.transaction_code, row.provider_id or "", row.other_code or "")
    return CodeRef(row.code or "", "", row.provider_id or "")


def report_on(cip: Cip | UnknownCode, fact: Fact, about: str = "") -> Report:
    """Return a report of our own on a code, with every name of the code; ``about``: why, for the event."""
    return Report(cip.account, fact, **asdict(ref_of(cip)), data={"about": about} if about else {})


def ask_provider(
    channel: Channel, refs: Iterable[CodeRef], now: datetime | None = None, *, paced: bool = False
) -> dict[CodeRef, Report]:
    """Return a provider's reports on codes, each with the time of the question and the code's version at the time.

    A code unknown to the provider is left out; a report ``as_issued`` gets the amount of the code's order. ``paced``:
    the caller has waited for the account's pace. Without, the question is asked at once, but counted in the pace, so
    that patient questions wait longer. Raises like ``Channel.look_up``.
    """
    if not paced:
        may_search(channel)
    asked_at, wanted = now or current_time(), list(refs)
    versions = dict[str, int]()
    for name in ("code", "provider_id"):
        if names := [str(getattr(ref, name)) for ref in wanted if getattr(ref, name)]:
            cips = Cip.objects.using(database()).filter(**{"account": channel.account, f"{name}__in": names})
            versions |= {f"{name}:{value}": version for value, version in cips.values_list(name, "version")}
    with recorded(channel, refs=wanted):
        answers = channel.look_up(wanted)
    answers = _with_amounts(channel, answers)

    def version(ref: CodeRef) -> int:
        return versions.get(f"provider_id:{ref.provider_id}", versions.get(f"code:{ref.code}", UNKNOWN))

    return {ref: replace(told.storable(), asked_at=asked_at, version=version(ref)) for ref, told in answers.items()}


def _with_amounts(channel: Channel, answers: dict[CodeRef, Report]) -> dict[CodeRef, Report]:
    """Return the answers, each answer ``as_issued`` with the amount of the code's order."""
    ids = {ref.provider_id for ref, told in answers.items() if told.as_issued}
    if not ids:  # the common case costs no query
        return answers
    cips = Cip.objects.using(database()).filter(account=channel.account, provider_id__in=ids).select_related("order")
    orders = {cip.provider_id: cip.order for cip in cips}
    return {
        ref: replace(told, amount=order.amount, currency=order.currency)
        if told.as_issued and (order := orders.get(ref.provider_id))
        else told
        for ref, told in answers.items()
    }


def look_up(channel: Channel, cips: Sequence[Cip], now: datetime) -> dict[int, Report]:
    """Return a provider's reports about codes of ours, by primary key, without waiting for the account's pace.

    A code unknown to the provider gets ``Fact.ABSENT``. Raises ``KnowsNothing`` like ``believed``, and the errors of
    ``Channel.look_up``.
    """
    refs = [ref_of(cip) for cip in cips]
    said: dict[CodeRef, Report | None] = dict.fromkeys(refs) | ask_provider(channel, refs, now)
    return by_key(cips, believed(channel, said, now, lambda: may_search(channel) or True), now)


def believed(
    channel: Channel, said: dict[CodeRef, Report | None], now: datetime, may_ask: Callable[[], bool]
) -> dict[CodeRef, Report | None]:
    """Return the answers about codes of ours; "unknown" counts only if the provider knows another code of ours.

    If the provider knows none of the codes, a second question adds up to ``MOST_OTHERS`` further live or polled codes
    of the account (``may_ask``: returns whether the pace allows the question). If the account has no further code, a
    single unknown code counts. Raises ``KnowsNothing`` if no code is known; staff is alerted until a code is known
    again.
    """
    if not said:
        return said
    if _knows(said, said):
        _heartbeat(channel.account).delete()
        return said
    watched = Cip.objects.using(database()).filter(_WATCHED, KNOWN, account=channel.account)
    newest = watched.order_by("-pk")[: MOST_OTHERS + len(said)]
    others = [ref for ref in map(ref_of, newest) if ref not in said][:MOST_OTHERS]
    if not others and len(said) == 1:
        return said
    nothing = KnowsNothing(
        _("Account %(account)s knows none of the codes that it was asked about; ask it later."),
        code="account_knows_nothing",
        account=channel.account,
    )
    if others:
        if not may_ask():
            raise nothing
        wanted = [*said, *others]
        try:
            answers = ask_provider(channel, wanted, now, paced=True)
        except InvalidRequest:
            raise nothing from None
        if _knows(answers, wanted):
            _heartbeat(channel.account).delete()
            return {ref: answers.get(ref) for ref in said}
    rows = Heartbeat.objects.using(database())
    rows.bulk_create([Heartbeat(name=_name(channel.account), beaten_at=now)], ignore_conflicts=True)
    raise nothing


def by_key(
    cips: Sequence[Cip | UnknownCode], answers: Mapping[CodeRef, Report | None], now: datetime
) -> dict[int, Report]:
    """Return the answers by the codes' primary keys, ``Fact.ABSENT`` for a code without an answer."""
    return {cip.pk: answers.get(ref_of(cip)) or _absent(cip, now) for cip in cips}


def know_nothing() -> dict[str, datetime]:
    """Return, by account, since when the account knows none of our codes; only accounts with live or polled codes."""
    alias = database()
    rows = Heartbeat.objects.using(alias).filter(name__startswith=NOTHING).order_by("name")
    found = {row.name.removeprefix(NOTHING): row.beaten_at for row in rows}
    watched = Cip.objects.using(alias).filter(_WATCHED)
    return {account: since for account, since in found.items() if watched.filter(account=account).exists()}


def _knows(answers: Mapping[CodeRef, Report | None], refs: Iterable[CodeRef]) -> bool:
    return any((answer := answers.get(ref)) and answer.fact != Fact.ABSENT for ref in refs)


def _name(account: str) -> str:
    return f"{NOTHING}{account}"


def _heartbeat(account: str) -> QuerySet[Heartbeat]:
    return Heartbeat.objects.using(database()).filter(name=_name(account))


def _absent(cip: Cip | UnknownCode, now: datetime) -> Report:
    version = cip.version if isinstance(cip, Cip) else UNKNOWN
    return replace(report_on(cip, Fact.ABSENT), asked_at=now, version=version)
