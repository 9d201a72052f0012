"""Checkout.com's dialect: hosted payment pages, their payments, refunds that end later, and messages.

Written from the public documents that the protocol file names (aggregators.md 4.2, additions B.5).
"""

import hashlib
import hmac
import re
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import parse_qs

from ..wire import Answer, Json, Request, json_answer, write_json
from .base import (
    CANCELLED,
    DONE,
    EXPIRED,
    FAILED,
    IN_PROCESS,
    NOT_DONE,
    OPEN,
    PAID,
    TAKEN_BACK,
    UNDER_WAY,
    Charge,
    Dialect,
    Message,
    No,
    Refund,
    fields,
    header,
    now,
)

#: The word of a payment for each state in which a page has one.
WORDS = {
    IN_PROCESS: "Authorized",
    PAID: "Captured",
    FAILED: "Declined",
    CANCELLED: "Canceled",
    TAKEN_BACK: "Refunded",
}
EVENTS = {
    OPEN: "payment_pending",
    IN_PROCESS: "payment_approved",
    PAID: "payment_captured",
    FAILED: "payment_declined",
    CANCELLED: "payment_canceled",
    TAKEN_BACK: "payment_refunded",
    EXPIRED: "payment_expired",
}
TEXTS = ("currency", "reference", "success_url", "cancel_url", "failure_url", "processing_channel_id")


