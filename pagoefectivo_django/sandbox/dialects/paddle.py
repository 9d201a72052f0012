"""Paddle's dialect: transactions with a checkout's link, adjustments that wait for approval, and messages.

Written from the public documents that the protocol file names (aggregators.md 4.1, additions B.5).
"""

import hashlib
import hmac
import re
import time
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import parse_qs

from ..wire import Answer, Json, Request, json_answer, write_json
from .base import (
    CANCELLED,
    DONE,
    FAILED,
    PAID,
    TAKEN_BACK,
    UNDER_WAY,
    Charge,
    Dialect,
    Message,
    Refund,
    fields,
    header,
)
from .base import now as present

STATUSES = {PAID: "completed", TAKEN_BACK: "completed", CANCELLED: "canceled"}
EVENTS = {PAID: "transaction.completed", CANCELLED: "transaction.canceled", FAILED: "transaction.payment_failed"}
REFUNDS = {UNDER_WAY: "pending_approval", DONE: "approved"}
CURRENCIES = ("PEN", "USD")


class PaddleDialect(Dialect):
    """Paddle; a transaction has no date."""

    name = "paddle"
    accounts: ClassVar = {
        each: {
            "API_KEY": f"pdl_sdbx_made-up-key-{each}",
            "WEBHOOK_SECRETS": [f"pdl_ntfset_made-up-secret-{each}"],
            "ACCOUNT": each,
        }
        for each in ("shop", "other")
    }

    def call(self, request: Request) -> Answer:
        keys = {f"Bearer {keys['API_KEY']}": name for name, keys in self.accounts.items()}
        account = keys.get(header(request, "Authorization"))
        if account is None:
            return _no(401, "authentication_malformed")
        match (request.method, *request.path.strip("/").split("/")):
            case ("POST", "transactions"):
                return self._made(account, fields(request))
            case ("GET", "transactions"):
                return self._listed(account, request)
            case ("GET", "transactions", name) if charge := self.own(account, name):
                return _yes(200, self._shown(charge, more=_asked_for(request, "include")))
            case ("POST", "adjustments"):
                return self._adjusted(account, fields(request))
            case ("GET", "adjustments"):
                return self._adjustments(account, _asked_for(request, "id"))
        return _no(404, "not_found")

    def refusal(self, status: int) -> Answer:
        codes = {401: "authentication_malformed", 403: "forbidden", 429: "too_many_requests"}
        return _no(status, codes.get(status, "internal_error" if status >= 500 else "bad_request"))

    def message(self, charge: Charge, account: str, *, amount: Decimal, currency: str, forged: bool) -> Message:
        moment = present()
        event, data = EVENTS.get(charge.state, "transaction.updated"), self._shown(charge)
        if charge.state == TAKEN_BACK or (charge.state == PAID and charge.given_back):
            event, data = "adjustment.updated", _adjustments_of(charge)[-1]
        else:
            data["currency_code"], data["details"]["totals"]["total"] = currency, _cents(amount)
        body = write_json(
            {
                "event_id": f"evt_{self.number():0>26}",
                "event_type": event,
                "occurred_at": moment.isoformat(),
                "notification_id": f"ntf_{self.number():0>26}",
                "data": data,
            }
        ).encode()
        secret = "forged" if forged else self.accounts[account]["WEBHOOK_SECRETS"][0]
        ts = str(int(time.time()))
        signed = hmac.new(secret.encode(), f"{ts}:".encode() + body, hashlib.sha256).hexdigest()
        return Message(body, {"Paddle-Signature": f"ts={ts};h1={signed}"})

    # Transactions.

    def _made(self, account: str, asked: Json) -> Answer:
        try:
            (item,) = asked["items"]
            price, reference = item["price"], asked["custom_data"]["transaction_code"]
            digits, currency = price["unit_price"]["amount"], price["unit_price"]["currency_code"]
            right = (
                item["quantity"] == 1
                and re.fullmatch("[1-9][0-9]*", digits)
                and currency == asked["currency_code"]
                and currency in CURRENCIES
                and price["description"]
                and price["tax_mode"] in ("internal", "external", "account_setting")
                and price["product"]["name"]
                and price["product"]["tax_category"]
                and asked["collection_mode"] == "automatic"
            )
        except (KeyError, TypeError, ValueError):
            right = None
        if not right:
            return _no(400, "bad_request")
        name = f"txn_{self.number():0>26}"
        charge = Charge(name, account, reference, Decimal(digits).scaleb(-2), currency, present(), None)
        return _yes(201, self._shown(self.add(charge)))

    def _listed(self, account: str, request: Request) -> Answer:
        names = _asked_for(request, "id")
        if any(not re.fullmatch("txn_[a-z0-9]{26}", name) for name in names):
            return _no(400, "bad_request")
        found = [charge for name in names if (charge := self.own(account, name))]
        shown = [self._shown(each, more=_asked_for(request, "include")) for each in found]
        return _yes(200, shown[:30], has_more=len(shown) > 30)

    def _shown(self, charge: Charge, more: tuple[str, ...] = ()) -> Json:
        changed_at = charge.changed_at or charge.created_at
        captured_at = charge.paid_at.isoformat() if charge.paid_at else None
        totals = {"subtotal": _cents(charge.amount), "tax": "0", "total": _cents(charge.amount)}
        shown: Json = {
            "id": charge.id,
            "status": STATUSES.get(charge.state, "draft"),
            "customer_id": None,
            "custom_data": {"transaction_code": charge.reference},
            "currency_code": charge.currency,
            "collection_mode": "automatic",
            "details": {
                "totals": totals | {"currency_code": charge.currency},
                "line_items": [{"id": _item(charge), "quantity": 1, "totals": totals}],
            },
            "payments": [{"status": "captured", "amount": _cents(charge.amount), "captured_at": captured_at}]
            if captured_at
            else [],
            "checkout": {"url": f"https://pay.shop.example/checkout?_ptxn={charge.id}"},
            "created_at": charge.created_at.isoformat(),
            "updated_at": changed_at.isoformat(),
        }
        adjustments = _adjustments_of(charge)
        return shown | ({"adjustments": adjustments} if "adjustments" in more and adjustments else {})

    # Adjustments.

    def _adjusted(self, account: str, asked: Json) -> Answer:
        charge = self.own(account, str(asked.get("transaction_id")))
        if charge is None:
            return _no(404, "not_found")
        if asked.get("action") != "refund" or not asked.get("reason") or charge.state != PAID:
            return _no(400, "bad_request")
        if any(each.state == UNDER_WAY for each in charge.refunds):
            return _no(400, "adjustment_pending_refund_request")
        amount = _amount(charge, asked)
        if amount is None or amount > charge.refundable:
            return _no(400, "adjustment_amount_above_remaining_allowed")
        refund = self.give_back(charge, Refund(f"adj_{self.number():0>26}", amount))
        return _yes(201, _adjustment(charge, refund))

    def _adjustments(self, account: str, names: tuple[str, ...]) -> Answer:
        mine = [each for each in self.charges.values() if each.account == account]
        found = [(charge, refund) for charge in mine for refund in charge.refunds if refund.id in names]
        return _yes(200, [_adjustment(charge, refund) for charge, refund in found])


