"""Troubles to tell staff by mail, read from the database each time: none can be lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.apps import apps
from django.contrib.sites.shortcuts import get_current_site
from django.db.models import Count, Min, Q
from django.urls import NoReverseMatch, reverse
from django.utils.formats import localize
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...conf import conf
from ...hooks import TROUBLES
from ...mail.staff import Trouble
from ...models import Discrepancy, Heartbeat, Notification, NotificationStatus, Order, Refusal
from ...models.database import database
from ...money import display
from ...states import MONEY_KINDS, Kind, RefundStatus
from ..provider.look_up import know_nothing
from .accounts import known_accounts
from .health import KEEPS_FAILING, UNHEARD_AFTER, failing, is_asleep, open_codes, unheard
from .queues import REFUND_LISTS, open_refunds

#: The most troubles of a kind that are read; the oldest come first.
MOST = 1_000
#: Discrepancies about money and about unreadable messages: told at once. The other kinds are told once a day.
URGENT = [*MONEY_KINDS, Kind.UNPROCESSED]


def silent_since(now: datetime) -> datetime | None:
    """Return since when no worker has made a round; None if a worker runs or no order exists yet."""
    alias = database()
    last = Heartbeat.objects.using(alias).filter(name="tick").values_list("beaten_at", flat=True).first()
    last = last or Order.objects.using(alias).order_by("pk").values_list("created_at", flat=True).first()
    return last if last and is_asleep(last, now) else None


def troubles(now: datetime) -> Iterator[Trouble]:
    """Yield every present trouble, with texts in the active language."""
    yield from _discrepancies()
    if since := silent_since(now):
        yield Trouble(
            "worker", "tick", _("No worker has made a round since %(when)s.") % {"when": _when(since)}, _home()
        )
    yield from _receivers(now)
    yield from _messages(now)
    for refusal in Refusal.objects.using(database()).filter(last_at__gte=now - timedelta(days=1)).order_by("pk")[:MOST]:
        about = {"channel": refusal.channel, "reason": refusal.get_reason_display(), "count": refusal.count}
        text = _("%(channel)s: %(reason)s, %(count)d in all") % about
        yield Trouble("refused", f"{refusal.channel} {refusal.reason}", text, _home())
    yield from _accounts()
    for further in TROUBLES:
        yield from further(now)


def _discrepancies() -> Iterator[Trouble]:
    asked = Discrepancy.objects.using(database()).open().filter(kind__in=URGENT)
    for discrepancy in asked.select_related("order").only(*_OF_DISCREPANCY).order_by("pk")[:MOST]:
        about = {"discrepancy": discrepancy.get_kind_display(), "order": discrepancy.order or _("no order")}
        text = _("%(discrepancy)s (%(order)s)") % about
        if discrepancy.amount is not None and discrepancy.kind != Kind.UNPROCESSED:
            text += f", {display(discrepancy.amount, discrepancy.currency)}"
        kind = "message" if discrepancy.kind == Kind.UNPROCESSED else "money"
        yield Trouble(kind, f"discrepancy {discrepancy.pk}", text, _page("discrepancy", discrepancy.pk))


_OF_DISCREPANCY = ("kind", "amount", "currency", "order__reference")


def _receivers(now: datetime) -> Iterator[Trouble]:
    fail = _by_receiver(failing())
    texts = {
        name: _("%(receiver)s keeps failing; deliveries that wait: %(count)d, the first since %(when)s")
        for name in fail
    }
    for name, found in {**_by_receiver(unheard(now)), **fail}.items():
        text = texts.get(name) or _("%(receiver)s: nobody tried its deliveries (%(count)d), which wait since %(when)s")
        about = {"receiver": name, "count": found["count"], "when": _when(found["first"])}
        kind = "fails" if name in fail else "waits"
        yield Trouble("receiver", f"{kind} {name}"[:255], text % about, _list("delivery", delivered="no"))


def _by_receiver(deliveries: Any) -> dict[str, dict[str, Any]]:
    rows = deliveries.order_by("receiver").values("receiver")
    return {row["receiver"]: row for row in rows.annotate(count=Count("pk"), first=Min("event__created_at"))}


def _messages(now: datetime) -> Iterator[Trouble]:
    # A message is stuck after attempts, or by age: a message whose order is locked, or which comes behind such a
    # message, is never tried.
    stuck = Q(attempts__gte=KEEPS_FAILING) | Q(last_received_at__lt=now - UNHEARD_AFTER)
    waiting = Notification.objects.using(database()).filter(stuck, status=NotificationStatus.WAITING)
    for row in waiting.defer("body").order_by("pk")[:MOST]:
        about = {"message": row, "channel": row.channel, "count": row.attempts}
        text = _("%(message)s of %(channel)s was tried %(count)d times") % about
        yield Trouble("message", f"message {row.pk}", text, _page("notification", row.pk))


def _accounts() -> Iterator[Trouble]:
    ignorant = know_nothing()
    for account, alias in known_accounts().items():
        if alias and account in ignorant:
            about = {"account": account, "when": _when(ignorant[account])}
            text = _("%(account)s: the provider has not known any of our codes since %(when)s") % about
            yield Trouble("ignorant", account, text, _home())
        if alias:
            continue
        if count := open_codes(account).order_by()[:MOST].count():
            text = _("%(account)s: nobody can ask about its open codes (%(count)d)") % {
                "account": account,
                "count": count,
            }
            yield Trouble("account", account, text, _home())


def others() -> Iterator[Trouble]:
    """Yield the daily mail's further content: counts of discrepancies that are not urgent, and of open refunds."""
    alias = database()
    asked = Discrepancy.objects.using(alias).open().exclude(kind__in=URGENT)
    for row in asked.values("kind").annotate(count=Count("pk"), first=Min("created_at")).order_by("first"):
        about = {"discrepancy": Kind(row["kind"]).label, "count": row["count"], "when": _when(row["first"])}
        text = _("%(discrepancy)s: %(count)d, the oldest since %(when)s") % about
        yield Trouble(
            "discrepancy", row["kind"], text, _list("discrepancy", kind__exact=row["kind"], status__exact="open")
        )
    for name, refunds in open_refunds().items():
        step = refunds.aggregate(count=Count("pk"), first=Min("requested_at"))
        if step["count"]:
            about = {"discrepancy": _STEPS[name], "count": step["count"], "when": _when(step["first"])}
            text = _("%(discrepancy)s: %(count)d, the oldest since %(when)s") % about
            yield Trouble("refund", name, text, _list("refund", **REFUND_LISTS[name]))


#: Each step of an open refund in words.
_STEPS = {
    "refund_requested": RefundStatus.REQUESTED.label,
    "refund_account": gettext_lazy("approved, without the payer's account"),
    "refund_approved": gettext_lazy("approved, to send"),
    "refund_sent": gettext_lazy("sent, not confirmed"),
}


def _when(moment: datetime) -> str:
    return localize(localtime(moment))


def _home() -> str:
    return admin_address("admin:app_list", "pagoefectivo")


def _page(model: str, key: int) -> str:
    return admin_address(f"admin:pagoefectivo_{model}_change", key)


def _list(model: str, **wanted: str) -> str:
    path = admin_address(f"admin:pagoefectivo_{model}_changelist")
    return f"{path}?{urlencode(wanted)}" if path else ""


def admin_address(name: str, *arguments: Any) -> str:
    """Return the full address of an admin page; only its path without a known host, empty without an admin."""
    try:
        path = reverse(name, args=arguments)
    except NoReverseMatch:
        return ""
    site = str(conf.public_url)
    if not site and apps.is_installed("django.contrib.sites"):
        site = f"https://{get_current_site(None).domain}"
    return site.rstrip("/") + path
