"""dLocal Go (aggregators 3.10, additions B.4): payments on a page, messages that hold an id alone, a list of refunds.

The form of an error, the status of refused keys and the words for a refund that is not done are dLocal's own (3.7,
3.8), since none are known of dLocal Go.
"""

import base64
import hashlib
import hmac
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import parse_qs

from ..wire import Answer, Json, Request, json_answer
from .base import (
    CANCELLED,
    DONE,
    EXPIRED,
    FAILED,
    NOT_DONE,
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

#: The words of the states; every further state is ``PENDING``.
WORDS = {
    PAID: "PAID",
    TAKEN_BACK: "PAID",
    EXPIRED: "EXPIRED",
    CANCELLED: "CANCELLED",
    FAILED: "REJECTED",
}
REFUND_WORDS = {UNDER_WAY: "PENDING", DONE: "SUCCESS", NOT_DONE: "REJECTED"}
#: Refunds on a page of the list.
PER_PAGE = 20
REFUSALS = {401: (3001, "Invalid credentials"), 429: (6000, "Too many requests"), 500: (7000, "Failed to process")}


class DlocalGo(Dialect):
    """dLocal Go with two accounts."""

    name = "dlocal_go"
    accounts: ClassVar = {
        name: {"API_KEY": f"made-up-api-key-{name}", "SECRET_KEY": f"made-up-secret-key-{name}", "ACCOUNT": name}
        for name in ("shop", "other")
    }

    def call(self, request: Request) -> Answer:
        account = self._account(header(request, "Authorization"))
        match request.method, request.path.split("/")[1:]:
            case "POST", ["v1", "payments"]:
                return self._create(account, fields(request))
            case "GET", ["v1", "payments", name]:
                return json_answer(200, self._shown(self._charge(account, name)))
            case "POST", ["v1", "refunds"]:
                return self._give_back(account, fields(request))
            case "GET", ["v1", "refunds"]:
                return self._refunds(account, parse_qs(request.query).get("page", ["0"])[0])
        raise _no(404, 4000, "Not found")

    def refusal(self, status: int) -> Answer:
        code, message = REFUSALS.get(status, (7000, "Failed to process"))
        return json_answer(status, {"code": code, "message": message})

    def message(self, charge: Charge, account: str, *, amount: Decimal, currency: str, forged: bool) -> Message:
        body = f'{{"payment_id":"{charge.id}"}}'.encode()
        keys = self.accounts[account]
        secret = "made-up-secret-key-forged" if forged else keys["SECRET_KEY"]
        digest = hmac.new(secret.encode(), keys["API_KEY"].encode() + body, hashlib.sha256).hexdigest()
        return Message(body, {"Authorization": f"V2-HMAC-SHA256, Signature: {digest}"})

    def _account(self, authorization: str) -> str:
        for name, keys in self.accounts.items():
            pair = f"{keys['API_KEY']}:{keys['SECRET_KEY']}"
            if authorization in (f"Bearer {pair}", "Basic " + base64.b64encode(pair.encode()).decode()):
                return name
        raise No(self.refusal(401))

    def _charge(self, account: str, name: object) -> Charge:
        if charge := self.own(account, str(name)):
            return charge
        raise _no(404, 4000, "Payment not found")

    def _create(self, account: str, asked: Json) -> Answer:
        amount, currency, reference = asked.get("amount"), asked.get("currency"), asked.get("order_id")
        if not _is_amount(amount):
            raise _no(400, 5001, "Invalid parameter: amount")
        for field, value in {"currency": currency, "order_id": reference, "country": asked.get("country")}.items():
            if not isinstance(value, str) or not value:
                raise _no(400, 5001, f"Invalid parameter: {field}")
        if self.by_reference(account, str(reference)):
            raise _no(400, 5009, "Duplicated order_id")
        email = (asked.get("payer") or {}).get("email", "")
        if len(str(email)) > 100:
            raise _no(400, 5001, "Invalid parameter: payer.email")
        name = f"DP-{self.number()}"
        charge = Charge(name, account, str(reference), Decimal(str(amount)), str(currency), now(), None)
        charge.more = {"country": asked["country"], "description": asked.get("description")}
        return json_answer(200, self._shown(self.add(charge)))

    def _shown(self, charge: Charge) -> Json:
        return {
            "id": charge.id,
            "amount": charge.amount,
            "currency": charge.currency,
            "order_id": charge.reference,
            "status": WORDS.get(charge.state, "PENDING"),
            "redirect_url": f"{self.site}/checkout/{charge.id}",
            **charge.more,
        }

    def _give_back(self, account: str, asked: Json) -> Answer:
        charge = self._charge(account, asked.get("payment_id"))
        amount = asked.get("amount")
        if charge.state != PAID:
            raise _no(400, 5002, "Invalid payment status")
        if not _is_amount(amount) or Decimal(str(amount)) > charge.refundable:
            raise _no(400, 5007, "Amount exceeded")
        refund = self.give_back(charge, Refund(f"REF-{self.number()}", Decimal(str(amount))))
        return json_answer(200, _shown_refund(charge, refund))

    def _refunds(self, account: str, page: str) -> Answer:
        mine = [charge for charge in self.charges.values() if charge.account == account]
        found = [_shown_refund(charge, refund) for charge in mine for refund in charge.refunds]
        found.sort(key=lambda refund: int(refund["id"].removeprefix("REF-")), reverse=True)
        begin = int(page) * PER_PAGE if page.isdigit() else 0
        return json_answer(
            200, {"data": found[begin : begin + PER_PAGE], "totalPages": (len(found) + PER_PAGE - 1) // PER_PAGE}
        )


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool) and value > 0


def _shown_refund(charge: Charge, refund: Refund) -> Json:
    shown = {"id": refund.id, "payment_id": charge.id, "amount": refund.amount, "currency": charge.currency}
    return shown | {"status": REFUND_WORDS[refund.state]}


def _no(status: int, code: int, message: str) -> No:
    return No(json_answer(status, {"code": code, "message": message}))
