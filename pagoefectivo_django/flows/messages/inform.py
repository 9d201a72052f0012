"""Messages to the payer: the receivers connected by ``receivers.py``, one delivery for each message.

A message that is no longer true when its delivery is tried (the mail server was down for days) is not sent.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from datetime import timedelta
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from typing import Any

from django.core.mail import EmailMultiAlternatives
from django.utils.translation import gettext_noop as _

from ...actors import PROGRAM
from ...carriers import get_carrier
from ...conf import conf
from ...documents.voucher import Voucher
from ...errors import OutcomeUnknown, PagoEfectivoError, Refused, Unavailable
from ...mail.compose import compose
from ...mail.short import short_text
from ...models import Discrepancy, Order, OrderEvent
from ...models.clock import current_time
from ...models.database import one_transaction
from ...payer import e164, mobile_country
from ...states import MONEY_KINDS, Kind, OrderState, PendingAction, Remark, VoucherState
from ..ledger.locked import lock_free_order
from .voucher import NOT_THEIRS, returning, voucher_content

logger = logging.getLogger("pagoefectivo.delivery")

#: The state that the voucher must still have when the message is sent.
TRUE_IN = {
    "created": VoucherState.WAITING,
    "reminder": VoucherState.WAITING,
    "paid": VoucherState.PAID,
    "expired": VoucherState.EXPIRED,
    "refunded": VoucherState.REFUNDED,
}
#: How long a short text is tried. A try without an answer may have been sent, and each is paid for; the mail says the
#: same.
STALE = timedelta(hours=2)
#: A mail server's code for a mailbox that does not exist (RFC 3463: X.1.1, .2, .3, .6, .10 and X.2.1).
NO_MAILBOX = re.compile(rb"5\.(1\.(1|2|3|6|10)|2\.1)\b")


def mail_payer(name: str, order: Order | None, event: OrderEvent, **named: Any) -> None:
    """Mail a message to the payer, if still true; a receiver, with ``name`` bound by ``connect_messages``.

    Raises ``OutcomeUnknown`` if the mail server does not take the mail, so the delivery is tried again.
    """
    if order and order.email and (voucher := _if_true(name, order, event, named.get("discrepancy"))):
        _send(name, compose(name, voucher, to=order.email, event_id=event.pk), event)


def text_payer(name: str, alias: str, order: Order, event: OrderEvent, **named: Any) -> None:
    """Send a message to the payer as a short text by a carrier, if still true; a receiver like ``mail_payer``.

    Raises the carrier's error, so the delivery is tried again; a text that can never arrive is given up and noted.
    """
    if not order.payer.phone or not (voucher := _if_true(name, order, event, None)):
        return
    if current_time() - event.created_at > STALE:
        _give_up("text", name, event, "too_old")
        return
    if not (to := e164(order.payer)):
        _give_up("text", name, event, "no_phone_number")
        return
    if (country := mobile_country(to)) == "001" or country not in conf.text_countries:
        _give_up("text", name, event, "no_mobile_of_countries")
        return
    try:
        get_carrier(alias).send(to, short_text(name, voucher))
    except Refused as refused:
        _give_up("text", name, event, "refused_by_carrier", refused)


def _if_true(name: str, order: Order, event: OrderEvent, asked: Discrepancy | None) -> Voucher | None:
    """Return the voucher's present content if the message is still true, else None."""
    voucher = voucher_content(order.token, current_time())
    if name == "refund_account":
        refund = event.refund
        return replace(voucher, refunds=(returning(refund),)) if refund and refund.wants_account else None
    if name == "in_review":
        # A reversed payment concerns the payer only once the order is not paid any more.
        taken_back = {Kind.REVERSED} if voucher.state == VoucherState.IN_REVIEW else set()
        theirs = MONEY_KINDS - {*NOT_THEIRS} | taken_back
        true = bool(asked and asked.status == asked.Status.OPEN and asked.kind in theirs and not asked.line_id)
    else:
        true = voucher.state == TRUE_IN[name]
        # The payer who pressed for another link knows the page that leads to it, and is on it.
        true = true and not (name == "created" and voucher.by_link and event.state_before == OrderState.PENDING)
    if TRUE_IN.get(name) == VoucherState.WAITING:
        true = true and order.cip_id == event.cip_id and order.pending_action != PendingAction.CANCEL
    elif name == "expired":
        true = true and (bool(order.code) or voucher.by_link) and event.cip_id in (None, order.cip_id)
    return voucher if true else None


def _give_up(way: str, name: str, event: OrderEvent, why: str, said: object = "") -> None:
    """Record in the order's history a message that can never arrive; ``said`` goes to the log only.

    Raises ``Unavailable`` while another process holds the order, so the delivery is tried again.
    """
    with one_transaction() as alias:
        locked = event.order and lock_free_order(event.order, alias=alias, now=current_time(), actor=PROGRAM)
        if not locked:
            raise Unavailable(
                _("Order %(order)s is held by somebody; that its message (%(message)s) is given up is said later."),
                code="locked_before_giving_up",
                order=str(event.order),
                message=f"{way} {name}",
            )
        data = {"about": why, "way": way, "message": name}
        locked.history.tell(locked.order, "noted", Remark.UNSENT, data=data, before=locked.order.state)
        locked.write()
    told = (f"{way} {name}", event.pk, event.order, why, said)
    logger.warning("The %s about event %s of order %s is not sent, and not tried again: %s. %s", *told)


def _send(name: str, message: EmailMultiAlternatives, event: OrderEvent) -> None:
    """Hand a mail to the mail server; raises ``OutcomeUnknown``, which shows the recipient nowhere."""
    failure: PagoEfectivoError | None = None
    nobody = False
    try:
        message.send()
    except SMTPRecipientsRefused as refused:
        answers = [answer if isinstance(answer, bytes) else b"" for _, answer in refused.recipients.values()]
        nobody = all(NO_MAILBOX.match(answer) for answer in answers)
        failure = _failure(refused, *(code for code, _ in refused.recipients.values()))
    except SMTPResponseException as refused:
        failure = _failure(refused, refused.smtp_code)
    except Exception as error:  # the text of any error may repeat the address
        failure = _failure(error)
    if nobody:
        _give_up("mail", name, event, "no_such_mailbox")
    elif failure:
        raise failure


def _failure(error: Exception, *codes: int) -> PagoEfectivoError:
    kind = " ".join([type(error).__name__, *map(str, codes)])
    return OutcomeUnknown(
        _("The mail could not be handed over (%(kind)s); check the mail server and Django's settings."),
        code="mail_not_handed_over",
        kind=kind,
    )
