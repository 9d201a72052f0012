"""Give money back: asked for, approved, sent, and done or failed."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime
from decimal import Decimal

from django.core import signing

from ..errors import InvalidRequest, Misconfigured, PagoEfectivoError, Refused, Unavailable
from ..models import Order, Payment, Refund
from ..models.database import database, one_transaction
from ..money import exact
from ..states import Kind, RefundStatus, Standing
from ..traces import traced
from .accounts import channel_of
from .advance import Decision, advance
from .book import lock_orders, open_book
from .record import recorded
from .wish import MOST_ATTEMPTS

logger = logging.getLogger("pagoefectivo.provider")

#: How long the payer's link works, in seconds.
LINK_AGE = 14 * 24 * 3600
_SALT = "pagoefectivo.refund"


def refund_order(
    order: Order,
    amount: Decimal | None = None,
    *,
    payment: Payment | None = None,
    actor: str,
    reason: str,
    now: datetime | None = None,
) -> Refund:
    """Ask for a refund of what paid an order, or of another payment on one of its codes; all that is left by default.

    Raises ``InvalidRequest`` if nothing was paid, if more would go back than came, or without actor or reason.
    """
    if not actor.strip() or not reason.strip():
        raise InvalidRequest("A refund is asked for by somebody and for a reason; pass actor and reason.")
    payments = Payment.objects.using(database()).filter(cip__order=order)
    found = (payments.filter(pk=payment.pk) if payment else payments.filter(standing=Standing.APPLIED)).last()
    if found is None:
        raise InvalidRequest(f"Order {order} has no such payment; nothing can be refunded.")
    asked = 0 if amount is None else exact(amount)
    refund = Refund(payment=found, order=order, amount=asked, reason=reason[:500])
    return _step(refund, RefundStatus.REQUESTED, actor, "", now)


def approve_refund(refund: Refund, *, actor: str, now: datetime | None = None) -> Refund:
    """Let a refund be sent: by the channel if it can, else by staff once the payer named an account.

    Raises ``InvalidRequest`` for one that was approved before: what was sent must not be sent again.
    """
    with one_transaction() as alias:
        lock_orders([refund.order_id], alias)
        status = Refund.objects.using(alias).values_list("status", flat=True).get(pk=refund.pk)
        if status != RefundStatus.REQUESTED:
            raise InvalidRequest(f"Refund {refund} is {status}; only one that is requested can be approved.")
        return _step(refund, RefundStatus.APPROVED, actor, "", now)


def send_refund(refund: Refund, *, actor: str, now: datetime | None = None) -> Refund:
    """Write down that staff sent the money; raises ``InvalidRequest`` if the channel does it, or without an account."""
    if refund.by_channel:
        raise InvalidRequest(f"Refund {refund} is sent by the provider itself; it must not be sent twice.")
    if not refund.cci:
        raise InvalidRequest(f"Nobody knows yet to which account refund {refund} goes; ask the payer.")
    return _step(refund, RefundStatus.SENT, actor, "", now)


def close_refund(refund: Refund, *, done: bool, actor: str, reason: str, now: datetime | None = None) -> Refund:
    """Write down what became of a refund; one that failed frees its amount for another.

    Raises ``InvalidRequest`` without actor or reason, for one that is closed, and while the provider is asked.
    """
    if not actor.strip() or not reason.strip():
        raise InvalidRequest("A refund is closed by somebody and for a reason; pass actor and reason.")
    with one_transaction() as alias:
        lock_orders([refund.order_id], alias)
        asking = Refund.objects.using(alias).filter(pk=refund.pk, by_channel=True, next_attempt_at__isnull=False)
        if asking.filter(status=RefundStatus.SENT).exists():
            raise InvalidRequest(f"The provider is being asked for refund {refund}; wait for what it says.")
        return _step(refund, RefundStatus.DONE if done else RefundStatus.FAILED, actor, reason, now)


def give_account(refund: Refund, *, bank: str, cci: str, holder: str, now: datetime | None = None) -> Refund:
    """Keep where the payer wants the money; once, so that a link that leaked can't lead it elsewhere.

    Raises ``InvalidRequest`` if an account is known already or the refund is over.
    """
    with one_transaction() as alias:
        book = open_book(refund.order, alias=alias, now=now, actor="payer")
        refund.refresh_from_db(using=alias)
        if not refund.needs_account:
            raise InvalidRequest("The account for this refund is known already, or none is needed any more.")
        refund.bank, refund.cci, refund.holder = bank, cci, holder
        refund.save(using=alias, update_fields=["bank", "cci", "holder"])
        book.tell_refund(refund, "the payer named an account")
        book.write()
    return refund


def refund_token(refund: Refund) -> str:
    """Return what proves in the payer's link that they may name the account; it works for two weeks."""
    return signing.dumps(refund.pk, salt=_SALT)


