"""dLocal's Payins API for PagoEfectivo in Peru (aggregators 3, additions B.4): tickets or pages, and refunds.

How a ticket ends is not known: here it is CANCELLED, and a page without a ticket is EXPIRED. A payment that was
refunded or taken back is still PAID, since nothing else is known.
"""

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import parse_qs

from ..wire import Answer, Json, Request, json_answer, write_json
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

#: The word and the number of each state; every further state is pending.
WORDS = {
    PAID: ("PAID", "200"),
    TAKEN_BACK: ("PAID", "200"),
    FAILED: ("REJECTED", "316"),
    CANCELLED: ("CANCELLED", "400"),
    EXPIRED: ("CANCELLED", "400"),
}
REFUND_WORDS = {UNDER_WAY: ("PENDING", "100"), DONE: ("SUCCESS", "200"), NOT_DONE: ("REJECTED", "300")}
REFUSALS = {403: 3001, 429: 6000}
MESSAGES = {
    3001: "Invalid credentials",
    4000: "Payment not found",
    4001: "Refund not found",
    5000: "Invalid request",
    5001: "Invalid parameter",
    5002: "Invalid transaction status",
    5003: "Country not supported",
    5004: "Currency not allowed for this country",
    5007: "Amount exceeded",
    5009: "Duplicated order_id",
    5011: "Duplicated order_refund_id",
    5013: "Unsupported API request",
    6000: "Too many requests",
    7000: "Failed to process the request",
}
LIMA = timezone(timedelta(hours=-5))
TICKET_DAYS = 5
DATE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z"


class Dlocal(Dialect):
    """dLocal with two accounts."""

    name = "dlocal"
    accounts: ClassVar = {
        name: {
            "LOGIN": f"made-up-login-{name}",
            "TRANS_KEY": f"made-up-trans-key-{name}",
            "SECRET_KEY": f"made-up-secret-key-{name}",
            "ACCOUNT": name,
        }
        for name in ("shop", "other")
    }

    def call(self, request: Request) -> Answer:
        account = self._account(request)
        match request.method, request.path.split("/")[1:]:
            case "POST", ["payments"]:
                return json_answer(200, self._shown(self._made(account, fields(request))))
            case "GET", ["payments", name]:
                return json_answer(200, self._shown(self._charge(account, name)))
            case "GET", ["payments", name, "status"]:
                shown = self._shown(self._charge(account, name))
                return json_answer(200, {key: shown[key] for key in ("id", "status", "status_code", "status_detail")})
            case "GET", ["orders", reference]:
                return json_answer(200, self._order_of(account, reference))
            case "GET", ["payments-methods"] if parse_qs(request.query).get("country") == ["PE"]:
                method = {"id": "EF", "type": "TICKET", "name": "PagoEfectivo", "allowed_flows": ["DIRECT", "REDIRECT"]}
                return Answer(200, write_json([method]).encode())
            case "POST", ["refunds"]:
                return self._give_back(account, fields(request))
            case "GET", ["refunds", name]:
                return json_answer(200, self._refund(account, name))
        return Answer(404, b"Not Found", "text/plain")

    def refusal(self, status: int) -> Answer:
        return _no(REFUSALS.get(status, 7000), status).answer

    def message(self, charge: Charge, account: str, *, amount: Decimal, currency: str, forged: bool) -> Message:
        body = write_json(self._shown(charge) | {"amount": amount, "currency": currency}).encode()
        keys, date = self.accounts[account], _date(now(), "Z")
        secret = "made-up-secret-key-forged" if forged else keys["SECRET_KEY"]
        return Message(body, {"X-Date": date, "Authorization": _signature(secret, keys["LOGIN"], date, body)})

    def move(self, charge: Charge, state: str, *, force: bool = False) -> bool:
        """Bring a charge to a state; a ticket that ends by its date has a date that has passed."""
        moved = super().move(charge, state, force=force)
        if moved and state == EXPIRED and charge.expires_at:
            charge.expires_at = min(charge.expires_at, now())
        return moved

    def _account(self, request: Request) -> str:
        """Return the account of a call's keys; the keys are looked at before the signature."""
        pair = header(request, "X-Login"), header(request, "X-Trans-Key")
        for name, keys in self.accounts.items():
            if pair == (keys["LOGIN"], keys["TRANS_KEY"]):
                date = header(request, "X-Date")
                expected = _signature(keys["SECRET_KEY"], keys["LOGIN"], date, request.body)
                if not re.fullmatch(DATE, date) or header(request, "Authorization") != expected:
                    raise _no(5000)
                if header(request, "X-Version") != "2.1":
                    raise _no(5000)
                if not header(request, "User-Agent") or header(request, "Content-Type") != "application/json":
                    raise _no(5000)
                return name
        raise _no(3001, 403)

    def _charge(self, account: str, name: object) -> Charge:
        if charge := self.own(account, str(name)):
            return charge
        raise _no(4000, 404)

    def _made(self, account: str, asked: Json) -> Charge:
        flow, reference = asked.get("payment_method_flow"), asked.get("order_id")
        _check(asked)
        if self.by_reference(account, str(reference)):
            raise _no(5009)
        number, made_at = self.number(), now()
        charge = Charge(
            f"D-4-example-{number}", account, str(reference), Decimal(str(asked["amount"])), asked["currency"], made_at,
            None,
        )  # fmt: skip
        charge.more = {
            "country": "PE",
            "payment_method_id": "EF",
            "payment_method_type": "TICKET",
            "payment_method_flow": flow,
            "notification_url": asked.get("notification_url"),
        }
        if flow == "DIRECT":
            day = made_at.astimezone(LIMA) + timedelta(days=TICKET_DAYS)
            charge.expires_at = day.replace(hour=23, minute=59, second=59).astimezone(UTC)
            charge.code = str(70_000_000 + number)
        return self.add(charge)

    def _shown(self, charge: Charge) -> Json:
        word, number = WORDS.get(charge.state, ("PENDING", "100"))
        if charge.state == EXPIRED and not charge.code:
            word, number = "EXPIRED", "500"
        shown = {
            "id": charge.id,
            "amount": charge.amount,
            "currency": charge.currency,
            **charge.more,
            "created_date": _date(charge.created_at),
            "status": word,
            "status_code": number,
            "status_detail": f"The payment is {word.lower()}.",
            "order_id": charge.reference,
        }
        if charge.paid_at:
            shown["approved_date"] = _date(charge.paid_at)
        if not charge.code:
            return shown | {"redirect_url": f"{self.site}/collect/{charge.id}"}
        return shown | {"ticket": self._ticket(charge)}

    def _ticket(self, charge: Charge) -> Json:
        assert charge.expires_at  # nosec B101 # every ticket has a date
        return {
            "type": "CUSTOM",
            "number": charge.code.zfill(14),
            "id": f"EF-{charge.code}",
            "expiration_date": _date(charge.expires_at),
            "provider_name": "PagoEfectivo",
            "image_url": f"{self.site}/gmf/ticket/{charge.id}",
            "amount": charge.amount,
            "currency": charge.currency,
        }

    def _order_of(self, account: str, reference: str) -> Json:
        found = self.by_reference(account, reference)
        if not found:
            raise _no(4000, 404)
        shown = self._shown(found[0])
        names = ("order_id", "amount", "currency", "created_date", "status", "status_code", "status_detail")
        return {"payment_id": shown["id"], **{name: shown[name] for name in names}}

    def _give_back(self, account: str, asked: Json) -> Answer:
        charge = self._charge(account, asked.get("payment_id"))
        if charge.state != PAID:
            raise _no(5002)
        amount, key = asked.get("amount", charge.refundable), str(asked.get("order_refund_id") or "")
        if not _is_amount(amount):
            raise _no(5001, param="amount")
        if asked.get("currency", charge.currency) != charge.currency:
            raise _no(5004)
        mine = [each for each in self.charges.values() if each.account == account]
        if key and any(refund.key == key for each in mine for refund in each.refunds):
            raise _no(5011)
        if Decimal(str(amount)) > charge.refundable:
            raise _no(5007)
        refund = self.give_back(charge, Refund(f"REF-{self.number()}", Decimal(str(amount)), key))
        return json_answer(200, _shown_refund(charge, refund))

    def _refund(self, account: str, name: str) -> Json:
        for charge in self.charges.values():
            for refund in charge.refunds:
                if (charge.account, refund.id) == (account, name):
                    return _shown_refund(charge, refund)
        raise _no(4001, 404)


