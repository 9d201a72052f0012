"""Mercado Pago Peru (aggregators 5.2, additions B.2): PagoEfectivo payments, signed ids, idempotency keys.

The form of a refund, the fields ``currency_id`` and ``date_approved``, and the texts of the errors are those of public
integrations, since the protocol file names none.
"""

import hashlib
import hmac
import re
from datetime import datetime, timedelta, timezone
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

METHOD = "pagoefectivo_atm"
#: ``status`` and ``status_detail`` of each state.
WORDS = {
    OPEN: ("pending", "pending_waiting_payment"),
    IN_PROCESS: ("in_process", "pending_contingency"),
    PAID: ("approved", "accredited"),
    EXPIRED: ("cancelled", "expired"),
    CANCELLED: ("cancelled", "by_collector"),
    FAILED: ("rejected", "rejected_by_biller"),
    TAKEN_BACK: ("charged_back", "settled"),
}
REFUND_WORDS = {UNDER_WAY: "in_process", DONE: "approved", NOT_DONE: "rejected"}
ERRORS = {401: "unauthorized", 403: "forbidden", 404: "not_found", 429: "too_many_requests"}
#: ISO 8601 with milliseconds and an offset.
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d")
#: Mercado Pago's own clock.
HERE = timezone(timedelta(hours=-4))


