"""Culqi's Orders (aggregators 5.1, additions B.1): times in seconds, and messages without a signature.

The status and the body of a refused change, and of a number that was used before, are not public: an error in Culqi's
form with status 400 stands for them.
"""

import base64
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import parse_qs

from ..wire import Answer, Json, Request, json_answer, write_json
from .base import (
    CANCELLED,
    EXPIRED,
    OPEN,
    PAID,
    Charge,
    Dialect,
    Message,
    No,
    fields,
    header,
    now,
)

#: The words of the states.
WORDS = {OPEN: "pending", PAID: "paid", EXPIRED: "expired", CANCELLED: "deleted"}
#: Seconds that an order lives without a date of the merchant's.
DEFAULT_LIFE = 24 * 3600
#: The most orders on a page of the list.
MOST = 100


class Culqi(Dialect):
    """Culqi with two accounts."""

    name = "culqi"
    base = "v2/"
    accounts: ClassVar = {
        name: {
            "SECRET_KEY": f"sk_test_made_up_{name}",
            "WEBHOOK_USER": f"culqi-{name}",
            "WEBHOOK_PASSWORD": f"made-up-password-{name}",
            "ACCOUNT": name,
        }
        for name in ("shop", "other")
    }

    def call(self, request: Request) -> Answer:
        keys = {f"Bearer {keys['SECRET_KEY']}": name for name, keys in self.accounts.items()}
        account = keys.get(header(request, "Authorization"))
        if account is None:
            return self.refusal(401)
        match request.method, request.path.strip("/").split("/"):
            case "POST", ["v2", "orders"]:
                return json_answer(201, self._shown(self._create(account, fields(request))))
            case "GET", ["v2", "orders"]:
                return json_answer(200, self._listed(account, parse_qs(request.query)))
            case "GET", ["v2", "orders", name]:
                return json_answer(200, self._shown(self._mine(account, name)))
            case "PATCH", ["v2", "orders", name]:
                return json_answer(200, self._shown(self._extend(self._mine(account, name), fields(request))))
            case "DELETE", ["v2", "orders", name]:
                return json_answer(200, self._shown(self._delete(self._mine(account, name))))
        return _error(404, "invalid_request_error", "resource_not_found")

    def refusal(self, status: int) -> Answer:
        types = {401: "authentication_error", 403: "authentication_error", 429: "limit_api_error"}
        return _error(status, types.get(status, "api_error"), f"status_{status}")

    def message(self, charge: Charge, account: str, *, amount: Decimal, currency: str, forged: bool) -> Message:
        """Return an event, whose ``data`` is the order as JSON in a text; no signature, but a user and a password."""
        order = write_json(self._shown(charge) | {"amount": int(amount * 100), "currency_code": currency})
        event = {
            "object": "event",
            "id": f"evt_test_{self.number():016}",
            "type": "order.status.changed",
            "creation_date": int(now().timestamp() * 1000),
            "data": order,
        }
        keys = self.accounts[account]
        password = "forged" if forged else keys["WEBHOOK_PASSWORD"]
        basic = base64.b64encode(f"{keys['WEBHOOK_USER']}:{password}".encode()).decode()
        return Message(write_json(event).encode(), {"Authorization": f"Basic {basic}"})

    def _create(self, account: str, asked: Any) -> Charge:
        client, reference = asked.get("client_details"), asked.get("order_number")
        wrong = [
            *(["amount"] if type(asked.get("amount")) is not int or asked["amount"] <= 0 else []),
            *(["currency_code"] if asked.get("currency_code") != "PEN" else []),
            *(["description"] if not 5 <= len(str(asked.get("description", ""))) <= 80 else []),
            *(["order_number"] if not isinstance(reference, str) or not 1 <= len(reference) <= 36 else []),
            *(["client_details"] if not isinstance(client, dict) or not client.get("email") else []),
        ]
        if wrong or self.by_reference(account, str(reference)):
            raise No(_error(400, "parameter_error", "invalid_parameter", (wrong or ["order_number"])[0]))
        number, begun = self.number(), now()
        until = asked.get("expiration_date") or int(begun.timestamp()) + DEFAULT_LIFE
        charge = Charge(
            id=f"ord_test_{number:016}",
            account=account,
            reference=str(reference),
            amount=Decimal(asked["amount"]) / 100,
            currency="PEN",
            created_at=begun,
            expires_at=begun.fromtimestamp(until, begun.tzinfo),
            code=str(210_000_000 + number) if asked.get("confirm") else "",
        )
        return self.add(charge)

    def _listed(self, account: str, query: dict[str, list[str]]) -> Json:
        """Return a page of an account's orders, the newest first, and the cursor of the next page."""
        mine = [each for each in reversed(self.charges.values()) if each.account == account]
        after, limit = query.get("after", [""])[0], min(int(query.get("limit", ["50"])[0]), MOST)
        begin = next((place + 1 for place, each in enumerate(mine) if each.id == after), 0)
        page, rest = mine[begin : begin + limit], mine[begin + limit :]
        cursors = {"before": page[0].id if page else None, "after": page[-1].id if rest else None}
        paging = {"previous": None, "next": None, "cursors": cursors, "remaining_items": len(rest)}
        return {"data": [self._shown(each) for each in page], "paging": paging}

    def _mine(self, account: str, name: str) -> Charge:
        charge = self.own(account, name)
        if charge is None:
            raise No(_error(404, "invalid_request_error", "resource_not_found"))
        return charge

    def _extend(self, charge: Charge, asked: Any) -> Charge:
        until = asked.get("expiration_date")
        if charge.state != OPEN or type(until) is not int:
            raise No(_error(400, "invalid_request_error", "order_not_changed"))
        charge.expires_at = charge.created_at.fromtimestamp(until, charge.created_at.tzinfo)
        return charge

    def _delete(self, charge: Charge) -> Charge:
        if not self.move(charge, CANCELLED):
            raise No(_error(400, "invalid_request_error", "order_not_changed"))
        return charge

    def _shown(self, charge: Charge) -> Json:
        until, paid = charge.expires_at, charge.paid_at
        return {
            "object": "order",
            "id": charge.id,
            "order_number": charge.reference,
            "state": WORDS[charge.state],
            "amount": int(charge.amount * 100),
            "currency_code": charge.currency,
            "payment_code": charge.code,
            "creation_date": int(charge.created_at.timestamp()),
            "expiration_date": int(until.timestamp()) if until else None,
            "updated_at": None,
            "paid_at": int(paid.timestamp()) if paid else None,
            "total_fee": None,
            "net_amount": None,
            "fee_details": None,
            "available_on": None,
            "metadata": {},
            "qr": f"{self.site}/qr/{charge.id}.png",
            "url_pe": f"{self.site}/{charge.id}.html",
        }


def _error(status: int, kind: str, code: str, param: str = "") -> Answer:
    words = {"merchant_message": "Made up by the sandbox.", "user_message": "Hubo un problema con el pago."}
    return json_answer(status, {"object": "error", "type": kind, "code": code, "param": param, **words})
