"""The languages of the payer's documents."""

from __future__ import annotations

#: Our languages by Babel's names; Spanish is Peru's.
LOCALES = {"es": "es_PE", "en": "en_US", "zh-hans": "zh_Hans_CN"}


def serves(language: str) -> str:
    """Return which of our languages serves a reader of a language (``es_PE``, ``zh-Hant``, …), or ""."""
    wanted = language.lower().replace("_", "-").split("-")[0]
    return next((known for known in LOCALES if wanted == known.split("-")[0]), "")


def known_language(language: str) -> str:
    """Return which of our languages serves a reader of a language; Spanish where none does."""
    return serves(language) or "es"
