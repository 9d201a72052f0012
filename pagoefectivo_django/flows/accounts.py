"""Which channel speaks for an account."""

from __future__ import annotations

import logging

from ..channels import get_channel
from ..channels.base import Channel
from ..conf import conf
from ..errors import Misconfigured
from ..models import Cip

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


def channel_of(cip: Cip) -> Channel:
    """Return the channel that issued a code; raises ``Misconfigured`` if its alias is another account now."""
    channel = get_channel(cip.channel)
    if channel.account != cip.account:
        raise Misconfigured(
            f"Code {cip} was issued by account {cip.account}, but channel {cip.channel!r} is {channel.account} now; "
            "keep the old account under an alias of its own."
        )
    return channel
