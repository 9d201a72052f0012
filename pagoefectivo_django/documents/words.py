"""How codes are written for a payer, and in which language."""

from __future__ import annotations

#: Our languages as Babel knows them; Spanish is Peru's.
LOCALES = {"es": "es_PE", "en": "en_US", "zh-hans": "zh_Hans_CN"}


def serves(language: str) -> str:
    """Return which of our languages serves somebody who wants this one; empty if none does."""
    wanted = language.lower().replace("_", "-").split("-")[0]
    return next((known for known in LOCALES if wanted == known.split("-")[0]), "")


def known_language(language: str) -> str:
    """Return which of our languages serves somebody who wants this one; Spanish for all that we don't have."""
    return serves(language) or "es"


def groups(code: str) -> list[str]:
    """Return a code's digits in groups that can be read out: of three if that comes out even, else of four."""
    size = 3 if len(code) % 3 == 0 and len(code) % 4 else 4
    first = len(code) % size
    return [part for part in (code[:first], *(code[at : at + size] for at in range(first, len(code), size))) if part]
