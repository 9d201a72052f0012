"""Checkout.com's words for the status of a hosted page and of a payment, and the options that only this channel has."""

from __future__ import annotations

from django.core.checks import Error

from ...states import Fact
from ..options import Fault

#: The page on which somebody paid; the state is that of the payment.
RECEIVED = "Payment Received"
#: Authorised money is on its way: the page captures by itself. "Card Verified" is of no meaning for an order.
PAYMENTS = {
    "Active": Fact.ISSUED,
    "Requested": Fact.ISSUED,
    "Pending": Fact.ISSUED,
    "Authentication Requested": Fact.ISSUED,
    "Authorized": Fact.IN_PROCESS,
    "Captured": Fact.PAYMENT,
    "Partially Captured": Fact.PAYMENT,
    "Paid": Fact.PAYMENT,
    "Partially Refunded": Fact.PAYMENT,
    "Refunded": Fact.PAYMENT_REVERSED,
    "Declined": Fact.CODE_FAILED,
    "Canceled": Fact.CODE_DELETED,
    "Voided": Fact.CODE_DELETED,
    "Expired": Fact.CODE_EXPIRED,
}
#: Which words a page uses is not itemised, so the words of payments are read too; a try that failed leaves the page.
PAGES = {
    **PAYMENTS,
    **dict.fromkeys(("Payment Pending", "Declined", "Canceled", "Voided"), Fact.ISSUED),
}
#: The states of a payment that outweigh the state of the page.
WEIGHTY = (Fact.IN_PROCESS, Fact.PAYMENT, Fact.PAYMENT_REVERSED)

#: The form of ``PREFIX``, as the provider's own library has it.
PREFIX = "(?:pl-)?[a-z0-9]+"
NO_PREFIX: Fault = (
    *(Error, "pagoefectivo.E007", "is missing or no part of a host"),
    "Use your client id at Checkout.com without cli_, in lower case.",
)
NO_RETURN: Fault = (
    *(Error, "pagoefectivo.E001", "is missing, and Checkout.com asks for an address to which payers come back"),
    "Set PAGOEFECTIVO['PUBLIC_URL'] to your shop's address, such as 'https://shop.example'.",
)
