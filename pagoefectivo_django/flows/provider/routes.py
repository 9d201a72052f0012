"""Which channels may be asked for an order's code, and in which order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_noop as _

from ...channels import get_channel
from ...channels.base import Abilities, Channel, Presents, abilities_of
from ...conf import conf
from ...errors import Misconfigured
from ...models import Order
from ...models.database import database
from ...money import Money, shown
from ...payer import Payer
from ...states import PendingAction
from .health import Health, health

logger = logging.getLogger("pagoefectivo.provider")

#: Channels by alias, in order of preference. A channel that can't be built stands as the error: whether it may be asked
#: is known once the settings are mended.
Channels = dict[str, Channel | Misconfigured]


@dataclass(frozen=True)
class Candidate:
    """A channel that may be asked for an order's code, as the function named by ``ROUTES`` gets it."""

    alias: str
    account: str
    abilities: Abilities
    health: Health


def sift(money: Money, payer: Payer, ahead: timedelta | None = None) -> tuple[Channels, dict[str, str]]:
    """Return the channels that may take an order, and why each other one may not, by alias, in the settings' order.

    ``ahead``: how far ahead the order's date is; None: any date.
    """
    fit, unfit = Channels(), dict[str, str]()
    for alias, channel in _built(money.currency).items():
        why = channel.why_not(money, payer, ahead) if isinstance(channel, Channel) else ""
        if why:
            unfit[alias] = why
        else:
            fit[alias] = channel
    return fit, unfit


def fitting(order: Order) -> tuple[Channels, dict[str, str]]:
    """Return the channels that may take an order, and why each other one may not, like ``sift``."""
    return sift(order.money, order.payer, _ahead(order))


def left_out(why: Mapping[str, str]) -> str:
    """Return the channels that were left out, each with the reason, for the parameter of an error."""
    return ", ".join(f"{alias}: {reason}" for alias, reason in why.items()) or "–"


def preferred(order: Order, now: datetime) -> Channels:
    """Return the channels of an order's route: in the order of ``ROUTES``, or as the function of the shop chooses.

    If that function fails, the error stands for all channels: the order waits until the settings are mended.
    """
    fit, _left_out = fitting(order)
    try:
        choose = conf.routing
        return fit if choose is None else _chosen(choose, order, fit, now)
    except Misconfigured as error:
        return {"": error}


def route(order: Order, now: datetime, *, after: str = "") -> Iterator[Channel | Misconfigured]:
    """Yield the channels to ask for an order's code, one after another.

    ``after``: the account that lost the last answer; the route goes on behind that account, which comes last. A failing
    account is asked after the others, unless a function of the shop chose: the function knows the health.
    """
    channels = list(preferred(order, now).values())
    last = max((place for place, one in enumerate(channels) if _account(one) == after), default=-1) if after else -1
    channels = channels[last + 1 :] + channels[: last + 1]
    if len(channels) < 2 or isinstance(conf.routes, str):
        yield from channels
        return
    failing: list[Channel | Misconfigured] = []
    for channel in channels:
        # Health is read when a channel's turn comes, so that an order whose first channel is well costs one query.
        account = _account(channel)
        if account and (account == after or health(account, now).asked_last_until):
            failing.append(channel)
        else:
            yield channel
    yield from failing


def expiry_range(channels: Iterable[Channel | Misconfigured]) -> tuple[timedelta, timedelta] | None:
    """Return how far ahead a date may be for some of the channels, from the least to the most.

    None: any date, or no channel that can be built.
    """
    ranges = [channel.expires_within for channel in channels if isinstance(channel, Channel)]
    limits = [limit for limit in ranges if limit is not None]
    if not limits or len(limits) < len(ranges):
        return None
    return min(least for least, _most in limits), max(most for _least, most in limits)


def has_links(order: Order) -> bool:
    """Return whether a channel that may take an order presents links."""
    channels = [one for one in _built(order.currency).values() if isinstance(one, Channel)]
    links = [channel for channel in channels if channel.presents == Presents.LINK]
    return any(not channel.why_not(order.money, order.payer, _ahead(order)) for channel in links)


def _built(currency: str) -> Channels:
    channels = Channels()
    for alias in conf.route(currency):
        try:
            channels[alias] = get_channel(alias)
        except Misconfigured as error:
            channels[alias] = error
    return channels


def _account(channel: Channel | Misconfigured) -> str:
    return channel.account if isinstance(channel, Channel) else ""


def _ahead(order: Order) -> timedelta:
    """Return how far ahead an order's date was when the code was wanted: the candidates stay the same while it waits.

    In whole seconds, as dates are kept.
    """
    reissued = order.action_date if order.pending_action == PendingAction.REISSUE else None
    wanted_at = order.action_requested_at or order.created_at
    return (reissued or order.expires_at) - wanted_at.replace(microsecond=0)


def _chosen(choose: Callable[..., Iterable[str]], order: Order, fit: Channels, now: datetime) -> Channels:
    """Return the channels that the function of the shop chooses; raises ``Misconfigured`` if the function fails."""
    candidates = tuple(
        Candidate(alias, channel.account, abilities_of(channel), health(channel.account, now))
        for alias, channel in fit.items()
        if isinstance(channel, Channel)
    )
    try:
        with transaction.atomic(using=database()):  # an SQL error in the shop's function rolls back to here only
            found = choose(copy(order), candidates)
        if isinstance(found, str):  # of a text each letter would be an alias
            raise TypeError("The function returned a text.")
        aliases = list(dict.fromkeys(found))
    except Exception as error:
        logger.exception("The function of ROUTES failed for order %s.", order.pk)
        raise Misconfigured(
            _("The function of PAGOEFECTIVO['ROUTES'] failed for order %(order)s (%(kind)s); mend it."),
            code="routes_failed",
            order=str(order),
            kind=type(error).__name__,
        ) from None
    if unknown := [alias for alias in aliases if alias not in conf.channels]:
        logger.error("The function of ROUTES named %r for order %s, which is no channel.", unknown[0], order.pk)
        raise Misconfigured(
            _("The function of PAGOEFECTIVO['ROUTES'] named %(alias)s for order %(order)s; name aliases of CHANNELS."),
            code="routes_name_no_channel",
            order=str(order),
            alias=shown(unknown[0]),
        )
    return {alias: fit[alias] for alias in aliases if alias in fit}
