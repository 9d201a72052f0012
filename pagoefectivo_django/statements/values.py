"""Readers of amounts, codes and currencies: a cell becomes an exact value, or ``Unreadable`` is raised.

Dates: see ``dates.py``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_noop as _

from ..codes import plain
from ..errors import PagoEfectivoError
from ..money import LARGEST
from ..texts import visible

#: The most digits of a code in the database.
LONGEST_CODE = 40
_CENT = Decimal("0.01")
#: Rates of exchange: the decimals that are kept, and the bound that no rate reaches.
_PLACES = 10
_RATE = Decimal(1).scaleb(-_PLACES)
MOST_RATE = Decimal(10) ** 10
#: The largest difference to whole céntimos that counts as noise of binary fractions.
_NOISE = Decimal("0.0000001")
_SIGN = r"S/\.?|US\$|PEN|USD|\$|(?:nuevos? )?sol(?:es)?|d[oóÓ]lar(?:es)?"
_AMOUNT = re.compile(
    rf"(?P<outer>{_SIGN})?\s*(?P<open>\()?\s*(?P<first>[-+])?\s*(?P<before>{_SIGN})?\s*(?P<inner>[-+])?\s*"
    rf"(?P<digits>[.,]?\d(?:[\d.,']|\ (?=\d{{3}}))*)\s*(?P<behind>{_SIGN})?\s*(?P<last>[-+])?\s*(?P<close>\))?",
    re.IGNORECASE | re.ASCII,
)
#: The ways in which a spreadsheet's accounting format shows 0.
_NOTHING = re.compile(rf"(?:{_SIGN})?\s*-+\s*(?:{_SIGN})?", re.IGNORECASE)
#: By decimal mark, the digits of an amount. Thousands may also be separated by a blank or an apostrophe.
_DIGITS = {
    ".": re.compile(r"(?:\d*|\d{1,3}(?:[, ']\d{3})+)(?:\.(\d+))?", re.ASCII),
    ",": re.compile(r"(?:\d*|\d{1,3}(?:[. ']\d{3})+)(?:,(\d+))?", re.ASCII),
    "": re.compile(r"(?:\d+|\d{1,3}(?:[ ']\d{3})+)()", re.ASCII),
}
_USUAL = re.compile(r"\d{1,16}\.\d\d", re.ASCII)
_SCIENTIFIC = re.compile(r"\d+(?:[.,]\d+)?E\+?\d+", re.IGNORECASE | re.ASCII)
_ROUNDED = re.compile(r"\d[.,]\d+E\+\d+", re.IGNORECASE | re.ASCII)
_HARMLESS = re.compile(r"(?=.*[.,/:E])[\d.,/:()E+ T$S-]{1,30}", re.ASCII)
#: Digits with ``.0``, as written by a program that took the digits for a number.
_WHOLE = re.compile(r"(\d{1,15})\.00?", re.ASCII)
#: The marks by which Excel keeps digits as text: ``'0123`` and ``="0123"``.
_KEPT = re.compile(r"\s*(?:'(?P<text>[^']*)|=\s*\"(?P<formula>[^\"]*)\")\s*")
_BLANKS = re.compile(r"[\s\u2000-\u200a]+")
_MINUS = str.maketrans(
    dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d", "-") | dict.fromkeys("\u2019\u02bc\u00b4`", "'")
)
_CURRENCIES = {
    **dict.fromkeys(
        ("pen", "s/", "sol", "soles", "nuevo sol", "nuevos soles", "moneda nacional", "mn", "m.n", "604"), "PEN"
    ),
    **dict.fromkeys(("usd", "us$", "dolar", "dolares", "840"), "USD"),
}
#: A currency by its three letters (ISO 4217).
_LETTERS = re.compile(r"[A-Z]{3}")
#: Words of a country beside the name of a currency.
_OF_A_COUNTRY = re.compile(r" (?:peruan[oa]s?|american[oa]s?|estadounidenses?)\b")


class Unreadable(PagoEfectivoError, ValueError):
    """The error for a cell that does not fit its column; the message completes "column x …"."""


class OtherCurrency(Unreadable):
    """The error for a cell in another currency than the file's; the whole file is refused."""


def folded(text: Any) -> str:
    """Return a text without accents, case and double blanks."""
    flat = unicodedata.normalize("NFKD", str(text))
    return " ".join("".join(letter for letter in flat if not unicodedata.combining(letter)).casefold().split())


def unwrapped(cell: str) -> str:
    """Return a text without invisible characters, and without the marks by which a spreadsheet keeps digits as text."""
    cell = visible(cell)
    if cell[:1] in "'= " and (kept := _KEPT.fullmatch(cell)):
        return str(kept["text"] if kept["formula"] is None else kept["formula"])
    return cell


def hint(value: Any) -> str:
    """Return a value for an error message; any text that may be personal data is shown as stars, at most 40."""
    text = str(value).strip()
    return repr(text if _HARMLESS.fullmatch(text) else "*" * min(len(text), 40))


