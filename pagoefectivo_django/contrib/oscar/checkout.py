"""PagoEfectivo as a payment method at Oscar's checkout."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from oscar.core.loading import get_class

from ...documents.languages import known_language
from ...errors import InvalidRequest, gettext_noop
from ...flows import create_order
from ...flows.provider.routes import left_out, sift
from ...forms import PayerForm
from ...models import Order
from ...models.database import one_transaction
from ...money import Money
from ...payer import Payer, Receipt
from ...texts import one_line
from .placed import CODE, Source, Transaction, source_type

OrderPlacementMixin: Any = get_class("checkout.mixins", "OrderPlacementMixin")
UnableToTakePayment: Any = get_class("payment.exceptions", "UnableToTakePayment")
UnableToPlaceOrder: Any = get_class("order.exceptions", "UnableToPlaceOrder")

logger = logging.getLogger("pagoefectivo.orders")


class CheckoutForm(PayerForm):
    """``PayerForm`` with a list in place of the radio buttons, which Oscar's form template draws as text fields."""

    receipt = forms.ChoiceField(
        label=PayerForm.base_fields["receipt"].label, choices=Receipt.choices, initial=Receipt.BOLETA
    )


class PagoEfectivoCheckout(OrderPlacementMixin):  # type: ignore[misc]
    """A mixin for the ``PaymentDetailsView`` of an Oscar shop: asks who pays, places the order, shows the voucher.

    Oscar's order, its source and our order are written in one transaction, so neither stands without the others;
    the code is asked for after the commit. A shop with several methods calls
    ``self.checkout_session.pay_by("pagoefectivo")`` where the buyer chooses; without any choice PagoEfectivo it is.
    """

    #: The form that asks who pays; a subclass of ``PayerForm`` may ask for less.
    payer_form: type[PayerForm] = CheckoutForm

    _payer: Payer | None = None
    _payment: Order | None = None

    def is_paid_by_pagoefectivo(self, total: Any) -> bool:
        """Return whether PagoEfectivo was chosen, or nothing else, and there is something to pay."""
        chosen = self.checkout_session.payment_method() in (None, CODE)
        return chosen and total is not None and total.incl_tax > 0

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        total = context.get("order_total")
        if self.is_paid_by_pagoefectivo(total):
            context.setdefault("pagoefectivo_form", self.payer_form(initial=self.known_of_payer(context)))
            context["pagoefectivo_total"] = _money(total)
        return context

    def known_of_payer(self, context: dict[str, Any]) -> dict[str, str]:
        """Return what the checkout knows of the payer already, as the form's first values."""
        user, address = context["user"], context.get("shipping_address")
        known = {
            "email": getattr(user, "email", "") or context.get("guest_email"),
            "name": getattr(address, "first_name", "") or getattr(user, "first_name", ""),
            "last_name": getattr(address, "last_name", "") or getattr(user, "last_name", ""),
            "phone": getattr(address, "phone_number", ""),
        }
        return {name: str(value or "") for name, value in known.items()}

    def handle_payment_details_submission(self, request: HttpRequest) -> HttpResponse:
        """Show the preview, with the payer's data in hidden fields; or the form again, with its errors."""
        if not self.is_paid_by_pagoefectivo(self.build_submission()["order_total"]):
            answer: HttpResponse = super().handle_payment_details_submission(request)
            return answer
        form = self.payer_form(request.POST)
        shown: HttpResponse = (
            self.render_preview(request, pagoefectivo_form=form)
            if form.is_valid()
            else self.render_payment_details(request, pagoefectivo_form=form)
        )
        return shown

    def handle_place_order_submission(self, request: HttpRequest) -> HttpResponse:
        """Place the order with the payer's data that the preview sends along; or ask for the data."""
        submission = self.build_submission()
        if not self.is_paid_by_pagoefectivo(submission["order_total"]):
            answer: HttpResponse = super().handle_place_order_submission(request)
            return answer
        form = self.payer_form(request.POST)
        if not form.is_valid():
            asked: HttpResponse = self.render_payment_details(request, pagoefectivo_form=form)
            return asked
        submission["payment_kwargs"]["pagoefectivo_form"] = form
        placed: HttpResponse = self.submit(**submission)
        return placed

    def handle_payment(self, order_number: Any, total: Any, **kwargs: Any) -> None:
        """Record the source of payment, with its amount allocated; raises ``UnableToTakePayment`` if no channel fits.

        Nothing is asked of a provider: the order is not placed yet.
        """
        form = kwargs.pop("pagoefectivo_form", None)
        if form is None:
            super().handle_payment(order_number, total, **kwargs)
            return
        money, payer = _money(total), form.payer
        fit, why = sift(money, payer) if money else ({}, {"": "currency"})
        if money is None or not fit:
            logger.warning("Order %s can't be paid by PagoEfectivo: %s.", order_number, left_out(why))
            raise UnableToTakePayment(_unpayable())
        source = Source(
            source_type=source_type(), currency=money.currency, amount_allocated=money.amount, reference=order_number
        )
        source.create_deferred_transaction(Transaction.AUTHORISE, money.amount, order_number)
        self.add_payment_source(source)
        self._payer = payer

    def place_order(self, *args: Any, **kwargs: Any) -> Any:
        """Write Oscar's order and ours together.

        Raises ``UnableToPlaceOrder``, and nothing is written, if ours can't be: so Oscar shows the preview again.
        """
        if self._payer is None:
            return super().place_order(*args, **kwargs)
        try:
            with one_transaction():
                placed = super().place_order(*args, **kwargs)
                self._payment = ask_for_payment(placed, self._payer)
        except InvalidRequest as error:
            logger.warning("An order of Oscar's was not placed: %s", error)
            raise UnableToPlaceOrder(_unpayable()) from error
        return placed

    def get_success_url(self) -> str:
        """Lead to the voucher, which shows the code as soon as it is there."""
        if self._payment is None:
            address: str = super().get_success_url()
            return address
        return self._payment.voucher_url


def ask_for_payment(placed: Any, payer: Payer) -> Order:
    """Create our order for an order of Oscar's that the present transaction has written; the number is the reference.

    Raises ``InvalidRequest`` if no payable order can be made, or if the reference is an order's of another origin.
    """
    placed.refresh_from_db(fields=["total_incl_tax"])  # as the column rounds it
    mark = {"oscar_order": placed.pk}
    order = create_order(
        reference=str(placed.number),
        amount=placed.total_incl_tax,
        currency=placed.currency,
        payer=payer,
        concept=one_line(f"{getattr(settings, 'OSCAR_SHOP_NAME', '')} {placed.number}")[:200],
        language=known_language(get_language() or ""),
        metadata=mark,
    )
    if order.metadata != mark:
        # Orders of the same reference and amount are one order; this one was made for something else, and may be paid.
        raise InvalidRequest(
            gettext_noop("The reference %(reference)s has an order already that Oscar did not make."),
            code="reference_of_another",
            reference=str(placed.number),
        )
    return order


def _money(total: Any) -> Money | None:
    """Return the total of a checkout, rounded as Oscar's order will be; None in a currency that no order can have."""
    try:
        return Money(total.incl_tax.quantize(Decimal("0.01")), total.currency)
    except InvalidRequest:
        return None


def _unpayable() -> str:
    return _("This order can't be paid by PagoEfectivo. Please look at what you typed, or choose another way to pay.")
