"""The table of the channels by their abilities."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _

from ..documents.tables import Table
from ..flows.provider.accounts import abilities
from ..wording.abilities import HEADINGS, in_words
from .panels import Row


def channels_panel(accounts: Mapping[str, str]) -> Table:
    """Return a table with a row for each ability and a column for each configured channel of these accounts."""
    found = abilities(accounts)
    words = [in_words(each) for each in found.values()]
    rows: list[Row] = [[heading, *(each[name] for each in words)] for name, heading in HEADINGS.items()]
    names = [accounts[account] or account for account in found]
    return Table(_("What each channel can do"), [_("ability"), *names], rows if names else [])