def refund_of(token: str) -> Refund:
    """Return the refund of a payer's link; raises ``InvalidRequest`` for one that is forged or too old."""
    try:
        pk = signing.loads(token, salt=_SALT, max_age=LINK_AGE)
        return Refund.objects.using(database()).select_related("order", "payment").get(pk=pk)
    except (signing.BadSignature, Refund.DoesNotExist, ValueError, TypeError):
        raise InvalidRequest("This link is not valid, or not any more; ask the shop for another.") from None


@traced()
def send_by_channel(refund: Refund, now: datetime) -> bool:
    """Have the provider do an approved refund; False if somebody else is at it.

    It is written down as sent before it is asked for, and never asked for twice: no answer is a person's.
    """
    if not refund.claim(now):
        return False
    if refund.status != RefundStatus.APPROVED:
        _ask_person(refund, "The process that asked the provider for it ended before the answer.", now)
        return True
    try:
        channel = channel_of(refund.payment.cip)
        _step(refund, RefundStatus.SENT, "pagoefectivo", "", now)
        with recorded(channel, order=refund.order):
            channel.refund(refund.payment.cip.code or "", refund.money, f"refund-{refund.pk}")
        becomes, said = RefundStatus.DONE, ""
    except Refused as error:
        becomes, said = RefundStatus.FAILED, str(error)
    except (Unavailable, Misconfigured) as error:  # certainly not sent
        becomes, said = RefundStatus.APPROVED, str(error)
    except Exception as error:  # the provider's, or a mistake of ours: it may have been done
        if not isinstance(error, PagoEfectivoError):
            logger.exception("Refund %s could not be sent.", refund.pk)
        if refund.status == RefundStatus.SENT:
            _ask_person(refund, f"{type(error).__name__}: {error}", now)
        else:
            refund.put_off(now, f"{type(error).__name__}: {error}")
        return True
    with suppress(InvalidRequest), one_transaction():  # its own message may have been faster than its answer
        _step(refund, becomes, "provider", said, now)
        if becomes == RefundStatus.FAILED:
            _ask_person(refund, f"The provider refused: {said} The next refund of this payment is by hand.", now)
    if becomes == RefundStatus.APPROVED:
        refund.put_off(now, said)
        if refund.attempts >= MOST_ATTEMPTS:
            _ask_person(refund, f"The provider could not be asked {MOST_ATTEMPTS} times: {said}", now)
    return True


def _ask_person(refund: Refund, detail: str, now: datetime) -> None:
    """Have a person look what became of a refund by the provider, unless its own message told."""
    with one_transaction() as alias:
        book = open_book(refund.order, alias=alias, now=now, actor="pagoefectivo")
        unclear = Refund.objects.using(alias).filter(pk=refund.pk).exclude(status=RefundStatus.DONE)
        if unclear.update(next_attempt_at=None):
            evidence = {"at": now.isoformat(), "refund": str(refund.pk), "detail": detail[:500]}
            cip = refund.payment.cip
            book.history.ask(Kind.NOT_CONFIRMED, f"refund:{refund.pk}", evidence, order=book.order, cip=cip)
            book.write()


def _step(refund: Refund, becomes: RefundStatus, actor: str, said: str, now: datetime | None) -> Refund:
    if not actor.strip():
        raise InvalidRequest("A refund goes on by somebody's decision; pass actor.")
    advance(Decision(refund.order, said, refund=refund, becomes=becomes), actor=actor, now=now)
    refund.refresh_from_db(using=database())
    return refund
