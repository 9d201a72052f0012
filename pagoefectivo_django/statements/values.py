"""What a cell means: amounts, moments, codes and currencies. Exact, or ``Unreadable``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from ..codes import plain
from ..errors import InvalidRequest
from ..money import LARGEST
from ..workdays import LIMA

#: The book stores no more digits.
LONGEST_CODE = 40
#: A statement has fewer days.
_DAYS = 1_000
_SIXTY = {f"{number:02}": number for number in range(60)}
_CENT = Decimal("0.01")
#: What adding binary fractions leaves behind is far below this.
_NOISE = Decimal("0.0000001")
_SIGN = r"S/\.?|US\$|PEN|USD|\$"
_AMOUNT = re.compile(
    rf"(\()?\s*(-)?\s*({_SIGN})?\s*(-)?\s*(\d[\d.,]*)\s*({_SIGN})?\s*(-)?\s*(\))?", re.IGNORECASE | re.ASCII
)
_DIGITS = {
    ".": re.compile(r"(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.(\d+))?", re.ASCII),
    ",": re.compile(r"(?:\d+|\d{1,3}(?:\.\d{3})+)(?:,(\d+))?", re.ASCII),
    "": re.compile(r"\d+()", re.ASCII),
}
_USUAL = re.compile(r"\d{1,16}\.\d\d", re.ASCII)
_DAY_FIRST = re.compile(r"(\d{1,2})([/-])(\d{1,2})\2(\d{4})(?:[ T]+(\d{1,2}):(\d\d)(?::(\d\d)(?:\.\d+)?)?)?", re.ASCII)
_YEAR_FIRST = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?)?", re.ASCII)
_SCIENTIFIC = re.compile(r"\d+(?:[.,]\d+)?E\+?\d+", re.IGNORECASE | re.ASCII)
_ROUNDED = re.compile(r"\d[.,]\d+E\+\d+", re.IGNORECASE | re.ASCII)
_HARMLESS = re.compile(r"(?=.*[.,/:E])[\d.,/:()E+ T$S-]{1,30}", re.ASCII)
_CURRENCIES = {
    **dict.fromkeys(("pen", "s/", "s/.", "sol", "soles", "nuevo sol", "nuevos soles"), "PEN"),
    **dict.fromkeys(("usd", "us$", "dolar", "dolares", "dolares americanos", "dolares estadounidenses"), "USD"),
}


class Unreadable(ValueError):
    """A cell isn't what its column promises."""


class OtherCurrency(Unreadable):
    """A cell is of another currency than the file, so the whole file is refused."""


def folded(text: Any) -> str:
    """Return a text without accents, case and double blanks."""
    flat = unicodedata.normalize("NFKD", str(text))
    return " ".join("".join(letter for letter in flat if not unicodedata.combining(letter)).casefold().split())


def hint(value: Any) -> str:
    """Return a value for a message. A misplaced name or document number is told by its length only."""
    text = str(value).strip()
    return repr(text) if _HARMLESS.fullmatch(text) else f"a text of {len(text)} characters"


def text(cell: Any) -> str:
    """Return a cell as text; a number that a spreadsheet made of digits (it keeps 15) becomes digits again."""
    if isinstance(cell, str):
        return " ".join(cell.split())
    if cell is None:
        return ""
    if isinstance(cell, bool) or not isinstance(cell, int | float) or cell != cell or abs(cell) >= 10**15:
        raise Unreadable("is no text, or a rounded number; format the column as text and export again.")
    if cell != int(cell):
        raise Unreadable("is a number with a fraction; format the column as text and export again.")
    return str(int(cell))


def identifier(longest: int) -> Callable[[Any], str]:
    """Return a reader of transaction codes or operation numbers of at most so many characters."""

    def read(cell: Any) -> str:
        found = text(cell)
        if len(found) > longest:
            raise Unreadable(f"has {len(found)} characters; at most {longest} can be read.")
        if "+" in found and _ROUNDED.fullmatch(found):
            raise Unreadable(f"is {hint(found)}, which a spreadsheet rounded; export it again as text.")
        return found

    return read