def _amount(charge: Charge, asked: Json) -> Decimal | None:
    """Return the sum that a refund is over; None for a request that is not as the documents say."""
    if asked.get("type") == "full":
        return charge.amount if "items" not in asked else None
    try:
        (item,) = asked["items"]
        right = asked["type"] == item["type"] == "partial" and item["item_id"] == _item(charge)
        return Decimal(item["amount"]).scaleb(-2) if right and re.fullmatch("[1-9][0-9]*", item["amount"]) else None
    except (KeyError, TypeError, ValueError):
        return None


def _adjustments_of(charge: Charge) -> list[Json]:
    found = [_adjustment(charge, each) for each in charge.refunds]
    if charge.state == TAKEN_BACK:
        back = _adjustment(charge, Refund(f"adj_{charge.id[4:]}", charge.amount, state=DONE))
        found.append(back | {"action": "chargeback"})
    return found


def _adjustment(charge: Charge, refund: Refund) -> Json:
    return {
        "id": refund.id,
        "action": "refund",
        "transaction_id": charge.id,
        "status": REFUNDS.get(refund.state, "rejected"),
        "currency_code": charge.currency,
        "totals": {"total": _cents(refund.amount), "currency_code": charge.currency},
    }


def _item(charge: Charge) -> str:
    return charge.id.replace("txn_", "txnitm_")


def _cents(amount: Decimal) -> str:
    return str(int(amount * 100))


def _asked_for(request: Request, name: str) -> tuple[str, ...]:
    return tuple(filter(None, ",".join(parse_qs(request.query).get(name, [])).split(",")))


def _yes(status: int, data: Any, *, has_more: bool = False) -> Answer:
    meta: Json = {"request_id": "made-up"}
    if isinstance(data, list):
        meta["pagination"] = {"per_page": 30, "has_more": has_more, "estimated_total": len(data)}
    return json_answer(status, {"data": data, "meta": meta})


def _no(status: int, code: str) -> Answer:
    error = {"type": "api_error" if status >= 500 else "request_error", "code": code, "detail": "made up"}
    return json_answer(status, {"error": error, "meta": {"request_id": "made-up"}})
