"""Amounts of money with their currency, as exact ``Decimal`` values."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from .errors import InvalidRequest
from .errors import gettext_noop as _

#: The currencies in which PagoEfectivo issues codes (protocol 3.1).
CURRENCIES = ("PEN", "USD")
SIGNS = {"PEN": "S/", "USD": "US$"}
#: The largest amount: 16 digits before the point and 2 after it (protocol 3.1).
LARGEST = Decimal("9999999999999999.99")


@dataclass(frozen=True)
class Money:
    """An exact, positive amount in ``PEN`` or ``USD``; raises ``InvalidRequest`` for any other amount or currency."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if self.currency not in CURRENCIES:
            raise InvalidRequest(
                _("currency is %(value)s; use one of %(known)s."),
                code="currency_unknown",
                value=shown(self.currency),
                known=", ".join(CURRENCIES),
            )
        object.__setattr__(self, "amount", exact(self.amount))

    def __str__(self) -> str:
        return f"{self.currency} {self.amount:.2f}"

    @property
    def display(self) -> str:
        """The money as Peru writes it, such as ``S/ 1,234.50``; see the function ``display``."""
        return display(self.amount, self.currency)


def display(amount: Decimal, currency: str) -> str:
    """Return money as Peru writes it, in every language: ``S/ 1,234.50``, ``US$ 1,234.50``, with a no-break space.

    Any currency is accepted, since a payer may have paid in a currency that the shop did not ask for.
    """
    return f"{SIGNS.get(currency, currency)}\u00a0{amount:,.2f}"


def exact(amount: Any) -> Decimal:
    """Return a positive amount with two decimals; raises ``InvalidRequest`` for floats, text and a third decimal."""
    if isinstance(amount, int) and not isinstance(amount, bool):
        amount = Decimal(amount)
    if not isinstance(amount, Decimal):
        raise InvalidRequest(
            _("amount is %(value)s; pass a Decimal such as Decimal('120.50')."), code="amount_type", value=shown(amount)
        )
    if not amount.is_finite() or not 0 < amount <= LARGEST:
        raise InvalidRequest(
            _("amount is %(value)s; it must be more than 0 and at most %(most)s."),
            code="amount_out_of_range",
            value=shown(amount),
            most=LARGEST,
        )
    try:
        rounded = amount.quantize(Decimal("0.01"))
    except InvalidOperation:  # more digits than the decimal context's precision
        rounded = None
    if rounded != amount:
        raise InvalidRequest(
            _("amount is %(value)s; it has more than two decimals."), code="amount_decimals", value=shown(amount)
        )
    return rounded


def shown(value: Any) -> str:
    """Return the ``repr`` of a value for an error message, cut to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