def _check(asked: Json) -> None:
    """Raise ``No`` for a request that lacks a field or has a wrong one."""
    payer: Json = asked["payer"] if isinstance(asked.get("payer"), dict) else {}
    flow = asked.get("payment_method_flow")
    document = re.sub("[^0-9]", "", str(payer.get("document")))
    wrong = {
        "amount": not _is_amount(asked.get("amount")),
        "payment_method_id": asked.get("payment_method_id") != "EF",
        "payment_method_flow": flow not in ("DIRECT", "REDIRECT"),
        "order_id": not isinstance(asked.get("order_id"), str) or not asked["order_id"],
        "payer.name": not isinstance(payer.get("name"), str) or not payer["name"],
        "payer.email": "@" not in str(payer.get("email")),
        "payer.document": document != payer.get("document") or len(document) not in (8, 9, 11),
        "callback_url": flow == "REDIRECT" and not str(asked.get("callback_url")).startswith("http"),
    }
    for name, is_wrong in wrong.items():
        if is_wrong:
            raise _no(5001, param=name)
    if asked.get("country") != "PE":
        raise _no(5003)
    if asked.get("currency") != "PEN":
        raise _no(5004)


def _signature(secret: str, login: str, date: str, body: bytes) -> str:
    digest = hmac.new(secret.encode(), login.encode() + date.encode() + body, hashlib.sha256).hexdigest()
    return f"V2-HMAC-SHA256, Signature: {digest}"


def _date(moment: datetime, zone: str = "+0000") -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000{zone}"


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool) and value > 0


def _shown_refund(charge: Charge, refund: Refund) -> Json:
    word, number = REFUND_WORDS[refund.state]
    shown = {"id": refund.id, "payment_id": charge.id, "amount": refund.amount, "currency": charge.currency}
    shown |= {"status": word, "status_code": number, "status_detail": f"The refund is {word.lower()}."}
    return shown | ({"order_refund_id": refund.key} if refund.key else {})


def _no(code: int, status: int = 400, param: str = "") -> No:
    return No(json_answer(status, {"code": code, "message": MESSAGES[code], **({"param": param} if param else {})}))