class MercadoPago(Dialect):
    """Mercado Pago with two accounts, each with PagoEfectivo among its payment methods."""

    name = "mercadopago"
    accounts: ClassVar = {
        name: {
            "ACCESS_TOKEN": f"made-up-access-token-{name}",
            "WEBHOOK_SECRETS": [f"made-up-webhook-secret-{name}"],
            "ACCOUNT": name,
        }
        for name in ("shop", "other")
    }

    def __init__(self, site: str) -> None:
        super().__init__(site)
        #: What was made under each idempotency key: the account's payments, and the refunds of one payment.
        self.made: dict[tuple[str, str], Charge | Refund] = {}

    def call(self, request: Request) -> Answer:
        tokens = {f"Bearer {keys['ACCESS_TOKEN']}": name for name, keys in self.accounts.items()}
        account = tokens.get(header(request, "Authorization"))
        if account is None:
            raise No(self.refusal(401))
        key = header(request, "X-Idempotency-Key")
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["v1", "payment_methods"]:
                return json_answer(200, [_method("visa", "credit_card"), _method(METHOD, "atm")])
            case "POST", ["v1", "payments"]:
                return json_answer(201, self._shown(self._create(account, key, fields(request))))
            case "GET", ["v1", "payments", "search"]:
                return self._search(account, parse_qs(request.query).get("external_reference", [""])[0])
            case "GET", ["v1", "payments", name]:
                return json_answer(200, self._shown(self._charge(account, name)))
            case "PUT", ["v1", "payments", name]:
                return json_answer(200, self._shown(self._cancel(self._charge(account, name), fields(request))))
            case "POST", ["v1", "payments", name, "refunds"]:
                charge = self._charge(account, name)
                return json_answer(201, _shown_refund(charge, self._give_back(charge, key, fields(request))))
            case "GET", ["v1", "payments", name, "refunds", number]:
                charge = self._charge(account, name)
                found = [each for each in charge.refunds if each.id == number]
                return (
                    json_answer(200, _shown_refund(charge, found[0])) if found else _no(404, 2024, "Refund not found")
                )
        return _no(404, None, f"Resource {request.path} not found.")

    def refusal(self, status: int) -> Answer:
        return _no(status, None, "Made up for a fault.")

    def message(self, charge: Charge, account: str, *, amount: Decimal, currency: str, forged: bool) -> Message:
        number, moment = self.number(), str(int(now().timestamp()))
        body = {
            "id": number,
            "live_mode": False,
            "type": "payment",
            "action": "payment.updated",
            "data": {"id": charge.id},
        }
        secret = "made-up-webhook-secret-forged" if forged else self.accounts[account]["WEBHOOK_SECRETS"][0]
        text = f"id:{charge.id};request-id:req-{number};ts:{moment};"
        digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        headers = {"x-signature": f"ts={moment},v1={digest}", "x-request-id": f"req-{number}"}
        return Message(write_json(body).encode(), headers, f"data.id={charge.id}&type=payment")

    def _charge(self, account: str, name: str) -> Charge:
        if charge := self.own(account, name):
            return charge
        raise No(_no(404, 2000, "Payment not found"))

    def _create(self, account: str, key: str, asked: Json) -> Charge:
        if isinstance(again := self.made.get((account, key)), Charge):
            return again
        amount, date = asked.get("transaction_amount"), str(asked.get("date_of_expiration", ""))
        wrong = {
            "Header X-Idempotency-Key can't be null": not key,
            "Invalid transaction_amount": not _is_amount(amount),
            "payment_method_id not found": asked.get("payment_method_id") != METHOD,
            "payer.email must be a valid email": "@" not in str((asked.get("payer") or {}).get("email", "")),
            "description must be a text": not isinstance(asked.get("description"), str),
            "external_reference must be a text": not isinstance(asked.get("external_reference"), str),
            "Invalid date_of_expiration": not DATE.fullmatch(date) or datetime.fromisoformat(date) <= now(),
        }
        for text, is_wrong in wrong.items():
            if is_wrong:
                raise No(_no(400, 4037, text))
        number = self.number()
        charge = Charge(
            id=str(1_300_000_000 + number),
            account=account,
            reference=asked["external_reference"],
            amount=Decimal(str(amount)),
            currency="PEN",
            created_at=now(),
            expires_at=datetime.fromisoformat(date),
            code=str(24_000_000 + number),
        )
        self.made[account, key] = self.add(charge)
        return charge

    def _search(self, account: str, reference: str) -> Answer:
        rows = [self._shown(each) for each in self.by_reference(account, reference)]
        return json_answer(200, {"paging": {"total": len(rows), "limit": 30, "offset": 0}, "results": rows[:30]})

    def _cancel(self, charge: Charge, asked: Json) -> Charge:
        if asked != {"status": "cancelled"} or charge.state not in (OPEN, IN_PROCESS):
            raise No(_no(400, 2018, "The action requested is not valid for the current payment state"))
        self.move(charge, CANCELLED, force=True)
        return charge

    def _give_back(self, charge: Charge, key: str, asked: Json) -> Refund:
        if isinstance(again := self.made.get((charge.id, key)), Refund):
            return again
        amount = asked.get("amount", charge.refundable)
        if charge.state != PAID:
            raise No(_no(400, 2063, "The action requested is not valid for the current payment state"))
        if not _is_amount(amount) or amount > charge.refundable:
            raise No(_no(400, 4040, "Invalid amount"))
        refund = self.give_back(charge, Refund(str(2_600_000_000 + self.number()), Decimal(amount), key))
        self.made[charge.id, key] = refund
        return refund

    def _shown(self, charge: Charge) -> Json:
        status, detail = WORDS[charge.state]
        if charge.state == PAID and charge.given_back:
            whole = charge.given_back == charge.amount
            status, detail = ("refunded", "refunded") if whole else (status, "partially_refunded")
        page = f"{self.site}/payments/atm/helper?payment_id={charge.id}&payment_method_reference_id={charge.code}"
        return {
            "id": int(charge.id),
            "status": status,
            "status_detail": detail,
            "payment_method_id": METHOD,
            "payment_type_id": "atm",
            "date_created": _date(charge.created_at),
            "date_approved": _date(charge.paid_at),
            "date_of_expiration": _date(charge.expires_at),
            "external_reference": charge.reference,
            "currency_id": charge.currency,
            "transaction_amount": charge.amount,
            "transaction_amount_refunded": charge.given_back,
            "transaction_details": {
                # Two numbers that differ, as in the published answer.
                "payment_method_reference_id": str(int(charge.code) + 99_000_000),
                "verification_code": charge.code,
                "net_received_amount": 0,
                "total_paid_amount": charge.amount,
                "external_resource_url": page,
                "financial_institution": "PagoEfectivo",
            },
        }


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool) and value > 0


def _date(moment: datetime | None) -> str | None:
    return moment.astimezone(HERE).isoformat(timespec="milliseconds") if moment else None


def _method(name: str, kind: str) -> Json:
    limits = {"min_allowed_amount": 5, "max_allowed_amount": 10_000, "accreditation_time": 2_880}
    return {"id": name, "payment_type_id": kind, "status": "active", **limits}


def _shown_refund(charge: Charge, refund: Refund) -> Json:
    status = REFUND_WORDS[refund.state]
    return {"id": int(refund.id), "payment_id": int(charge.id), "amount": refund.amount, "status": status}


def _no(status: int, code: int | None, message: str) -> Answer:
    causes = [{"code": code, "description": message}] if code else []
    error = ERRORS.get(status, "internal_error" if status >= 500 else "bad_request")
    return json_answer(status, {"message": message, "error": error, "status": status, "cause": causes})