class CheckoutComDialect(Dialect):
    """Checkout.com; a page has no date."""

    name = "checkout_com"
    accounts: ClassVar = {
        each: {
            "SECRET_KEY": f"sk_sbox_made-up-key-{each}",
            "PROCESSING_CHANNEL_ID": f"pc_madeup{each:0>20}",
            "WEBHOOK_SECRETS": [f"made-up-webhook-secret-{each}"],
        }
        for each in ("shop", "other")
    }

    def call(self, request: Request) -> Answer:
        keys = {f"Bearer {keys['SECRET_KEY']}": name for name, keys in self.accounts.items()}
        account = keys.get(header(request, "Authorization"))
        if account is None:
            return self.refusal(401)
        match (request.method, *request.path.strip("/").split("/")):
            case ("POST", "hosted-payments"):
                return self._made(account, request)
            case ("GET", "hosted-payments", name) if charge := self.own(account, name):
                return json_answer(200, self._page(charge))
            case ("GET", "payments"):
                return self._list(account, request)
            case ("GET", "payments", name) if charge := self._paid(account, name):
                return json_answer(200, self._payment(charge))
            case ("GET", "payments", name, "actions") if charge := self._paid(account, name):
                return Answer(200, write_json(_actions(charge)).encode())
            case ("POST", "payments", name, "refunds") if charge := self._paid(account, name):
                return self._refunded(charge, request)
        return self.refusal(404)

    def refusal(self, status: int) -> Answer:
        kinds = {401: "unauthorized", 404: "resource_not_found", 422: "request_invalid", 429: "too_many_requests"}
        return _no(status, kinds.get(status, "processing_error"))

    def tell(self, charge: Charge) -> None:
        """Send a message; none is known about the end of a page."""
        if charge.state != EXPIRED:
            super().tell(charge)

    def message(self, charge: Charge, account: str, *, amount: Decimal, currency: str, forged: bool) -> Message:
        event = "payment_refunded" if charge.state == PAID and charge.given_back else EVENTS[charge.state]
        done = [each for each in charge.refunds if each.state == DONE]
        data = self._payment(charge) | {
            "action_id": done[-1].id if done else f"act_{charge.id}",
            "amount": _cents(done[-1].amount if event == "payment_refunded" and done else amount),
            "currency": currency,
            "processing_channel_id": self.accounts[account]["PROCESSING_CHANNEL_ID"],
        }
        event_id = f"evt_{self.number()}"
        body = write_json(
            {"id": event_id, "type": event, "version": "1.0.29", "created_on": _moment(now()), "data": data}
        ).encode()
        secret = "forged" if forged else self.accounts[account]["WEBHOOK_SECRETS"][0]
        return Message(body, {"Cko-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()})

    # Pages.

    def _made(self, account: str, request: Request) -> Answer:
        asked, key = fields(request), header(request, "Cko-Idempotency-Key")
        for charge in self.charges.values():
            if key and (charge.account, charge.more["key"]) == (account, key):
                return json_answer(201, self._made_page(charge))
        if codes := _faults(asked, self.accounts[account]["PROCESSING_CHANNEL_ID"]):
            return _no(422, "request_invalid", *codes)
        number = self.number()
        amount = Decimal(asked["amount"]).scaleb(-2)
        charge = Charge(f"hpp_{number}", account, asked["reference"], amount, asked["currency"], now(), None)
        charge.more = {"key": key, "metadata": asked.get("metadata", {})}
        return json_answer(201, self._made_page(self.add(charge)))

    def _made_page(self, charge: Charge) -> Json:
        links = {
            "self": {"href": f"{self.site}/hosted-payments/{charge.id}"},
            "redirect": {"href": f"https://pay.sandbox.checkout.example/page/{charge.id}"},
        }
        return {"id": charge.id, "reference": charge.reference, "_links": links}

    def _page(self, charge: Charge) -> Json:
        received = charge.state in (IN_PROCESS, PAID, TAKEN_BACK)
        status = "Expired" if charge.state == EXPIRED else "Payment Received" if received else "Payment Pending"
        shown = self._made_page(charge) | {
            "status": status,
            "amount": _cents(charge.amount),
            "currency": charge.currency,
            "metadata": charge.more["metadata"],
        }
        return shown | ({"payment_id": _payment_id(charge)} if charge.state in WORDS else {})

    # Payments.

    def _paid(self, account: str, name: str) -> Charge | None:
        charge = self.own(account, name.removeprefix("pay_"))
        return charge if charge and charge.state in WORDS and name == _payment_id(charge) else None

    def _payment(self, charge: Charge) -> Json:
        back = charge.amount if charge.state == TAKEN_BACK else charge.given_back
        status = WORDS.get(charge.state, "Pending")
        if charge.state == PAID and back:
            status = "Refunded" if back == charge.amount else "Partially Refunded"
        captured = charge.amount if charge.state in (PAID, TAKEN_BACK) else Decimal(0)
        at = charge.paid_at or charge.changed_at or charge.created_at
        return {
            "id": _payment_id(charge),
            "requested_on": _moment(charge.created_at),
            "processed_on": _moment(at),
            "status": status,
            "amount": _cents(charge.amount),
            "currency": charge.currency,
            "reference": charge.reference,
            "balances": {"total_captured": _cents(captured), "total_refunded": _cents(back)},
            "metadata": charge.more["metadata"],
            "processing_channel_id": self.accounts[charge.account]["PROCESSING_CHANNEL_ID"],
        }

    def _list(self, account: str, request: Request) -> Answer:
        query = parse_qs(request.query)
        reference = query.get("reference", [""])[0]
        if not reference:
            return _no(422, "request_invalid", "reference_required")
        found = [each for each in self.by_reference(account, reference) if each.state in WORDS]
        data = [self._payment(each) for each in reversed(found)]
        return json_answer(200, {"limit": 100, "skip": 0, "total_count": len(data), "data": data})

    def _refunded(self, charge: Charge, request: Request) -> Answer:
        asked = fields(request)
        amount = asked.get("amount")
        if charge.state != PAID:
            raise No(_no(403, "action_not_allowed"))
        if type(amount) is not int or not 0 < Decimal(amount).scaleb(-2) <= charge.refundable:
            return _no(422, "request_invalid", "refund_amount_exceeds_balance")
        refund = Refund(f"act_{self.number()}", Decimal(amount).scaleb(-2), header(request, "Cko-Idempotency-Key"))
        self.give_back(charge, refund)
        links = {"payment": {"href": f"{self.site}/payments/{_payment_id(charge)}"}}
        return json_answer(202, {"action_id": refund.id, "reference": asked.get("reference"), "_links": links})


def _faults(asked: Json, processing_channel: str) -> list[str]:
    """Return the error codes of a request for a page."""
    codes = [f"{name}_required" for name in TEXTS if not isinstance(asked.get(name), str) or not asked[name]]
    if type(asked.get("amount")) is not int or asked["amount"] <= 0:
        codes.append("amount_invalid")
    if not codes and asked["processing_channel_id"] != processing_channel:
        codes.append("processing_channel_id_invalid")
    address = asked.get("billing", {}).get("address", {})
    if not re.fullmatch("[A-Z]{2}", str(address.get("country"))):
        codes.append("billing_address_country_required")
    return codes


def _actions(charge: Charge) -> list[Json]:
    """Return what was done to a payment, the latest first; a refund under way is not there yet."""
    at = _moment(charge.created_at)
    first = [{"id": f"act_{charge.id}", "type": "Capture", "processed_on": at, "approved": charge.state != FAILED}]
    ended = [each for each in charge.refunds if each.state != UNDER_WAY]
    back: list[Json] = [
        {"id": each.id, "type": "Refund", "amount": _cents(each.amount), "approved": each.state != NOT_DONE}
        for each in ended
    ]
    return [*reversed(back), *first]


def _no(status: int, kind: str, *codes: str) -> Answer:
    return json_answer(status, {"request_id": "made-up", "error_type": kind, "error_codes": list(codes)})


def _payment_id(charge: Charge) -> str:
    return f"pay_{charge.id}"


def _cents(amount: Decimal) -> int:
    return int(amount * 100)


def _moment(at: Any) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.3570000Z"
