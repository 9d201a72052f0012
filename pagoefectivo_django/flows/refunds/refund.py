"""The steps of a refund: requested, approved, sent, and done or failed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal

from django.core import signing
from django.db import IntegrityError
from django.utils.translation import gettext_noop as _

from ...actors import PAYER, PROGRAM, PROVIDER, Actor
from ...channels.base import Channel, RefundReport
from ...errors import InvalidRequest, Misconfigured, OutcomeUnknown, PagoEfectivoError, Refused, Unavailable
from ...facts import Data, of_error, utc
from ...models import Order, Payment, Refund
from ...models.database import database, one_transaction
from ...models.orders import that_pays
from ...models.refunds import LINK_SALT
from ...money import exact
from ...states import Kind, RefundStatus
from ...traces import traced
from ..ledger.advance import advance
from ..ledger.decisions import RefundStep
from ..ledger.locked import lock_free_order, lock_order, lock_orders
from ..ledger.schedule import MOST_ATTEMPTS
from ..ledger.subject import Subject
from ..possible.loading import refund_situations
from ..possible.refusing import refuse_step
from ..possible.rules import RefundSituation, refund_actions
from ..provider.accounts import channel_of
from ..provider.look_up import ref_of
from ..provider.pace import may_search
from ..provider.record import recorded

logger = logging.getLogger("pagoefectivo.provider")

#: How long the payer's link is valid, in seconds.
LINK_AGE = 14 * 24 * 3600
#: The shortest and the longest pause between two questions about a refund that takes days, and when a person is told.
SOONEST, LATEST, LONGEST = timedelta(minutes=5), timedelta(hours=12), timedelta(days=14)
#: The pause of a question for which the account's pace has no room now.
PACED = timedelta(seconds=10)


def refund_order(
    order: Order,
    amount: Decimal | None = None,
    *,
    payment: Payment | None = None,
    actor: Actor | str,
    reason: str,
    now: datetime | None = None,
    on_write: Callable[[Refund], None] | None = None,
) -> Refund:
    """Request a refund of the payment behind a paid order, or of another payment on a code of the order.

    ``amount`` defaults to all that can still be refunded. Raises ``InvalidRequest`` if nothing was paid, if more would
    go back than came, and without actor or reason. ``on_write``: called with the refund in the transaction that writes
    the refund; an error raised there undoes the transaction.
    """
    if not Actor.of(actor) or not reason.strip():
        raise InvalidRequest(
            _("A refund is asked for by somebody and for a reason; pass actor and reason."),
            code="refund_needs_reason",
        )
    payments = Payment.objects.using(database()).filter(cip__order=order)
    found = payments.filter(pk=payment.pk).first() if payment else that_pays(payments)
    if found is None:
        raise InvalidRequest(
            _("Order %(order)s has no such payment; nothing can be refunded."), code="no_payment", order=str(order)
        )
    asked = 0 if amount is None else exact(amount)
    refund = Refund(payment=found, order=order, amount=asked, reason=reason[:500])
    with one_transaction():
        made = _step(refund, RefundStatus.REQUESTED, actor, now)
        if on_write:
            on_write(made)
    return made


def approve_refund(refund: Refund, *, actor: Actor | str, now: datetime | None = None) -> Refund:
    """Approve a refund for sending, by the channel if able, else by staff once the payer named an account.

    Raises ``InvalidRequest`` for a refund approved before, since money sent must not be sent again. With the setting
    ``REFUND_FOUR_EYES`` also if ``actor`` requested the refund, or resolved its discrepancy with *refund due*.
    """
    return _by_person("approve", refund, RefundStatus.APPROVED, actor, now)


def send_refund(refund: Refund, *, actor: Actor | str, now: datetime | None = None) -> Refund:
    """Record a refund as sent by staff, and return the refund.

    Raises ``InvalidRequest`` if the channel sends the money, or without the payer's account.
    """
    return _by_person("send", refund, RefundStatus.SENT, actor, now)


def close_refund(refund: Refund, *, done: bool, actor: Actor | str, reason: str, now: datetime | None = None) -> Refund:
    """Record the end of a refund, and return the refund; a failed refund frees its amount for another.

    Raises ``InvalidRequest`` without actor or reason, for a closed refund, and while the provider is asked; *failed*
    also if a statement's line is matched with the refund, since the same money would be sent twice.
    """
    if not Actor.of(actor) or not reason.strip():
        raise InvalidRequest(
            _("A refund is closed by somebody and for a reason; pass actor and reason."),
            code="closing_refund_needs_reason",
        )
    action, becomes = ("done", RefundStatus.DONE) if done else ("fail", RefundStatus.FAILED)
    return _by_person(action, refund, becomes, actor, now, reason)


def give_account(refund: Refund, *, bank: str, cci: str, holder: str, now: datetime | None = None) -> Refund:
    """Store the account to which the payer wants a refund, once, and return the refund.

    A second account is refused, so that a leaked link can't lead the money elsewhere. Raises ``InvalidRequest`` if an
    account is known already or none is needed.
    """
    with one_transaction() as alias:
        locked = lock_order(refund.order, alias=alias, now=now, actor=PAYER)
        refund.refresh_from_db(using=alias)
        if not refund.needs_account:
            raise InvalidRequest(
                _("The account for this refund is known already, or none is needed any more."),
                code="no_account_needed",
            )
        refund.bank, refund.cci, refund.holder = bank, cci, holder
        refund.save(using=alias, update_fields=["bank", "cci", "holder"])
        locked.tell_refund(refund, "account_named")
        locked.write()
    return refund


def ask_account(refund: Refund, *, actor: Actor | str, now: datetime | None = None) -> Refund:
    """Send the payer the message ``refund_account`` once more, and return the refund.

    Raises ``InvalidRequest`` without an actor, if no account is needed, or if no receiver would write to the payer.
    """
    if not Actor.of(actor):
        raise InvalidRequest(_("The payer is asked by somebody; pass actor."), code="asking_payer_needs_actor")
    with one_transaction() as alias:
        locked = lock_order(refund.order, alias=alias, now=now, actor=actor)
        fresh = Refund.objects.using(alias).select_related("order", "payment").get(pk=refund.pk)
        if why := refund_actions(RefundSituation(fresh, fresh.payment, locked.order.email))["ask_account"]:
            raise refuse_step("ask_account", why, fresh, fresh.payment)
        locked.ask_account(fresh)
        locked.write()
    return fresh


def refund_of(token: str) -> Refund:
    """Return the refund of a payer's link; raises ``InvalidRequest`` for a forged or expired token."""
    try:
        pk = signing.loads(token, salt=LINK_SALT, max_age=LINK_AGE)
        return Refund.objects.using(database()).select_related("order", "payment").get(pk=pk)
    except (signing.BadSignature, Refund.DoesNotExist, ValueError, TypeError):
        raise InvalidRequest(
            _("This link is not valid, or not any more; ask the shop for another."), code="refund_link_invalid"
        ) from None


