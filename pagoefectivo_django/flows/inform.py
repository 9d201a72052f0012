"""Write to the payer: receivers of our own signals, each message with a delivery of its own.

What is no longer true when its turn comes (the mail server was down for days) is not sent.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from functools import partial
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from typing import Any

import phonenumbers
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone

from ..carriers import get_carrier
from ..conf import MESSAGES, conf
from ..documents.voucher import Voucher
from ..errors import OutcomeUnknown, PagoEfectivoError, Refused
from ..mail.compose import compose
from ..mail.short import SHORT, short_text
from ..models import Discrepancy, Order, OrderEvent
from ..payer import Payer
from ..signals import (
    cip_issued,
    discrepancy_opened,
    expiry_approaching,
    payment_confirmed,
    payment_expired,
    payment_refunded,
)
from ..states import MONEY_KINDS, Kind, VoucherState, Wish
from .show import NOT_THEIRS, show

logger = logging.getLogger("pagoefectivo.delivery")

#: The event that each message tells of.
TOLD_BY = {
    "created": cip_issued,
    "reminder": expiry_approaching,
    "paid": payment_confirmed,
    "expired": payment_expired,
    "in_review": discrepancy_opened,
    "refunded": payment_refunded,
}
#: Where the order must still stand when a message is sent.
TRUE_IN = {
    "created": VoucherState.WAITING,
    "reminder": VoucherState.WAITING,
    "paid": VoucherState.PAID,
    "expired": VoucherState.EXPIRED,
    "refunded": VoucherState.REFUNDED,
}
#: How long a text is tried: each try that got no answer may have been sent, and is paid for. The mail says the same.
STALE = timedelta(hours=2)
#: A mail server's word that there is no such mailbox (RFC 3463: X.1.1, .2, .3, .6, .10 and X.2.1).
NO_MAILBOX = re.compile(rb"5\.(1\.(1|2|3|6|10)|2\.1)\b")


def connect_messages() -> None:
    """Connect what writes to the payer: one receiver for each message in ``MESSAGES``, by mail and by each carrier."""
    chosen, carriers = conf.messages, conf.carriers
    # What is no list at all is told by a system check, which could not run if the app did not load.
    for name in MESSAGES if isinstance(chosen, Collection) else ():
        if name not in chosen:
            continue
        connect = partial(TOLD_BY[name].connect, atomic=False, in_request=False)
        connect(partial(_mail, name), dispatch_uid=f"pagoefectivo.mail.{name}")
        for alias in carriers if name in SHORT and isinstance(carriers, Mapping) else ():
            connect(partial(_text, name, alias), dispatch_uid=f"pagoefectivo.carrier.{alias}.{name}")


def _mail(name: str, order: Order | None, event: OrderEvent, **named: Any) -> None:
    if order and order.email and (voucher := _if_true(name, order, event, named.get("discrepancy"))):
        _send(compose(name, voucher, to=order.email, event_id=event.pk), event)


def _text(name: str, alias: str, order: Order, event: OrderEvent, **named: Any) -> None:
    if timezone.now() - event.created_at > STALE:
        logger.warning("No text is sent about event %s any more: it is too old.", event.pk)
        return
    if not order.payer.phone or not (voucher := _if_true(name, order, event, None)):
        return
    if not (to := e164(order.payer)):
        logger.warning("No text is sent about event %s: the payer's phone number is none.", event.pk)
        return
    try:
        get_carrier(alias).send(to, short_text(name, voucher))
    except Refused as refused:
        logger.warning("No text is sent about event %s, and it is not tried again: %s", event.pk, refused)


def _if_true(name: str, order: Order, event: OrderEvent, asked: Discrepancy | None) -> Voucher | None:
    """Return what the payer is shown of the order now, if that is still what the message tells."""
    voucher = show(order.token, timezone.now())
    if name == "in_review":
        # A payment that was taken back is theirs to hear of when their order is not paid any more.
        taken_back = {Kind.REVERSED} if voucher.state == VoucherState.IN_REVIEW else set()
        theirs = MONEY_KINDS - {*NOT_THEIRS} | taken_back
        true = bool(asked and asked.status == asked.Status.OPEN and asked.kind in theirs and not asked.line_id)
    else:
        true = voucher.state == TRUE_IN[name]
    if TRUE_IN.get(name) == VoucherState.WAITING:
        true = true and order.cip_id == event.cip_id and order.wish != Wish.CANCEL
    elif name == "expired":
        true = true and bool(order.code) and event.cip_id in (None, order.cip_id)
    return voucher if true else None


def _send(message: EmailMultiAlternatives, event: OrderEvent) -> None:
    """Hand a mail over; no error holds the recipient, not even as its context."""
    failure: PagoEfectivoError | None = None
    try:
        message.send()
    except SMTPRecipientsRefused as refused:
        answers = [answer if isinstance(answer, bytes) else b"" for _, answer in refused.recipients.values()]
        if all(NO_MAILBOX.match(answer) for answer in answers):
            logger.warning("No mail is sent about event %s: the mail server knows no such mailbox.", event.pk)
            return
        failure = _failure(refused, *(code for code, _ in refused.recipients.values()))
    except SMTPResponseException as refused:
        failure = _failure(refused, refused.smtp_code)
    except Exception as error:  # whatever it is, it may repeat the address
        failure = _failure(error)
    if failure:
        raise failure


def _failure(error: Exception, *codes: int) -> PagoEfectivoError:
    kind = " ".join([type(error).__name__, *map(str, codes)])
    return OutcomeUnknown(f"The mail could not be handed over ({kind}); check the mail server and Django's settings.")


def e164(payer: Payer) -> str:
    """Return the payer's number as carriers want it, ``+51999888777``, or an empty text if it is none."""
    typed = payer.phone if payer.phone.startswith("+") else f"+{payer.phone_prefix.lstrip('+')}{payer.phone}"
    try:
        number = phonenumbers.parse(typed)
    except phonenumbers.NumberParseException:
        return ""
    valid = phonenumbers.is_valid_number(number)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if valid else ""
