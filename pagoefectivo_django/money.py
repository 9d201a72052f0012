"""Amount and currency; ``Decimal`` only."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from .errors import InvalidRequest

#: What PagoEfectivo issues codes in (protocol 3.1).
CURRENCIES = ("PEN", "USD")
SIGNS = {"PEN": "S/", "USD": "US$"}
#: 16 digits before the point and 2 behind it (protocol 3.1).
LARGEST = Decimal("9999999999999999.99")


@dataclass(frozen=True)
class Money:
    """An exact amount in a currency; raises ``InvalidRequest`` for one that nobody can pay."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if self.currency not in CURRENCIES:
            raise InvalidRequest(f"currency is {shown(self.currency)}; use one of {', '.join(CURRENCIES)}.")
        object.__setattr__(self, "amount", exact(self.amount))

    def __str__(self) -> str:
        return f"{self.currency} {self.amount:.2f}"

    @property
    def display(self) -> str:
        """See ``display``."""
        return display(self.amount, self.currency)


def display(amount: Decimal, currency: str) -> str:
    """Return money as Peru writes it, in every language: ``S/ 1,234.50``, ``US$ 1,234.50``; its blank does not break.

    Any currency, since a payer may pay in one that was not asked for.
    """
    return f"{SIGNS.get(currency, currency)}\u00a0{amount:,.2f}"


def exact(amount: Any) -> Decimal:
    """Return a positive amount with two decimals; floats and text are refused, not guessed at."""
    if isinstance(amount, int) and not isinstance(amount, bool):
        amount = Decimal(amount)
    if not isinstance(amount, Decimal):
        raise InvalidRequest(f"amount is {shown(amount)}; pass a Decimal such as Decimal('120.50').")
    if not amount.is_finite() or not 0 < amount <= LARGEST:
        raise InvalidRequest(f"amount is {shown(amount)}; it must be more than 0 and at most {LARGEST}.")
    try:
        rounded = amount.quantize(Decimal("0.01"))
    except InvalidOperation:  # more digits than the context's precision
        rounded = None
    if rounded != amount:
        raise InvalidRequest(f"amount is {shown(amount)}; it has more than two decimals.")
    return rounded


def shown(value: Any) -> str:
    """Return a value for an error message: short, whatever was passed."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
