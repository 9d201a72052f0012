"""The provider's fee by contract, and the IGV (sales tax) on the fee; pure."""

from __future__ import annotations

import decimal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from .conf import conf
from .money import CURRENCIES

CENT = Decimal("0.01")
ROUNDINGS = tuple(name for name in dir(decimal) if name.startswith("ROUND_"))


@dataclass(frozen=True)
class Fee:
    """A fee and the IGV on it, in the payment's currency; ``total`` is the sum, which the provider keeps."""

    amount: Decimal
    tax: Decimal

    @property
    def total(self) -> Decimal:
        return self.amount + self.tax


def expected_fee(amount: Decimal, currency: str, day: date) -> Fee | None:
    """Return the fee for a payment by the contract in force on a day; None if no contract covers the payment.

    The fee is rounded first, then the IGV on the rounded fee (protocol 7.4, one merchant's contract).
    """
    contract = _since(conf.fees.get(currency, ()), day, lambda entry: entry["SINCE"])
    if contract is None:
        return None
    for up_to, fixed, percent in contract["BANDS"]:
        if up_to is None or amount <= up_to:
            rounding = contract.get("ROUNDING", ROUND_HALF_UP)
            fee = (fixed + amount * percent / 100).quantize(CENT, rounding)
            return Fee(fee, (fee * igv_rate(day) / 100).quantize(CENT, rounding))
    return None


def igv_rate(day: date) -> Decimal:
    """Return the IGV rate on a day in percent, such as ``Decimal(18)``; 0 before the first rate in the settings."""
    found = _since(conf.igv, day, lambda entry: entry[0])
    return found[1] if found else Decimal(0)


def split_commission(commission: Decimal, day: date) -> Fee:
    """Return fee and IGV of a commission with IGV included; the IGV is the remainder after rounding."""
    fee = (commission * 100 / (100 + igv_rate(day))).quantize(CENT, ROUND_HALF_UP)
    return Fee(fee, commission - fee)


def _since(entries: Sequence[Any], day: date, since: Any) -> Any:
    """Return the entry in force on a day: the latest whose date is not after the day, or None."""
    return max((entry for entry in entries if since(entry) <= day), key=since, default=None)


def faults_of_contract(fees: Any, igv: Any) -> list[str]:
    """Return the faults of the settings FEES and IGV as sentences, for the system checks."""
    found = []
    if not isinstance(fees, Mapping) or set(fees) - set(CURRENCIES):
        found.append(f"FEES has to be a dictionary by currency ({', '.join(CURRENCIES)}).")
        fees = {}
    for currency, contracts in fees.items():
        for contract in contracts if isinstance(contracts, list | tuple) else [None]:
            try:
                _read_contract(contract)
            except (KeyError, TypeError, ValueError) as error:
                found.append(f"FEES[{currency!r}] can't be read: {error!r}.")
    if not isinstance(igv, list | tuple) or not all(map(_is_rate, igv)):
        found.append("IGV has to be a list of (date, Decimal percent), such as Decimal(18).")
    return found


def _read_contract(contract: Any) -> None:
    if unknown := sorted(map(str, set(contract) - {"SINCE", "BANDS", "ROUNDING"})):
        raise ValueError(f"{', '.join(unknown)} is unknown; use SINCE, BANDS, ROUNDING")
    if type(contract["SINCE"]) is not date:
        raise ValueError("SINCE is a date, BANDS a list, ROUNDING optional; nothing else")
    if contract.get("ROUNDING", ROUND_HALF_UP) not in ROUNDINGS:
        raise ValueError(f"ROUNDING is one of {', '.join(ROUNDINGS)}")
    least = Decimal(0)
    for up_to, fixed, percent in contract["BANDS"]:
        if not all(isinstance(part, Decimal) and part.is_finite() and part >= 0 for part in (fixed, percent)):
            raise ValueError("a band is (up to or None, fixed, percent) in Decimal")
        if up_to is not None and not (isinstance(up_to, Decimal) and up_to.is_finite() and up_to > least):
            raise ValueError("bands go up, and end with None for all that is more")
        least = up_to if up_to is not None else Decimal("Infinity")
    if least.is_finite():  # a payment above every band would be compared with no fee, unnoticed
        raise ValueError("bands go up, and end with None for all that is more")


def _is_rate(entry: Any) -> bool:
    parts = entry if isinstance(entry, list | tuple) else ()
    return (
        len(parts) == 2
        and type(parts[0]) is date
        and isinstance(parts[1], Decimal)
        and parts[1].is_finite()
        and (parts[1] == 0 or 1 <= parts[1] < 100)  # 0.18 would be a share, not a percentage
    )
