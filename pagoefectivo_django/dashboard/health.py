"""The health part of the dashboard: the three verdicts at the top, and tables of discrepancies, messages and calls."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from django.http import HttpRequest
from django.utils.formats import localize
from django.utils.html import format_html_join
from django.utils.timesince import timesince
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..conf import conf
from ..documents.tables import Link, Table
from ..flows.provider.health import health
from ..flows.provider.look_up import know_nothing
from ..flows.reports.health import (
    MOST_COUNTED,
    Silence,
    Waiting,
    calls,
    open_discrepancies,
    orphans,
    refusals,
    silence,
    wrong_clocks,
)
from ..flows.reports.sales import days_until, paid_per_day
from ..money import display
from ..states import Kind
from .panels import Row, Verdict, ago, link
from .queues import queues_panel


def verdicts(request: HttpRequest, accounts: Mapping[str, str], state: Waiting, now: datetime) -> list[Verdict]:
    """Return the answers to "Was I paid?", "Is anything wrong?" and "Is it still working?"."""
    wrong = _wrong(request, accounts, state)
    troubles = format_html_join(", ", "{}", ((each,) for each in wrong))
    broken = _broken(accounts, state, now)
    return [
        _paid(accounts, now),
        Verdict(_("Is anything wrong?"), troubles or _("nothing that we know of"), "bad" if wrong else "good"),
        Verdict(_("Is it still working?"), ", ".join(broken) or _("yes"), "bad" if broken else "good"),
    ]


def _paid(accounts: Mapping[str, str], now: datetime) -> Verdict:
    today = paid_per_day(accounts, days_until(now, 1))
    sums = {one.currency: sum(each.amount for each in today if each.currency == one.currency) for one in today}
    came = ", ".join(display(amount, currency) for currency, amount in sorted(sums.items()))  # type: ignore[arg-type]
    count = sum(one.count for one in today)
    orders = ngettext("%(count)d order", "%(count)d orders", count) % {"count": count}
    answer = _("today: %(money)s (%(orders)s)") % {"money": came or "–", "orders": orders}
    return Verdict(_("Was I paid?"), answer, "good" if count else "wait")


def _wrong(request: HttpRequest, accounts: Mapping[str, str], state: Waiting) -> list[str | Link]:
    """Return what a person has to look at, of the tables that the request's user may see."""
    wrong: list[str | Link] = []
    if count := sum(one.count for one in open_discrepancies(accounts)) if _may(request, "discrepancy") else 0:
        wrong.append(ngettext("%(count)d open discrepancy", "%(count)d open discrepancies", count) % {"count": count})
    if state.dead:
        text = ngettext("%(count)s message given up", "%(count)s messages given up", state.dead)
        wrong.append(text % {"count": _capped(state.dead)})
    for receiver in state.failing:
        said = _("%(receiver)s fails again and again") % {"receiver": receiver}
        wrong.append(_receiver(said, receiver in state.left_alone) if _may(request, "delivery") else said)
    for receiver in state.unheard:
        wrong.append(_("nobody tries the deliveries of %(receiver)s") % {"receiver": receiver})
    if state.refunds and _may(request, "refund"):
        text = ngettext("%(count)s refund is open", "%(count)s refunds are open", state.refunds)
        wrong.append(text % {"count": _capped(state.refunds)})
    for account in orphans(account for account, alias in accounts.items() if not alias):
        wrong.append(_("%(account)s is not set any more, and has open codes") % {"account": account})
    return wrong


def _broken(accounts: Mapping[str, str], state: Waiting, now: datetime) -> list[str]:
    """Return what does not work: the worker, a machine's clock, an account's provider."""
    broken = [_("no worker runs")] if state.asleep(now) else []
    for clock in wrong_clocks(now):
        said = _("the clock of %(machine)s is %(span)s ahead") if clock.ahead > timedelta(0) else ""
        said = said or _("the clock of %(machine)s is %(span)s behind")
        broken.append(said % {"machine": clock.machine, "span": _span(abs(clock.ahead))})
    ignorant = know_nothing()
    for account, alias in accounts.items():
        if alias and account in ignorant:
            broken.append(_("the provider knows none of our codes (%(channel)s)") % {"channel": alias})
        if silence(account, alias, now).too_long:
            broken.append(_("%(channel)s is silent for longer than usual") % {"channel": alias or account})
        made = calls(account, now)
        if made.failed * 2 > made.count:
            broken.append(_("the provider fails (%(channel)s)") % {"channel": alias or account})
    return broken


def _receiver(said: str, left_alone: bool) -> Link:
    """Return a link to the page where staff ends a receiver's pause; without a pause, to the undelivered events."""
    return link(said, "failingreceiver") if left_alone else link(said, "delivery", delivered="no")


