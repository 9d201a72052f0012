"""Quipu Pay, the made-up provider of the manual's page "Add a channel", in the form of the sandbox's dialects."""

from __future__ import annotations

import hashlib
import hmac
from decimal import Decimal
from typing import Any, ClassVar

from pagoefectivo_django.sandbox.dialects.base import Charge, Dialect, Message, fields, header, now
from pagoefectivo_django.sandbox.wire import Answer, Json, Request, json_answer, write_json


class QuipuDialect(Dialect):
    name = "quipu"
    accounts: ClassVar = {
        each: {
            "MERCHANT": each,
            "API_KEY": f"made-up-key-{each}",
            "WEBHOOK_SECRETS": [f"made-up-secret-{each}"],
        }
        for each in ("shop", "other")
    }

    def call(self, request: Request) -> Answer:
        keys = {f"Bearer {keys['API_KEY']}": name for name, keys in self.accounts.items()}
        account = keys.get(header(request, "Authorization"))
        if account is None:
            return self.refusal(401)
        match (request.method, *request.path.strip("/").split("/")):
            case ("POST", "charges"):
                return json_answer(201, self._shown(self._made(account, fields(request))))
            case ("GET", "charges", name) if charge := self.own(account, name):
                return json_answer(200, self._shown(charge))
        return json_answer(404, {"error": "not_found"})

    def refusal(self, status: int) -> Answer:
        return json_answer(status, {"error": f"error_{status}"})

    def message(self, charge: Charge, account: str, *, amount: Decimal, currency: str, forged: bool) -> Message:
        shown = self._shown(charge) | {"amount": amount, "currency": currency}
        body = write_json({"charge": shown}).encode()
        secret = b"forged" if forged else self.accounts[account]["WEBHOOK_SECRETS"][0].encode()
        return Message(body, {"Quipu-Signature": hmac.new(secret, body, hashlib.sha256).hexdigest()})

    def _made(self, account: str, asked: Any) -> Charge:
        number = self.number()
        amount = Decimal(asked["amount"])
        charge = Charge(f"q-{number}", account, asked["number"], amount, asked["currency"], now(), None)
        charge.code = str(5_000_000 + number)
        return self.add(charge)

    @staticmethod
    def _shown(charge: Charge) -> Json:
        paid_at = charge.paid_at.isoformat() if charge.paid_at else None
        return {
            "id": charge.id,
            "number": charge.reference,
            "code": charge.code,
            "state": charge.state,
            "amount": charge.amount,
            "currency": charge.currency,
            "paid_at": paid_at,
        }
