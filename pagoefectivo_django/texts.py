"""Pasted text, brought to one spelling without invisible characters."""

from __future__ import annotations

import re
import unicodedata
from typing import Any
from uuid import UUID

from django.utils.functional import Promise

#: Characters without a glyph that contacts, chats and phones put around and between letters: Unicode's format
#: characters (Cf), every other "default ignorable" character, the empty Braille cell, the object replacement character.
_INVISIBLE = re.compile(
    "[\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def spelled(value: Any) -> Any:
    """Return a lazy translation or a UUID, as shops' models may have for text, as text; any further value unchanged."""
    return str(value) if isinstance(value, Promise | UUID) else value


def visible(text: str) -> str:
    """Return a text without its invisible characters."""
    return text if text.isascii() else _INVISIBLE.sub("", text)


def kept_text(text: str, longest: int) -> str:
    """Return a text of another program's as every database stores it: without NUL and halves of letters, and cut."""
    return "".join(letter for letter in text if letter != "\0" and not "\ud800" <= letter <= "\udfff")[:longest]


def one_line(text: str) -> str:
    """Return a text as one line: visible characters only, letters composed with their accents (NFC), single blanks."""
    return " ".join(unicodedata.normalize("NFC", visible(text)).split())
