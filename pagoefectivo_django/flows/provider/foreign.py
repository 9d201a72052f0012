"""Payments of codes that another system of the merchant issued on an account shared with us."""

from __future__ import annotations

import logging

from ...channels.base import Channel
from ...measures import Measure, tell

logger = logging.getLogger("pagoefectivo.provider")


def is_foreign(channel: Channel, code: str) -> bool:
    """Return whether a paid code that is not ours is another system's, so that no person need look; counts it then."""
    if channel.shared_account:
        logger.info("Code %s of account %s is not ours, and was paid; the account is shared.", code, channel.account)
        tell(Measure.FOREIGN, 1, channel.account)
    return channel.shared_account