def text(cell: Any) -> str:
    """Return a cell as text; a number becomes its digits. Raises ``Unreadable`` where a spreadsheet has rounded (it
    keeps 15).
    """
    if isinstance(cell, str):
        return " ".join(cell.split())
    if cell is None:
        return ""
    if isinstance(cell, bool) or not isinstance(cell, int | float) or cell != cell or abs(cell) >= 10**15:
        raise Unreadable(
            _("is no text, or a rounded number; format the column as text and export again."), code="number_rounded"
        )
    if cell != int(cell):
        raise Unreadable(
            _("is a number with a fraction; format the column as text and export again."), code="number_with_fraction"
        )
    return str(int(cell))


def identifier(longest: int) -> Callable[[Any], str]:
    """Return a function that reads transaction codes or operation numbers of at most ``longest`` characters."""

    def read(cell: Any) -> str:
        found = text(cell)
        if len(found) > longest:
            raise Unreadable(
                _("has %(count)d characters; at most %(most)d can be read."),
                code="cell_characters",
                count=len(found),
                most=longest,
            )
        if "+" in found and _ROUNDED.fullmatch(found):
            raise Unreadable(
                _("is %(cell)s, which a spreadsheet rounded; export it again as text."),
                code="identifier_rounded",
                cell=hint(found),
            )
        return _whole(found)

    return read


def _whole(digits: str) -> str:
    """Return digits without the ``.0`` that a program added."""
    found = _WHOLE.fullmatch(digits) if "." in digits else None
    return found[1] if found else digits


def code(cell: Any) -> str:
    """Return a payment code's digits, without blanks and leading zeros, as ``codes.plain`` does."""
    digits = _whole(plain(cell if isinstance(cell, str) else text(cell)))
    if digits and not (digits.isascii() and digits.isdigit()):
        if _SCIENTIFIC.fullmatch(digits):
            raise Unreadable(
                _("is %(cell)s: a spreadsheet rounded the code; export it again as text."),
                code="code_rounded",
                cell=hint(cell),
            )
        raise Unreadable(_("is %(cell)s, not the digits of a code."), code="code_digits", cell=hint(cell))
    if len(digits) > LONGEST_CODE:
        raise Unreadable(
            _("has %(count)d digits; a code has at most %(most)d."),
            code="code_too_long",
            count=len(digits),
            most=LONGEST_CODE,
        )
    return digits


def currency_of(cell: Any, said: str = "") -> str:
    """Return ``PEN`` or ``USD``, or "" for an empty cell; ``$`` means dollars if a person ``said`` "USD".

    Raises ``OtherCurrency`` for any other text.
    """
    word = _OF_A_COUNTRY.sub("", folded(cell)).strip(" .") if cell is not None else ""
    if not word or word in _CURRENCIES:
        return _CURRENCIES.get(word, "")
    if word == "$":
        if said == "USD":
            return said
        raise OtherCurrency(_("is '$', which may be soles or dollars; write PEN or USD."), code="currency_sign_unclear")
    found = {_CURRENCIES.get(part.strip("."), "") for part in re.split(r"[\s()-]+", word) if part}
    if len(found) == 1 and (only := found.pop()):  # "PEN - Soles", "Soles (S/)"
        return only
    raise OtherCurrency(_("is no currency that is known; use PEN or USD."), code="currency_not_known")


def any_currency_of(cell: Any, said: str = "") -> str:
    """Return the currency that a cell names, as ``currency_of`` does, or any further one by three capital letters."""
    return cell.strip() if isinstance(cell, str) and _LETTERS.fullmatch(cell.strip()) else currency_of(cell, said)


def sign_of(cell: Any, said: str = "") -> str:
    """Return the currency of the sign that an amount has, or ""."""
    found = _AMOUNT.fullmatch(flat(cell)) if isinstance(cell, str) else None
    return next((currency_of(sign, said) for sign in _signs(found) if sign), "") if found else ""


def _signs(amount: re.Match[str]) -> tuple[str | None, ...]:
    return amount["outer"], amount["before"], amount["behind"]


def mark_of(cell: Any) -> str:
    """Return the decimal mark in an amount, ``?`` for an ambiguous amount such as ``1,234``, or ""."""
    found = _AMOUNT.fullmatch(flat(cell)) if isinstance(cell, str) else None
    digits = found["digits"] if found else ""
    last = max(digits.rfind("."), digits.rfind(","))
    if last < 0:
        return ""
    mark = digits[last]
    other = "," if mark == "." else "."
    if other in digits:
        return mark
    if digits.count(mark) > 1:
        return other
    return "?" if len(digits) - last == 4 and 0 < last <= 3 and digits[0] != "0" else mark


def _refuse_other_currency(amount: re.Match[str], currency: str) -> None:
    for sign in _signs(amount):
        if sign and currency_of(sign, currency) != currency:
            raise OtherCurrency(
                _("is in %(seen)s, but the file is read as %(currency)s; import each alone."),
                code="cell_in_another_currency",
                seen=currency_of(sign),
                currency=currency,
            )


