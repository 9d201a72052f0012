"""The history of an order as tables: events, codes, payments, refunds, discrepancies, messages, calls, deliveries."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from ..documents.tables import Amount, Badge, Link, Table
from ..flows.reports.evidence import messages_about
from ..models import ApiCall, Cip, Delivery, Discrepancy, Match, Order, OrderEvent, Payment, Refund
from ..states import OrderState
from ..wording.data import in_words
from ..wording.events import fact_label, kind_label
from ..wording.evidence import closing_words
from ..wording.reading import RULES
from .base import RecordAdmin
from .outbox import heard
from .tables import OF_REFUNDS, Column, amount_of, table, where_present, who

#: The most events, calls or deliveries on a page: a code that is polled for months has many calls.
MOST_SHOWN = 200


def order_tables(admin: RecordAdmin, row: Order) -> list[Table]:
    """Return the tables of an order's page; the number of database queries does not depend on the length of the
    history.
    """
    error = (_("last error"), admin.error_text)
    told = (_("fact"), lambda row: fact_label(row.fact))
    cips = row.cips.order_by("pk")
    of_event = (
        "created_at",
        (_("what"), event_label),
        told,
        (_("state"), change_label),
        (_("who"), actor_label),
        "cip",
        (_("what happened"), event_words),
        "reason",
    )
    code: Column = (_("code"), code_label)
    names = (*where_present(cips, "provider_id"), *where_present(cips, "other_code"))
    of_cip = (code, *names, "status", "account", "transaction_code", "expires_at")
    of_message = ((_("notification"), admin.link), "received_at", told, "status", "times_received", "attempts", error)
    outcome = (_("outcome"), lambda call: Badge("failed" if call.failed else "done", call.status or call.error))
    of_call = ((_("call"), lambda call: admin.link(call, f"{call.method} {call.path}")), "began_at", outcome)
    of_delivery = ((_("delivery"), admin.link), (_("delivered"), heard), "attempts", "retry_at", error)
    discrepancy = (_("discrepancy"), admin.link)
    resolver: Column = (_("resolved by"), who("resolved_by"))
    closing: Column = (_("reason"), _closing)
    of_discrepancy = (discrepancy, "status", "resolution", resolver, closing, "created_at", "resolved_at")
    asked_by: Column = (_("requested by"), who("requested_by"))
    refunds = row.refunds.select_related("order").order_by("pk")
    of_refund = ((_("refund"), admin.link), "status", "requested_at", asked_by, "reason", (_("outcome"), outcome_of))
    messages = messages_about(cips).defer("body").order_by("received_at", "pk")
    calls = ApiCall.objects.filter(subjects__order=row).defer("request", "answer")
    deliveries = Delivery.objects.filter(event__order=row).select_related("event").order_by("event__number", "pk")
    return [
        table(_("timeline"), row.events.select_related("cip").order_by("-number")[:MOST_SHOWN], (*of_event, "trace")),
        table(_("codes"), cips, (*of_cip, "asked_at", "changed_at", error)),
        _payments(row),
        table(_("refunds"), refunds, (*of_refund, *where_present(refunds, "provider_id"))),
        _settled(admin, row),
        table(_("discrepancies"), row.discrepancies.select_related("order").order_by("pk"), of_discrepancy),
        table(_("notifications"), messages, of_message),
        table(_("calls to the provider"), calls.order_by("-pk")[:MOST_SHOWN], (*of_call, "milliseconds", "trace")),
        table(_("deliveries"), deliveries[:MOST_SHOWN], of_delivery),
    ]


def event_label(event: OrderEvent) -> Any:
    """Return an event's label in the reader's language, or an unknown kind's name."""
    return kind_label(event.kind)


def event_words(event: OrderEvent) -> str:
    """Return the data of an event in words."""
    return in_words(event.data)


def actor_label(event: OrderEvent) -> str:
    """Return who caused an event, in the reader's language."""
    return event.actor.label


def outcome_of(refund: Refund) -> str:
    """Return what the provider or a program says of a refund's outcome, in words, and the final word of staff."""
    return " ".join(filter(None, [in_words(refund.data), refund.outcome]))


def _closing(discrepancy: Discrepancy) -> str:
    return closing_words(discrepancy.closed_because, discrepancy.reason)


def code_label(cip: Cip) -> Link | str:
    """Return a code's digits, or a link to the payment page of a code without digits."""
    if cip.is_link and cip.url.startswith(("https://", "http://")):
        return Link(_("payment page"), cip.url)
    return cip.code or ""


def _payments(row: Order) -> Table:
    payments = Payment.objects.filter(cip__order=row).select_related("cip").prefetch_related("refunds").order_by("pk")
    names = ("operation_number", *where_present(payments, "provider_id"))
    columns = ("cip", *names, (_("amount"), amount_of), "paid_at", "first_heard_at", "status", *OF_REFUNDS)
    return table(_("payments"), payments, columns)


def _settled(admin: RecordAdmin, row: Order) -> Table:
    settled = Match.objects.filter(payment__cip__order=row, stands=True).select_related("line__settlement")
    in_line = (_("settlement line"), lambda match: admin.link(match.line))
    fee_of = (_("fee and IGV"), lambda match: Amount(match.line.fee + match.line.tax, match.line.currency))
    net_of = (_("net"), lambda match: Amount(match.line.net, match.line.currency))
    known_by: Column = (_("known by"), lambda match: RULES.get(match.rule, match.rule))
    columns = (in_line, "kind", "amount", fee_of, net_of, known_by, (_("who"), who("author")), "created_at")
    return table(_("settlement"), settled, columns)


def change_label(event: OrderEvent) -> Badge | SafeString | None:
    """Return the state of an order after an event, and the state before where that was another."""
    before, after = map(_state, (event.state_before, event.state_after))
    return after if before in (None, after) else format_html("{} → {}", before, after)


def _state(state: str) -> Badge | None:
    return Badge(state, OrderState(state).label if state in OrderState.values else state) if state else None