def health_panels(request: HttpRequest, accounts: Mapping[str, str], state: Waiting, now: datetime) -> list[Table]:
    """Return the tables about discrepancies, messages, refusals, calls and queues that the request's user may see."""
    panels = [_discrepancies(accounts, now)] if _may(request, "discrepancy") else []
    if _may(request, "notification"):
        panels += [_messages(accounts, now), _refusals(accounts, now)]
    return [*panels, queues_panel(accounts, now, partial(_may, request)), _calls(accounts, now), _queues(state, now)]


def _discrepancies(accounts: Mapping[str, str], now: datetime) -> Table:
    rows: list[Row] = [
        [
            link(Kind(one.kind).label, "discrepancy", kind__exact=one.kind, status__exact="open"),
            one.count,
            timesince(one.oldest, now),
        ]
        for one in open_discrepancies(accounts)
    ]
    return Table(_("Open discrepancies"), [_("discrepancy"), _("count"), _("oldest")], rows)


def _messages(accounts: Mapping[str, str], now: datetime) -> Table:
    rows: list[Row] = []
    for account, alias in accounts.items():
        heard = silence(account, alias, now)
        usual = _span(heard.usual) if heard.usual else _("nothing is usual yet")
        span = _span(heard.silence) if heard.silence is not None else "–"
        if heard.too_long:
            span = _("%(span)s: longer than usual") % {"span": span}
        name = alias or account
        rows.append([link(name, "notification", channel=alias), ago(heard.last, now), span, usual, _proof(heard)])
    headings = [_("channel"), _("last good message"), _("silence"), _("usual pause at this hour"), _("verified by")]
    return Table(_("Messages from the provider"), headings, rows)


def _proof(heard: Silence) -> str:
    if heard.last is None:
        return "–"
    if not heard.verified_by:
        return _("a secret that is not set any more")
    return _("secret %(place)d of %(count)d") % {"place": heard.verified_by, "count": heard.secrets}


def _refusals(accounts: Mapping[str, str], now: datetime) -> Table:
    rows: list[Row] = [
        [one.channel, one.get_reason_display(), one.count, ago(one.first_at, now), ago(one.last_at, now)]
        for one in refusals(filter(None, accounts.values()))
    ]
    headings = [_("channel"), _("reason"), _("count"), _("since"), _("last")]
    return Table(_("Refused messages"), headings, rows)


def _calls(accounts: Mapping[str, str], now: datetime) -> Table:
    rows: list[Row] = []
    since = (now - timedelta(days=1)).isoformat()
    for account, alias in accounts.items():
        told = calls(account, now)
        name = link(alias or account, "apicall", account__exact=account, began_at__gte=since)
        failed = link(told.failed, "apicall", account__exact=account, began_at__gte=since, failed="yes")
        times = [f"{value:,} ms" if told.count else "–" for value in (told.mean, told.longest)]
        rows.append([name, told.count, failed, *times, _asked_last(account, now)])
    headings = [_("channel"), _("calls"), _("failed"), _("mean time"), _("longest"), _("asked last until")]
    return Table(_("Calls to the provider, last 24 hours"), headings, rows)


def _asked_last(account: str, now: datetime) -> str:
    """Return until when an account that fails is asked after the others; a dash if the account is well or alone."""
    until = health(account, now).asked_last_until if len(conf.channels) > 1 else None
    return localize(localtime(until)) if until else "–"


def _queues(state: Waiting, now: datetime) -> Table:
    undelivered = link(_capped(state.undelivered), "delivery", delivered="no")
    rows: list[Row] = [
        [_("last round of a worker"), ago(state.beaten_at, now)],
        [_("deliveries that wait"), undelivered],
        [_("oldest event that waits"), ago(state.oldest_event, now) if state.oldest_event else "–"],
        [_("messages that wait"), link(_capped(state.unapplied), "notification", status__exact="waiting")],
        [_("messages given up"), link(_capped(state.dead), "notification", status__exact="dead")],
    ]
    return Table(_("The worker, of all environments"), [_("what"), _("how it is")], rows)


def _capped(count: int) -> str:
    return _("%(count)d or more") % {"count": count} if count >= MOST_COUNTED else str(count)


def _span(span: timedelta) -> str:
    seconds = round(span.total_seconds())
    if seconds < 120:
        return _("%(count)d s") % {"count": seconds}
    if seconds < 7200:
        return _("%(count)d min") % {"count": seconds // 60}
    return _("%(count)d h") % {"count": seconds // 3600}


def _may(request: HttpRequest, model: str) -> bool:
    return any(request.user.has_perm(f"pagoefectivo.{verb}_{model}") for verb in ("view", "change"))
