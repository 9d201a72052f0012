"""The table of the channels by their abilities."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _

from ..documents.tables import Table
from ..flows.provider.accounts import abilities
from ..wording.abilities import HEADINGS, in_words
from .panels import Row


def channels_panel(accounts: Mapping[str, str]) -> Table:
    """Return a table with a row for each configured channel of these accounts, by account and alias."""
    rows: list[Row] = []
    for account, found in abilities(accounts).items():
        words = in_words(found)
        rows.append([accounts[account] or account, *(words[name] for name in HEADINGS)])
    return Table(_("What each channel can do"), [_("channel"), *HEADINGS.values()], rows)
