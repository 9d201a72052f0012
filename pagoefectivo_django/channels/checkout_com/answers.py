"""Checkout.com's pages and payments, read from answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from typing import Any

from ...states import Fact
from .. import failures
from ..base import Report
from ..reading import read_address, read_cents, read_currency, read_mapping, read_moment
from ..reading import read_text as text
from .rows import PAGES, PAYMENTS


def page_of(said: Mapping[str, Any], account: str) -> Report:
    """Return the report of a page; raises ``OutcomeUnknown`` for a page without an id or a status."""
    report = _report(said, PAGES, account)
    return replace(report, provider_id=text(said.get("id"), 64), url=link_of(said))


def payment_of(said: Mapping[str, Any], account: str) -> Report:
    """Return the report of a payment, whose id is the operation's number; raises ``OutcomeUnknown`` as ``page_of``.

    Without a time of its own a payment is of the moment when we first heard of it.
    """
    return replace(
        _report(said, PAYMENTS, account),
        operation_number=text(said.get("id"), 64),
        payment_id=text(said.get("id"), 64),
        paid_at=read_moment(said.get("processed_on"), UTC) or read_moment(said.get("requested_on"), UTC),
        returned=_returned(read_mapping(said.get("balances")).get("total_refunded")),
    )


def link_of(said: Mapping[str, Any]) -> str:
    """Return the address of a page, to which the payer is sent; empty where none of use is named."""
    return read_address(read_mapping(read_mapping(said.get("_links")).get("redirect")).get("href"))


def _report(said: Mapping[str, Any], words: Mapping[str, Fact], account: str) -> Report:
    word = text(said.get("status"), 40)
    captured = read_cents(read_mapping(said.get("balances")).get("total_captured"))
    report = Report(
        account,
        words.get(word, Fact.UNKNOWN),
        transaction_code=text(said.get("reference"), 64),
        amount=captured or read_cents(said.get("amount")),
        currency=read_currency(said.get("currency")),
        detail="" if word in words else word,
    )
    told = report.amount and report.currency
    if not (text(said.get("id"), 64) and word) or (report.fact == Fact.PAYMENT and not told):
        raise failures.unreadable("Checkout.com")
    return report


def _returned(value: Any) -> Decimal | None:
    """Return the sum that went back, zero included; None where none is named."""
    return Decimal(0) if text(value) == "0" else read_cents(value)
