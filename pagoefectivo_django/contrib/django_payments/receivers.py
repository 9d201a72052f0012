"""The receiver by which a payment of django-payments follows its order."""

from __future__ import annotations

import logging
from typing import Any

from django.db import router, transaction
from payments import FraudStatus, PaymentStatus, get_payment_model

from ...actors import ActorKind
from ...models import Discrepancy, Order
from ...models import Payment as Money
from ...models.database import database
from ...models.orders import that_pays
from ...states import OPEN, OrderState
from .link import decisive, number_of, orders_of, token_of

logger = logging.getLogger("pagoefectivo.delivery")

#: The status of a payment by the state of its order. An order that can still be paid leaves the status alone, but for a
#: rejected payment, which waits again.
STATUS: dict[str, str] = {
    OrderState.PAID: PaymentStatus.CONFIRMED,
    OrderState.EXPIRED: PaymentStatus.REJECTED,
    OrderState.REJECTED: PaymentStatus.REJECTED,
    OrderState.CANCELLED: PaymentStatus.CANCELLED,
    OrderState.REFUNDED: PaymentStatus.REFUNDED,
}
#: The first word of a fraud message of ours; a message of anybody else's stays.
REVIEW = "pagoefectivo:"
#: In a fraud message of ours: the order was paid, and the payment's total is no longer the order's amount.
TOTAL_CHANGED = "total_changed"


def follow_order(sender: Any, order: Order | None, **kwargs: Any) -> None:
    """Bring the payment of an order in line with the order as the order is now, whatever the event tells.

    So a repeated event changes nothing, and an old event after a new one neither. The payment is read under a lock, and
    ``status_changed`` is sent in the same transaction, once for each change. Raises ``LookupError`` if an order is paid
    whose payment is gone: the failing delivery is what staff sees.
    """
    if not order or not (mine := _payments_of(order)):
        return
    model = get_payment_model()
    alias = router.db_for_write(model)
    with transaction.atomic(using=alias):
        payment = model._default_manager.using(alias).select_for_update().filter(**mine).first()
        if payment is None:
            # With the payer's data forgotten nobody knows whether the order was made for a payment at all.
            if order.state == OrderState.PAID and token_of(order):
                raise LookupError(f"django-payments does not know any more the payment of order {order}.")
            logger.warning("django-payments does not know any more the payment of order %s.", order)
            return
        orders = orders_of(order.reference, payment)
        followed = decisive(orders)
        differs = followed is not None and _total_changed(payment, followed)
        _review(payment, orders, *[TOTAL_CHANGED] * differs)
        if followed and not differs:
            _move(payment, followed)


def _payments_of(order: Order) -> dict[str, str]:
    """Return a filter for the payment of an order; empty for an order that was made for no payment."""
    if token := token_of(order):
        return {"token": token}
    # With the payer's data the metadata was erased.
    return {"transaction_id": number_of(order)} if order.forgotten_at else {}


def _total_changed(payment: Any, order: Order) -> bool:
    """Return whether a paid order is about another amount than the payment, which nobody has accepted."""
    if order.state != OrderState.PAID or payment.status in (PaymentStatus.CONFIRMED, PaymentStatus.REFUNDED):
        return False
    if (order.amount, order.currency) == (payment.total, payment.currency):
        return False
    confirmed = order.events.using(database()).filter(kind="payment_confirmed").order_by("-number").first()
    if confirmed and confirmed.actor_kind in (ActorKind.PERSON, ActorKind.API):
        return False
    logger.error("The total of the payment of order %s was changed, and another was paid: a person decides.", order)
    return True


def _move(payment: Any, order: Order) -> None:
    status = STATUS.get(order.state, payment.status)
    if order.state in OPEN and status == PaymentStatus.REJECTED:
        status = PaymentStatus.WAITING  # a new code for an order that had ended
    message = str(order.state) if status == PaymentStatus.REJECTED else ""
    changed: dict[str, Any] = {"transaction_id": number_of(order)}
    if status == PaymentStatus.CONFIRMED:
        changed["captured_amount"] = _paid(order)
    elif status == PaymentStatus.REFUNDED:
        changed["captured_amount"] = 0
    changed = {name: value for name, value in changed.items() if getattr(payment, name) != value}
    for name, value in changed.items():
        setattr(payment, name, value)
    if changed:
        payment.save(update_fields=list(changed))
    if payment.status != status:
        payment.change_status(status, message)


def _paid(order: Order) -> Any:
    """Return what the payment behind a paid order brought; a person may have accepted another amount."""
    paid = that_pays(Money.objects.using(database()).filter(cip__order=order))
    return paid.amount if paid and paid.currency == order.currency else order.amount


def _review(payment: Any, orders: list[Order], *further: str) -> None:
    """Mark a payment as in review while a person has to judge its money, and take our own mark away afterwards.

    ``further``: reasons that are no discrepancies.
    """
    asked = Discrepancy.objects.using(database()).filter(order__in=orders).open().about_money()
    kinds = [*sorted(set(asked.values_list("kind", flat=True))), *further]
    if kinds:
        status, message = FraudStatus.REVIEW, " ".join([REVIEW, *kinds])
    elif payment.fraud_message.startswith(REVIEW):
        status, message = FraudStatus.UNKNOWN, ""
    else:
        return
    if (payment.fraud_status, payment.fraud_message) != (status, message):
        payment.change_fraud_status(status, message, commit=False)
        payment.save(update_fields=["fraud_status", "fraud_message"])
