"""The channel to Culqi's Orders: one method for each call of the protocol (aggregators 5.1, additions B.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from django.core.checks import Error, Warning

from ...errors import Malformed, OutcomeUnknown, Refused, Unavailable
from ...errors import gettext_noop as _
from ...states import Fact
from ...strict_json import load
from .. import failures
from ..base import Charge, CodeRef, Examination, Hint, Incoming, Proof, Report
from ..http import Answer
from ..options import Fault
from ..reading import (
    cents,
    clean,
    read_address,
    read_cents,
    read_code,
    read_currency,
    read_mapping,
    read_seconds,
    read_text,
)
from ..rest import RestChannel
from . import notices
from .rows import ERRORS, FACTS, TAKEN

#: Orders on a page of Culqi's list.
PER_PAGE = 100
#: The environment that each beginning of a key belongs to.
KEYS = {"sk_test_": "sandbox", "sk_live_": "production"}
WRONG_KEY: Fault = (
    *(Error, "pagoefectivo.E007", "begins neither with sk_test_ nor with sk_live_, or is not of ENVIRONMENT"),
    "Use the secret key of the environment, from Culqi's panel.",
)
NOT_HEARD: Fault = (
    *(Warning, "pagoefectivo.W012", "is empty, so every notification is refused and payments are found by polling"),
    "Set a user and a password for the webhook in Culqi's panel, and the same here.",
)
NO_USER: Fault = (Error, "pagoefectivo.E003", "has a colon, where HTTP Basic ends the user", "Use another user.")


class CulqiChannel(RestChannel):
    """A merchant's account at Culqi, whose orders are PagoEfectivo codes.

    OPTIONS: ``SECRET_KEY`` (needed; the key decides the environment), ``WEBHOOK_USER`` and ``WEBHOOK_PASSWORD``
    (without, every notification is refused); ``ENVIRONMENT`` or ``BASE_URL`` (``/v2`` is a part of the address);
    ``TIMEOUT`` (8 s); ``ACCOUNT``, a name for the account in our records (``main``).

    Assumptions, where Culqi's documents are silent: an order takes 6.00 to 9,999.00 soles and a date of 10 minutes to
    182 days ahead (a draft of Culqi's staff); an error about ``order_number`` may mean that the number was used before;
    404 in Culqi's form means that Culqi has no such order; the list of orders goes on at ``paging.cursors.after``, as
    in public integrations, and is whole where ``remaining_items`` is 0, beside it or in ``paging``. The list is not
    filtered by date: the unit of that filter is not known, and a wrong unit would hide a code. A PagoEfectivo order
    can't be refunded by the API.
    """

    provider, title = "culqi", "Culqi"
    hosts: ClassVar = dict.fromkeys(("sandbox", "production"), "https://api.culqi.com/v2/")
    needed = ("SECRET_KEY",)
    option_names = (
        *("ENVIRONMENT", "BASE_URL", "TIMEOUT", "ACCOUNT", "SECRET_KEY", "WEBHOOK_USER", "WEBHOOK_PASSWORD"),
    )
    errors: ClassVar = ERRORS
    can_look_up = can_find = can_delete = can_extend = True
    currencies = frozenset(("PEN",))
    amounts: ClassVar = {"PEN": (Decimal("6.00"), Decimal("9999.00"))}
    expires_within = (timedelta(minutes=10), timedelta(days=182))
    log_fields = frozenset(
        (
            *("amount", "available_on", "code", "confirm", "creation_date", "currency_code", "expiration_date", "id"),
            *("net_amount", "object", "order_number", "paid_at", "param", "payment_code", "remaining_items", "state"),
            *("total_fee", "type", "updated_at"),
        )
    )

    @classmethod
    def environment_of(cls, options: Mapping[str, Any]) -> str:
        """Return the environment that the key belongs to: one address serves both."""
        of_key = KEYS.get(str(options.get("SECRET_KEY") or "")[:8])
        return of_key or super().environment_of(options)

    @property
    def batch_size(self) -> int:
        return min(super().batch_size, self.most_calls)

    def headers(self, method: str, path: str, content: bytes) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key('SECRET_KEY')}"}

    def error_code(self, said: Mapping[str, Any]) -> str:
        """Return the type of an error in Culqi's form, or its code; the word "error" for an error with neither."""
        if said.get("object") != "error":
            return ""
        return read_text(said.get("type"), 40) or read_text(said.get("code"), 40) or "error"

    def issue(self, charge: Charge) -> Report:
        answer = self.send("POST", "orders", _order(charge))
        report = self._report(self._made(answer))
        echo = (report.fact, report.transaction_code, report.amount, report.currency)
        if not report.code or echo != (Fact.ISSUED, charge.transaction_code, charge.amount, charge.currency):
            raise failures.not_as_requested(self.title, report.provider_id)
        return report

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        """Return Culqi's reports on orders, one call for each; an error in one is an error in all."""
        found: dict[CodeRef, Report] = {}
        for ref in (each for each in refs if each.provider_id):
            answer = self.send("GET", _path(ref))
            try:
                report = self._report(self.believed(answer))
            except Refused:
                if answer.status != 404:
                    raise
                continue
            if report.provider_id != ref.provider_id:
                raise failures.about_another(self.title)
            found[ref] = report
        return found

    def find(self, transaction_code: str) -> Report | None:
        """Return the order with our number from the list of all orders, None if the list was read to its end.

        At most ``most_calls`` pages are read; a longer list raises ``OutcomeUnknown``.
        """
        cursor = ""
        for _page in range(self.most_calls):
            said = self.ask("GET", f"orders?limit={PER_PAGE}" + (f"&after={quote(cursor, safe='')}" if cursor else ""))
            rows, paging = said.get("data"), read_mapping(said.get("paging"))
            if not isinstance(rows, list):
                raise failures.unreadable(self.title)
            for row in map(read_mapping, rows):
                if read_text(row.get("order_number")) == transaction_code:
                    return self._report(row)
            # Where the number stands is not said: beside the list or in ``paging``.
            left = paging.get("remaining_items", said.get("remaining_items"))
            if read_text(left) == "0":
                return None
            last, cursor = cursor, read_text(read_mapping(paging.get("cursors")).get("after"), 64)
            if cursor in ("", last):
                break
        raise failures.not_whole(self.title)

    def extend(self, ref: CodeRef, until: datetime) -> None:
        asked = {"expiration_date": int(until.timestamp())}
        self._same(ref, self.ask("PATCH", _path(ref), asked, repeatable=True))

    def delete(self, ref: CodeRef) -> None:
        # Not repeatable: a second call would be refused, and that no would hide that the first one worked.
        said = self.ask("DELETE", _path(ref))
        self._same(ref, said)
        if self._report(said).fact != Fact.CODE_DELETED:
            raise failures.not_deleted(self.title)

    def verify(self, incoming: Incoming) -> Proof:
        return notices.verify(incoming, notices.password(self.options))

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        return [notices.read(incoming, self.account)]

    def signed(self, body: bytes) -> dict[str, str]:
        return {"Authorization": notices.basic(notices.password(self.options))}

    def examine(self) -> Examination:
        try:
            self.ask("GET", "orders?limit=1")
        except OutcomeUnknown as error:
            raise error.recast(Unavailable) from None
        return Examination(urlsplit(self.base_url).netloc, None)

    @classmethod
    def secrets(cls, options: Mapping[str, Any]) -> list[bytes]:
        """Return the user and password of the webhook as one secret; none if one is missing."""
        found = notices.password(options)
        return [found] if found else []

    @classmethod
    def faults(cls, options: Mapping[str, Any]) -> list[tuple[str, Fault]]:
        key, environment = str(options.get("SECRET_KEY") or ""), str(options.get("ENVIRONMENT") or "")
        of_key = KEYS.get(key[:8])
        contradicts = environment in cls.hosts and environment != of_key
        wrong = [("SECRET_KEY", WRONG_KEY)] if key and (not of_key or contradicts) else []
        wrong += [(name, NOT_HEARD) for name in ("WEBHOOK_USER", "WEBHOOK_PASSWORD") if not options.get(name)]
        wrong += [("WEBHOOK_USER", NO_USER)] if ":" in str(options.get("WEBHOOK_USER") or "") else []
        # The key decides the environment, so no ENVIRONMENT is needed.
        unneeded = "ENVIRONMENT" if of_key and not environment else ""
        return wrong + [(name, fault) for name, fault in super().faults(options) if name != unneeded]

    def _made(self, answer: Answer) -> dict[str, Any]:
        """Return the order that an answer to a request shows; an error about our number leaves the outcome unknown."""
        try:
            return self.believed(answer)
        except Refused as error:
            if _parameter(answer) == TAKEN:
                raise OutcomeUnknown(
                    _("An earlier request with the number may have made a code. %(said)s"),
                    code="number_sent_before",
                    said=error,
                ) from None
            raise

    def _same(self, ref: CodeRef, said: Mapping[str, Any]) -> None:
        """Raise ``OutcomeUnknown`` unless an answer to a change is about the order that was to be changed."""
        if self._report(said).provider_id != ref.provider_id:
            raise failures.about_another(self.title)

    def _report(self, said: Mapping[str, Any]) -> Report:
        """Return an order as a report; raises ``OutcomeUnknown`` for an order without an id."""
        name, state = read_text(said.get("id"), 64), read_text(said.get("state"))
        if not name:
            raise failures.unreadable(self.title)
        fact = FACTS.get(state, Fact.UNKNOWN)
        return Report(
            account=self.account,
            fact=fact,
            code=read_code(said.get("payment_code")),
            transaction_code=read_text(said.get("order_number"), 36),
            amount=read_cents(said.get("amount")),
            currency=read_currency(said.get("currency_code")),
            paid_at=read_seconds(said.get("paid_at")) if fact == Fact.PAYMENT else None,
            expires_at=read_seconds(said.get("expiration_date")),
            provider_id=name,
            url=read_address(said.get("url_pe")),
            detail="" if state in FACTS else clean(state, 40),
        )


def _order(charge: Charge) -> dict[str, Any]:
    """Return the fields of a new order; what is not known of the payer is left out."""
    payer = charge.payer
    client = {
        "first_name": clean(payer.name, 50),
        "last_name": clean(payer.last_name, 50),
        "email": payer.email,
        "phone_number": re.sub("[^0-9]", "", payer.phone)[:15],
    }
    concept = clean(charge.concept, 80)
    return {
        "amount": cents(charge.amount),
        "currency_code": charge.currency,
        # Culqi takes 5 to 80 letters.
        "description": concept if len(concept) >= 5 else f"Pedido {charge.transaction_code}",
        "order_number": charge.transaction_code,
        "client_details": {name: value for name, value in client.items() if value},
        "expiration_date": int(charge.expires_at.timestamp()),
        "confirm": True,
    }


def _path(ref: CodeRef) -> str:
    return f"orders/{quote(ref.provider_id, safe='')}"


def _parameter(answer: Answer) -> str:
    """Return the parameter that an error names."""
    try:
        return read_text(load(answer.body).get("param"), 40)
    except Malformed:
        return ""