def code(cell: Any) -> str:
    """Return a payment code's digits, as ``codes.plain``."""
    digits = plain(cell if isinstance(cell, str) else text(cell))
    if digits and not (digits.isascii() and digits.isdigit()):
        if _SCIENTIFIC.fullmatch(digits):
            raise Unreadable(f"is {hint(cell)}: a spreadsheet rounded the code; export it again as text.")
        raise Unreadable(f"is {hint(cell)}, not the digits of a code.")
    if len(digits) > LONGEST_CODE:
        raise Unreadable(f"has {len(digits)} digits; a code has at most {LONGEST_CODE}.")
    return digits


def currency_of(cell: Any) -> str:
    """Return ``PEN``, ``USD``, or nothing for an empty cell."""
    word = folded(cell) if cell is not None else ""
    if not word or word in _CURRENCIES:
        return _CURRENCIES.get(word, "")
    if word == "$":
        raise OtherCurrency("is '$', which may be soles or dollars; write PEN or USD.")
    raise OtherCurrency("is no currency that is known; use PEN or USD.")


def sign_of(cell: Any) -> str:
    """Return the currency that an amount is written with, or nothing."""
    found = _AMOUNT.fullmatch(_flat(cell)) if isinstance(cell, str) else None
    return currency_of(found[3] or found[6]) if found and (found[3] or found[6]) else ""


def mark_of(cell: Any) -> str:
    """Return the decimal mark that an amount shows, ``?`` for one like ``1,234``, or nothing."""
    found = _AMOUNT.fullmatch(_flat(cell)) if isinstance(cell, str) else None
    digits = found[5] if found else ""
    last = max(digits.rfind("."), digits.rfind(","))
    if last < 0:
        return ""
    mark = digits[last]
    other = "," if mark == "." else "."
    if other in digits:
        return mark
    if digits.count(mark) > 1:
        return other
    return "?" if len(digits) - last == 4 and last <= 3 and digits[0] != "0" else mark


def amounts(mark: str, currency: str) -> Callable[[Any], Decimal | None]:
    """Return a reader of amounts with two decimals; an empty cell is None."""
    form = _DIGITS[mark]
    usual = _USUAL.fullmatch if mark == "." else lambda cell: None

    def read(cell: Any) -> Decimal | None:
        if isinstance(cell, str):
            return Decimal(cell) if usual(cell) else written(_flat(cell))
        if cell is None:
            return None
        if isinstance(cell, bool) or not isinstance(cell, int | float):
            raise Unreadable("is no amount.")
        value = Decimal(repr(cell))
        if not value.is_finite() or abs(value) > LARGEST:
            raise Unreadable("is no amount that can be paid.")
        rounded = value.quantize(_CENT)
        if abs(rounded - value) > _NOISE:
            raise Unreadable(f"is {hint(cell)}, which has more than two decimals.")
        return rounded

    def written(cell: str) -> Decimal | None:
        if not cell:
            return None
        parts = _AMOUNT.fullmatch(cell)
        if not parts or bool(parts[1]) != bool(parts[8]):
            raise Unreadable(f"is {hint(cell)}, not an amount.")
        for sign in (parts[3], parts[6]):
            if sign and currency_of(sign) != currency:
                raise OtherCurrency(
                    f"is in {currency_of(sign)}, but the file is read as {currency}; import each alone."
                )
        digits = form.fullmatch(parts[5])
        if not digits:
            how = f"with decimal mark '{mark}'" if mark else "without a decimal mark; say which it is (decimal)"
            raise Unreadable(f"is {hint(cell)}, but the file's amounts are written {how}.")
        if len(digits[1] or "") > 2:
            raise Unreadable(f"is {hint(cell)}, which has more than two decimals.")
        bare = parts[5].replace("," if mark == "." else ".", "").replace(",", ".")
        value = Decimal(bare)
        if value > LARGEST:
            raise Unreadable("is more than can be paid.")
        value = value.quantize(_CENT)
        return -value if parts[1] or parts[2] or parts[4] or parts[7] else value

    return read


