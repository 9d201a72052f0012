"""The alert mail to staff: new and open troubles, with links into the admin and without personal data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

#: The most lines of one kind; the mail counts the rest.
MOST_SHOWN = 20

#: Headings by kind of trouble, in the order of the mail.
TITLES: dict[str, Any] = {
    "money": gettext_lazy("Discrepancies about money"),
    "worker": gettext_lazy("The worker"),
    "receiver": gettext_lazy("Receivers that fail, or that nobody runs"),
    "message": gettext_lazy("Messages that can't be applied"),
    "refused": gettext_lazy("Messages that were refused in the last 24 hours"),
    "account": gettext_lazy("Accounts that are not configured any more"),
    "ignorant": gettext_lazy("Accounts at which the provider knows none of our codes"),
    "discrepancy": gettext_lazy("Other discrepancies"),
    "refund": gettext_lazy("Refunds"),
}


@dataclass(frozen=True)
class Trouble:
    """A case that needs a person; ``kind`` and ``subject`` identify the case for the next mail."""

    kind: str
    subject: str
    text: str
    link: str = ""


def compose_alert(new: Sequence[Trouble], still: Sequence[Trouble], *, to: Iterable[str]) -> EmailMessage:
    """Return the unsent alert mail with new and still open troubles, in the active language."""
    if new:
        count = len(new)
        subject = ngettext("%(count)d new thing needs somebody", "%(count)d new things need somebody", count)
        subject %= {"count": count}
    else:
        subject = _("What is still open")
    parts = [*_told(_("NEW"), new), *_told(_("STILL OPEN"), still)]
    parts.append(_("You get this because your address is in STAFF_ALERTS or MANAGERS of the shop's settings."))
    return EmailMessage(
        subject=f"PagoEfectivo: {subject}",
        body="\n\n".join(parts) + "\n",
        to=list(to),
        headers={"Auto-Submitted": "auto-generated", "Content-Language": str(settings.LANGUAGE_CODE)},
    )


def _told(heading: str, troubles: Sequence[Trouble]) -> Iterable[str]:
    if troubles:
        yield heading
    for kind, title in TITLES.items():
        mine = [trouble for trouble in troubles if trouble.kind == kind]
        if not mine:
            continue
        lines = [f"{title} ({len(mine)})"]
        for trouble in mine[:MOST_SHOWN]:
            lines += [f"* {trouble.text}", f"  {trouble.link}"][: 1 + bool(trouble.link)]
        if more := len(mine) - MOST_SHOWN:
            lines += [_("… and %(count)d more") % {"count": more}] if more > 0 else []
        yield "\n".join(lines)