@traced()
def send_by_channel(refund: Refund, now: datetime) -> bool:
    """Ask the provider to send an approved refund; False if another process holds the refund or the order.

    The refund is recorded as sent before the request leaves, and requested only once: without an answer, a discrepancy
    is opened for staff. The answer can't be had again, so recording it waits for the order's lock.
    """
    with one_transaction() as alias:
        # A locked order costs no attempt, since a discrepancy is opened after ``MOST_ATTEMPTS``.
        if not lock_orders([refund.order_id], alias, wait=False) or not refund.claim(now):
            return False
        begun = _begin(refund, now) if refund.status == RefundStatus.APPROVED else None
    if begun is None:
        if refund.provider_id:
            _look_up(refund, now)
        else:
            _ask_person(refund, {"about": "request_ended"}, now)
        return True
    try:
        if isinstance(begun, Exception):
            raise begun
        with recorded(begun, order=refund.order):
            report = begun.refund(ref_of(refund.payment.cip), refund.money, refund_key(refund))
        _remember(refund, report, now)
        becomes, data = report.status, report.told
    except Refused as error:
        becomes, data = RefundStatus.FAILED, of_error(error)
    except (Unavailable, Misconfigured) as error:  # certainly not sent
        becomes, data, problem = RefundStatus.APPROVED, of_error(error), error
    except Exception as error:  # OutcomeUnknown, or a mistake of ours: the money may have been sent
        if not isinstance(error, PagoEfectivoError):
            logger.exception("Refund %s could not be sent.", refund.pk)
        if refund.status == RefundStatus.SENT:
            _ask_person(refund, of_error(error), now)
        else:
            refund.put_off(now, error)
        return True
    if becomes != RefundStatus.SENT:
        _conclude(refund, becomes, data, now)
    if becomes == RefundStatus.APPROVED:
        refund.put_off(now, problem)
        if refund.attempts >= MOST_ATTEMPTS:
            _ask_person(refund, {"about": "never_asked", "count": MOST_ATTEMPTS, **data}, now)
    return True


def _conclude(refund: Refund, becomes: RefundStatus, data: Data, now: datetime) -> None:
    with suppress(InvalidRequest), one_transaction():  # a message may have closed the refund before the answer
        _step(refund, becomes, PROVIDER, now, data=data)
        if becomes == RefundStatus.FAILED:
            _ask_person(refund, {"about": "refund_refused", **data}, now)


