"""Our own receivers, connected by dotted path: a process starts without the receivers' imports."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from .conf import MESSAGES, SHORT_MESSAGES, conf
from .signals import (
    ByPath,
    cip_issued,
    discrepancy_opened,
    expiry_approaching,
    payment_confirmed,
    payment_expired,
    payment_refunded,
    refund_account_asked,
)

#: The signal on which each message to the payer is sent.
TOLD_BY = {
    "created": cip_issued,
    "reminder": expiry_approaching,
    "paid": payment_confirmed,
    "expired": payment_expired,
    "in_review": discrepancy_opened,
    "refund_account": refund_account_asked,
    "refunded": payment_refunded,
}
MAIL = ByPath("pagoefectivo_django.flows.messages.inform.mail_payer")
TEXT = ByPath("pagoefectivo_django.flows.messages.inform.text_payer")


def connect_messages() -> None:
    """Connect a receiver for each message in the setting ``MESSAGES``: by mail, and short messages by each carrier.

    Deliveries in the database keep the names given here, so the names must not change.
    """
    chosen, carriers = conf.messages, conf.carriers
    # A setting that is no list is reported by a system check, which could not run if the app failed to load.
    for name in MESSAGES if isinstance(chosen, Collection) else ():
        if name not in chosen:
            continue
        connect = partial(TOLD_BY[name].connect, atomic=False, in_request=False)
        connect(partial(MAIL, name), dispatch_uid=f"pagoefectivo.mail.{name}")
        for alias in carriers if name in SHORT_MESSAGES and isinstance(carriers, Mapping) else ():
            connect(partial(TEXT, name, alias), dispatch_uid=f"pagoefectivo.carrier.{alias}.{name}")
