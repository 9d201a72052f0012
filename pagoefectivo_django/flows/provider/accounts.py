"""Which channel speaks for an account."""

from __future__ import annotations

import logging

from ...channels import get_channel
from ...channels.base import Channel
from ...conf import conf
from ...errors import Misconfigured
from ...models import Cip
from ...models.database import database

logger = logging.getLogger("pagoefectivo.provider")


def accounts() -> dict[str, Channel]:
    """Return a channel for each account that is set, by account."""
    found: dict[str, Channel] = {}
    for alias in conf.channels:
        try:
            channel = get_channel(alias)
            found.setdefault(channel.account, channel)
        except Misconfigured as error:
            logger.error("Channel %s can't be used: %s", alias, error)
    return found


def account_at(alias: str) -> str:
    """Return the account that an alias stands for now; empty if it can't be used."""
    try:
        return get_channel(alias).account
    except Misconfigured:
        return ""


def channel_for(account: str, alias: str = "") -> Channel:
    """Return the channel that serves an account, under whatever alias it stands now; ``alias`` is tried first.

    Raises ``Misconfigured`` if the account is not configured any more.
    """
    try:
        if alias in conf.channels and (channel := get_channel(alias)).account == account:
            return channel
    except Misconfigured:
        pass  # under that alias; perhaps it stands under another
    if serving := accounts().get(account):
        return serving
    raise Misconfigured(
        f"Account {account} is configured no more; put it back into PAGOEFECTIVO['CHANNELS'], under any alias."
    )


def channel_of(cip: Cip) -> Channel:
    """Return the channel that serves the account of a code; raises ``Misconfigured`` like ``channel_for``."""
    return channel_for(cip.account, cip.channel)


def channels_at(alias: str) -> list[Channel]:
    """Return the channels that messages to an alias's address may be of: its own, else those of codes issued under it.

    So an address that the provider was told before its alias was renamed goes on to take messages.
    """
    if alias in conf.channels:
        return [get_channel(alias)]
    if "\0" in alias:
        return []  # PostgreSQL takes no such text
    # One look into the index for each account: anybody may ask for any alias, and DISTINCT would read every code of it.
    issued = Cip.objects.using(database()).filter(channel=alias)
    return [channel for account, channel in accounts().items() if issued.filter(account=account).exists()]
