"""Find the channel that serves an account."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_noop as _

from ...channels import get_channel
from ...channels.base import Abilities, Channel, Presents, abilities_of
from ...conf import conf
from ...errors import Misconfigured
from ...models import Cip
from ...models.database import database

logger = logging.getLogger("pagoefectivo.provider")


def accounts() -> dict[str, Channel]:
    """Return a channel per configured account, by account; a channel that can't be built is logged and left out."""
    found: dict[str, Channel] = {}
    for alias in conf.channels:
        try:
            channel = get_channel(alias)
            found.setdefault(channel.account, channel)
        except Misconfigured as error:
            logger.error("Channel %s can't be used: %s", alias, error)
    return found


def channel_for(account: str, alias: str = "") -> Channel:
    """Return the channel that serves an account, under any alias; ``alias`` is tried first.

    Raises ``Misconfigured`` if the account is no longer configured.
    """
    try:
        if alias in conf.channels and (channel := get_channel(alias)).account == account:
            return channel
    except Misconfigured:
        pass  # the alias is broken; another alias may serve the account
    if serving := accounts().get(account):
        return serving
    raise Misconfigured(
        _("Account %(account)s is configured no more; put it back into PAGOEFECTIVO['CHANNELS'], under any alias."),
        code="account_not_configured",
        account=account,
    )


def channel_of(cip: Cip) -> Channel:
    """Return the channel that serves a code's account; raises ``Misconfigured`` like ``channel_for``."""
    return channel_for(cip.account, cip.channel)


def waits_for_press(channel: Channel, until: datetime, now: datetime) -> bool:
    """Return whether a channel's link would end before its order, so that the payer's press has to ask for the link."""
    return channel.presents == Presents.LINK and channel.life is not None and now + channel.life < until


def abilities(names: Iterable[str]) -> dict[str, Abilities]:
    """Return the abilities of the configured accounts among these, in the settings' order."""
    chosen = set(names)
    return {account: abilities_of(channel) for account, channel in accounts().items() if account in chosen}


def statement_formats() -> dict[str, Mapping[str, Any]]:
    """Return the formats of statements by name: those of the configured channels, and the shop's own."""
    found: dict[str, Mapping[str, Any]] = {}
    for channel in accounts().values():
        found |= channel.statement_formats
    return {**found, **conf.statements}


def log_fields_of(account: str, alias: str) -> frozenset[str]:
    """Return the fields of a provider's messages whose values may be shown; none for an account not configured."""
    try:
        return channel_for(account, alias).log_fields
    except Misconfigured:
        return frozenset()


def channels_at(alias: str) -> list[Channel]:
    """Return the channels whose messages may come to the webhook address of an alias.

    The alias's own channel; for an alias no longer configured, the channels of accounts with codes issued under the
    alias, so that the address given to a provider before a renaming keeps taking messages. Empty for an unknown alias.
    """
    if alias in conf.channels:
        return [get_channel(alias)]
    if "\0" in alias:
        return []  # PostgreSQL takes no such text
    # One look into the index per account: strangers may request any alias, and DISTINCT would read all codes of the
    # alias.
    issued = Cip.objects.using(database()).filter(channel=alias)
    return [channel for account, channel in accounts().items() if issued.filter(account=account).exists()]
