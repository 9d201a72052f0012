"""The provider for the setting ``PAYMENT_VARIANTS`` of django-payments."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NoReturn

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import get_language
from payments import PaymentError, PaymentStatus, RedirectNeeded
from payments.core import BasicProvider

from ...actors import SHOP
from ...documents.languages import known_language
from ...errors import Misconfigured, PagoEfectivoError
from ...flows import cancel_order, create_order, refund_order
from ...models import Order
from ...models.database import one_transaction
from ...payer import Payer
from ...signals import payment_confirmed
from ...states import OPEN, OrderState
from ...texts import one_line
from .apps import RECEIVER
from .link import KEY, decisive, number_of, orders_of, token_of

#: Most characters of ``Order.concept``.
LONGEST = 200
#: The fields of a payment that our receiver writes.
WRITTEN = ("status", "message", "captured_amount", "transaction_id", "fraud_status", "fraud_message")


class PagoEfectivoProvider(BasicProvider):  # type: ignore[misc]  # django-payments has no types
    """A provider of django-payments that sends the payer to our voucher page.

    An order of ours is made when the shop asks for the form. The payment's status then follows the order by our
    signals, never by a request to django-payments' own addresses. Raises ``Misconfigured`` unless the app
    ``pagoefectivo_django.contrib.django_payments`` is installed: no payment would ever be confirmed.
    """

    def __init__(self, capture: bool = True) -> None:
        if not capture:
            raise Misconfigured("PagoEfectivo takes the money at once; leave `capture` out of PAYMENT_VARIANTS.")
        if RECEIVER not in payment_confirmed.by_name:
            raise Misconfigured("Add 'pagoefectivo_django.contrib.django_payments' to INSTALLED_APPS.")
        super().__init__(capture=True)

    # For subclasses.

    def reference(self, payment: Any) -> str:
        """Return the reference of a payment's order, which payer and staff see; the same for a payment for ever."""
        return f"payment-{payment.pk}"

    def payer(self, payment: Any) -> Payer:
        """Return the payer, from the payment's billing fields; a subclass may add a document."""
        return Payer(
            email=payment.billing_email,
            name=payment.billing_first_name,
            last_name=payment.billing_last_name,
            phone=str(payment.billing_phone or ""),
            country=payment.billing_country_code or "PERU",
        )

    def order_of(self, payment: Any) -> Order | None:
        """Return the order that a payment follows, or None before the shop has asked for the form."""
        return decisive(orders_of(self.reference(payment), payment)) if payment.token else None

    # What django-payments calls.

    def get_form(self, payment: Any, data: Any = None) -> NoReturn:
        """Raise ``RedirectNeeded`` with the voucher's address, after making an order for a payment that waits.

        A payment that has ended leads to the voucher that it has, else to the failure page. Raises ``PaymentError`` for
        a payment that can't become an order (no e-mail address, say); nothing has changed then.
        """
        order = self.order_of(payment)
        waits = payment.status in (PaymentStatus.WAITING, PaymentStatus.INPUT)
        if waits and (order is None or (order.state in OPEN and _changed(order, payment))):
            order = self._made(payment)
        raise RedirectNeeded(order.voucher_url if order else payment.get_failure_url())

    def _made(self, payment: Any) -> Order:
        if not payment.token:
            raise PaymentError("Save the payment before its form is asked for.")
        try:
            # One transaction: where the total was changed, the old order's end is told once the new order is there.
            with one_transaction():
                order = create_order(
                    reference=self.reference(payment),
                    amount=payment.total,
                    currency=payment.currency,
                    payer=self.payer(payment),
                    concept=one_line(payment.description)[:LONGEST],
                    language=known_language(get_language() or ""),
                    metadata={KEY: payment.token},
                    replace=True,
                )
                if token_of(order) != payment.token:
                    raise PaymentError(f"The reference {order.reference} belongs to an order of somebody else.")
                payment.transaction_id = number_of(order)
                payment.save(update_fields=["transaction_id"])
        except PagoEfectivoError as error:
            raise told(error) from error
        return order

    def process_data(self, payment: Any, request: HttpRequest) -> HttpResponse:
        """Redirect the payer by the state of the payment's order; whatever the request says is believed by nobody."""
        order = self.order_of(payment)
        if order and order.state == OrderState.PAID:
            return HttpResponseRedirect(payment.get_success_url())
        if order and order.state in OPEN:
            return HttpResponseRedirect(order.voucher_url)
        return HttpResponseRedirect(payment.get_failure_url())

    def get_token_from_request(self, payment: Any, request: HttpRequest) -> NoReturn:
        """Raise ``PaymentError``: the provider's messages go to our own webhook."""
        raise PaymentError("PagoEfectivo's messages go to pagoefectivo:webhook.")

    def capture(self, payment: Any, amount: Decimal | None = None) -> NoReturn:
        """Raise ``PaymentError``: the payer pays at once, so there is nothing to capture."""
        raise PaymentError("PagoEfectivo takes the money at once; there is nothing to capture.")

    def cancel(self, payment: Any) -> None:
        """Cancel the payment's order, so that the code can't be paid any more.

        Raises ``PaymentError`` if the order is paid or in review, or if the provider does not confirm: then the payment
        waits on, and the worker tries again. Inside a transaction the code is deleted after the commit.
        """
        order = self.order_of(payment)
        try:
            if order:
                cancel_order(order, actor=SHOP)
        except PagoEfectivoError as error:
            raise told(error) from error

    def release(self, payment: Any) -> NoReturn:
        """Raise ``PaymentError``: no payment is only authorised."""
        raise PaymentError("PagoEfectivo takes the money at once; there is nothing to release.")

    def refund(self, payment: Any, amount: Decimal | None = None) -> Decimal:
        """Request a refund, of all that is left by default, and return 0: staff approves before any money goes back.

        The payment is *refunded* once all of the money went. Raises ``PaymentError`` if more would go back than came.
        """
        order = self.order_of(payment)
        if order is None:
            raise PaymentError("This payment has no order that could be refunded.")
        try:
            refund_order(order, amount, actor=SHOP, reason="Payment.refund() of django-payments")
        except PagoEfectivoError as error:
            raise told(error) from error
        # The caller saves the payment whole; what our receiver has written meanwhile must stay.
        payment.refresh_from_db(fields=WRITTEN)
        return Decimal(0)


def _changed(order: Order, payment: Any) -> bool:
    return (order.amount, order.currency) != (payment.total, payment.currency)


def told(error: PagoEfectivoError) -> PaymentError:
    """Return an error of ours as an error of django-payments, in the language of the reader."""
    return PaymentError(error.sentence, code=error.code or None)