def _remember(refund: Refund, report: RefundReport, now: datetime) -> None:
    """Keep the provider's id of a refund, and when to ask about a refund that the provider is still at work on.

    Raises ``OutcomeUnknown`` for an id that another refund has: the provider may have taken two requests for one.
    """
    again: datetime | None = refund.retry_at
    if report.status == RefundStatus.SENT:
        pause = (now - (refund.sent_at or now)) / 4
        again = now + min(max(pause, SOONEST), LATEST)
    mine = Refund.objects.using(database()).filter(pk=refund.pk, status=RefundStatus.SENT)
    try:
        with one_transaction():
            mine.update(provider_id=report.provider_id or refund.provider_id, retry_at=again)
    except IntegrityError:
        raise OutcomeUnknown(
            _("The provider names refund %(id)s, which another refund of ours is already."),
            code="refund_id_taken",
            id=report.provider_id,
        ) from None


def _look_up(refund: Refund, now: datetime) -> None:
    """Ask the provider about a refund that takes days; without an end after ``LONGEST`` a person is told.

    The question is one of the account's pace, like a search for a code; where the pace allows none, it waits.
    """
    name = refund.provider_id or ""
    under_way = RefundReport(name, RefundStatus.SENT)
    report, problem = under_way, dict[str, object]()
    try:
        channel = channel_of(refund.payment.cip)
        if not may_search(channel):
            Refund.objects.using(database()).filter(pk=refund.pk, status=RefundStatus.SENT).update(retry_at=now + PACED)
            return
        with recorded(channel, order=refund.order):
            report = channel.look_up_refunds([name]).get(name, under_way)
    except Exception as error:  # an error of the provider, or a mistake of ours: asked again
        problem = of_error(error)
        logger.warning("Refund %s could not be asked about: %s: %s", refund.pk, type(error).__name__, error)
    if report.status != RefundStatus.SENT:
        _conclude(refund, report.status, report.told, now)
    elif now - (refund.sent_at or now) >= LONGEST:
        _ask_person(refund, {"about": "refund_not_ended", "days": LONGEST.days, **problem}, now)
    else:
        _remember(refund, report, now)


def _begin(refund: Refund, now: datetime) -> Channel | Exception:
    """Record a claimed refund as sent, and return the channel to use, or the error that prevents sending.

    Runs in the transaction of the claim: in between, another transaction could lock the order and stop the step.
    """
    try:
        channel = channel_of(refund.payment.cip)
        _step(refund, RefundStatus.SENT, PROGRAM, now)
    except Exception as error:
        return error
    return channel


def refund_key(refund: Refund) -> str:
    """Return the refund's unique key for the provider; unique even if a restored backup reuses the primary key."""
    return f"refund-{refund.pk}-{refund.requested_at:%Y%m%d%H%M%S%f}"


def _ask_person(refund: Refund, data: Data, now: datetime) -> None:
    """Open a discrepancy about a refund without a clear answer, unless a provider's message has closed the refund.

    If another process holds the order, this is tried again when the claim on the refund is over.
    """
    with one_transaction() as alias:
        locked = lock_free_order(refund.order, alias=alias, now=now, actor=PROGRAM)
        if locked is None:
            return
        unclear = Refund.objects.using(alias).filter(pk=refund.pk).exclude(status=RefundStatus.DONE)
        if unclear.update(retry_at=None):
            evidence = {"at": utc(now), "refund": refund.pk, **data}
            subject = Subject.of_refund(refund, locked.order)
            locked.history.open_discrepancy(Kind.NOT_CONFIRMED, subject, evidence)
            locked.write()


def _by_person(
    action: str, refund: Refund, becomes: RefundStatus, actor: Actor | str, now: datetime | None, outcome: str = ""
) -> Refund:
    with one_transaction() as alias:
        lock_orders([refund.order_id], alias)
        fresh = Refund.objects.using(alias).select_related("order", "payment").get(pk=refund.pk)
        if why := refund_actions(refund_situations([fresh], actor)[fresh.pk])[action]:
            raise refuse_step(action, why, fresh, fresh.payment)
        return _step(refund, becomes, actor, now, outcome)


def _step(
    refund: Refund,
    becomes: RefundStatus,
    actor: Actor | str,
    now: datetime | None,
    outcome: str = "",
    data: Data | None = None,
) -> Refund:
    if not Actor.of(actor):
        raise InvalidRequest(_("A refund goes on by somebody's decision; pass actor."), code="refund_needs_actor")
    decision = RefundStep(refund.order, outcome, data=data or {}, refund=refund, becomes=becomes)
    advance(decision, actor=actor, now=now)
    refund.refresh_from_db(using=database())
    return refund
