"""Codes that another system of the merchant issued on an account shared with us."""

from __future__ import annotations

import logging

from ...channels.base import Channel
from ...measures import Measure, tell

logger = logging.getLogger("pagoefectivo.provider")


def is_foreign(channel: Channel, code: str) -> bool:
    """Return whether a code (or number) that is not ours is another system's, and count such a code.

    Then no person need look, whether the code was paid or a message merely named the code.
    """
    if channel.shared_account:
        logger.info(
            "Code %s of account %s is not ours; the account is shared with other systems.", code, channel.account
        )
        tell(Measure.FOREIGN, 1, channel.account)
    return channel.shared_account