def style_of(cell: Any) -> str:
    """Return how a date is written: ``dd/mm/yyyy``, ``dd-mm-yyyy``, ``yyyy-mm-dd``, ``workbook``; or nothing."""
    if isinstance(cell, date):
        return "workbook"
    if not isinstance(cell, str):
        return ""
    if found := _DAY_FIRST.fullmatch(cell.strip()):
        return f"dd{found[2]}mm{found[2]}yyyy"
    return "yyyy-mm-dd" if _YEAR_FIRST.fullmatch(cell.strip()) else ""


def moments(styles: frozenset[str]) -> Callable[[Any], datetime | None]:
    """Return a reader of moments by Lima's clock; empty, and 1900-01-01 (protocol 8), is None."""
    by_mark = {"/": "dd/mm/yyyy" in styles, "-": "dd-mm-yyyy" in styles}

    def read(cell: Any) -> datetime | None:
        if not isinstance(cell, str):
            return None if cell is None else _moment_of_workbook(cell)
        if len(cell) == 19 and cell[10] == " " and cell[13] == cell[16] == ":":  # most by far
            try:
                return datetime(
                    *day(cell[:10]), _SIXTY[cell[11:13]], _SIXTY[cell[14:16]], _SIXTY[cell[17:]], tzinfo=LIMA
                )
            except (KeyError, ValueError):
                pass  # told below, or another notation
        return written(cell.strip())

    @lru_cache(_DAYS)
    def day(cell: str) -> tuple[int, int, int]:
        moment = written(cell)
        if moment is None:
            raise Unreadable("is no date.")
        return moment.year, moment.month, moment.day

    def written(cell: str) -> datetime | None:
        if not cell:
            return None
        try:
            found = _DAY_FIRST.fullmatch(cell)
            if found and by_mark[found[2]]:
                moment = _day_first(found)
            elif "yyyy-mm-dd" in styles and _YEAR_FIRST.fullmatch(cell):
                moment = datetime.fromisoformat(cell).replace(microsecond=0)
                moment = moment.astimezone(LIMA) if moment.tzinfo else moment.replace(tzinfo=LIMA)
            else:
                known = ", ".join(sorted(styles)) or "none"
                raise Unreadable(f"is {hint(cell)}; dates of this file are written: {known}.")
        except (ValueError, OverflowError) as error:
            if isinstance(error, Unreadable | InvalidRequest):
                raise
            raise Unreadable(f"is {hint(cell)}, which is no date; the day comes first.") from None
        return None if moment.year <= 1900 else moment

    return read


def _day_first(found: re.Match[str]) -> datetime:
    """Return a moment whose day stands first; raises ``InvalidRequest`` if it can only be the month."""
    day, _, month, year, hour, minute, second = found.groups()
    if int(month) > 12 >= int(day):
        # No bad line but a bad guess: of the other lines, days up to 12 would be read as months.
        told = f"A date is written {hint(found[0])}: this file has the month before the day"
        raise InvalidRequest(f"{told}; export it with the day first, or as yyyy-mm-dd. Nothing is imported.")
    return datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=LIMA)


def _flat(cell: str) -> str:
    return cell.replace("\xa0", " ").strip()


def _moment_of_workbook(cell: Any) -> datetime | None:
    if not isinstance(cell, date):
        raise Unreadable("is a number, not a date; format the column as a date and export again.")
    if not isinstance(cell, datetime):
        cell = datetime(cell.year, cell.month, cell.day)  # noqa: DTZ001 (Lima's clock comes below)
    return None if cell.year <= 1900 else cell.replace(microsecond=0, tzinfo=LIMA)