def _of_another_mark(cell: str, mark: str) -> Unreadable:
    if not mark:
        return Unreadable(
            _("is %(cell)s, but the file's amounts are written without a decimal mark; say which it is (decimal)."),
            code="decimal_mark_unexpected",
            cell=hint(cell),
        )
    return Unreadable(
        _("is %(cell)s, but the file's amounts are written with decimal mark '%(mark)s'."),
        code="decimal_mark_another",
        cell=hint(cell),
        mark=mark,
    )


def amounts(mark: str, currency: str) -> Callable[[Any], Decimal | None]:
    """Return a reader of amounts with two decimals (None for an empty cell); ``mark`` is the decimal mark or ""."""
    form = _DIGITS[mark]
    usual = _USUAL.fullmatch if mark == "." else lambda cell: None

    def read(cell: Any) -> Decimal | None:
        if isinstance(cell, str):
            return Decimal(cell) if usual(cell) else written(flat(cell))
        if cell is None:
            return None
        if isinstance(cell, bool) or not isinstance(cell, int | float):
            raise Unreadable(_("is no amount."), code="no_amount")
        value = Decimal(repr(cell))
        if not value.is_finite() or abs(value) > LARGEST:
            raise Unreadable(_("is no amount that can be paid."), code="amount_not_payable")
        rounded = value.quantize(_CENT)
        if abs(rounded - value) > _NOISE:
            raise Unreadable(_("is %(cell)s, which has more than two decimals."), code="cell_decimals", cell=hint(cell))
        return rounded

    def written(cell: str) -> Decimal | None:
        if not cell:
            return None
        parts = _AMOUNT.fullmatch(cell)
        if not parts and _NOTHING.fullmatch(cell):
            return Decimal("0.00")
        if not parts or bool(parts["open"]) != bool(parts["close"]):
            raise Unreadable(_("is %(cell)s, not an amount."), code="cell_no_amount", cell=hint(cell))
        _refuse_other_currency(parts, currency)
        digits = form.fullmatch(parts["digits"])
        if not digits:
            raise _of_another_mark(cell, mark)
        decimals = digits[1] or ""
        if len(decimals) > 2 and (len(decimals) == 3 or decimals[2:].strip("0")):  # a database may export 35.5000
            raise Unreadable(_("is %(cell)s, which has more than two decimals."), code="cell_decimals", cell=hint(cell))
        bare = re.sub(r"[ ',]" if mark == "." else r"[ '.]", "", parts["digits"]).replace(",", ".")
        value = Decimal(bare)
        if value > LARGEST:
            raise Unreadable(_("is more than can be paid."), code="amount_above_largest")
        value = value.quantize(_CENT)
        return -value if parts["open"] or "-" in (parts["first"], parts["inner"], parts["last"]) else value

    return read


def rates(mark: str) -> Callable[[Any], Decimal | None]:
    """Return a reader of rates of exchange (None for an empty cell), to ten decimals; ``mark`` is the decimal mark."""
    form = _DIGITS[mark]

    def read(cell: Any) -> Decimal | None:
        written = flat(str(cell)) if isinstance(cell, str | int | float) and not isinstance(cell, bool) else ""
        if cell is None or (isinstance(cell, str) and not written):
            return None
        # A number of a workbook has a point, whatever the mark of the file's texts.
        if not (form if isinstance(cell, str) else _DIGITS["."]).fullmatch(written):
            raise Unreadable(_("is %(cell)s, no rate of exchange."), code="rate_unreadable", cell=hint(cell))
        bare = re.sub(r"[ ',]" if mark == "." or not isinstance(cell, str) else r"[ '.]", "", written)
        rate = Decimal(bare.replace(",", "."))
        if not 0 < rate < MOST_RATE:
            raise Unreadable(_("is %(cell)s, no rate of exchange."), code="rate_unreadable", cell=hint(cell))
        return rate.quantize(_RATE) if int(rate.as_tuple().exponent) < -_PLACES else rate

    return read


def are_at_rate(paid: Decimal, settled: Decimal, rate: Decimal) -> bool:
    """Return whether two amounts are of a rate, in either direction.

    Rounding is no difference: a céntimo in each amount, and one unit in the rate's last decimal.
    """
    decimals = -int(rate.as_tuple().exponent)
    unit = Decimal(1).scaleb(-decimals) if decimals > 0 else Decimal(0)
    least, most = max(rate - unit, Decimal(0)), rate + unit
    pairs = ((abs(paid), abs(settled)), (abs(settled), abs(paid)))
    return any((one - _CENT) * least - _CENT <= other <= (one + _CENT) * most + _CENT for one, other in pairs)


def flat(cell: str) -> str:
    """Return a cell with plain blanks, hyphens and apostrophes in place of every other kind."""
    return _BLANKS.sub(" ", visible(cell).translate(_MINUS)).strip()
