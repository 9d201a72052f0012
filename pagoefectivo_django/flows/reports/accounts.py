"""The accounts to report on, and their environments, for keeping test and live apart."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from ...channels import get_channel
from ...conf import conf
from ...errors import Misconfigured
from ...models import Cip, Discrepancy, Notification, UnknownCode
from ...models.database import database
from ..provider.environment import LIVE


def known_accounts() -> dict[str, str]:
    """Return every account in the settings, with codes or with waiting rows, with the account's alias.

    The alias is empty for an account that is no longer in the settings.
    """
    found = dict[str, str]()
    for alias in conf.channels:
        try:
            found.setdefault(get_channel(alias).account, alias)
        except Misconfigured:
            continue  # the system checks and the log report the faulty alias
    # One query of the index for each account, since DISTINCT would read every code.
    cips, last = Cip.objects.using(database()).order_by("account").values_list("account", flat=True), ""
    while account := cips.filter(account__gt=last).first():
        found.setdefault(account, "")
        last = account
    alias = database()
    waiting: tuple[QuerySet[Any], ...] = (
        Discrepancy.objects.using(alias).open(),
        Notification.objects.using(alias).filter(retry_at__isnull=False),
        UnknownCode.objects.using(alias),
    )
    first, *others = (rows.exclude(account__in=["", *found]).order_by().values_list("account") for rows in waiting)
    return found | dict.fromkeys((account for (account,) in first.union(*others)), "")


def environment_of(account: str) -> str:
    """Return an account's environment: the second of three parts, or an empty text."""
    return account.split(":")[1] if account.count(":") > 1 else ""


def environments(accounts: dict[str, str]) -> list[str]:
    """Return the environments of accounts, the live environment first."""
    return sorted({environment_of(account) for account in accounts}, key=lambda name: (name != LIVE, name))
