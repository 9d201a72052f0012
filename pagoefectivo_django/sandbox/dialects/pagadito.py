"""Pagadito's Connect (aggregators 4.3, additions B.5): pages of ten minutes, messages with an RSA signature.

The key is made at the first message or look at the certificate; without the package ``cryptography`` every call answers
501. The codes of the older interface stand for errors that are not published.
"""

import base64
import json
import re
import zlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from types import SimpleNamespace
from typing import Any, ClassVar

from ..wire import Answer, Json, Request, json_answer
from .base import (
    CANCELLED,
    EXPIRED,
    FAILED,
    IN_PROCESS,
    OPEN,
    PAID,
    TAKEN_BACK,
    Charge,
    Dialect,
    Message,
    No,
    fields,
    header,
    now,
)

WORDS = {
    OPEN: "REGISTERED",
    IN_PROCESS: "VERIFYING",
    PAID: "COMPLETED",
    TAKEN_BACK: "REVOKED",
    EXPIRED: "EXPIRED",
    CANCELLED: "CANCELED",
    FAILED: "FAILED",
}
CURRENCIES = ("NIO", "USD", "HNL", "GTQ", "CRC", "DOP", "PAB")
LIFE = timedelta(minutes=10)


class Pagadito(Dialect):
    """Pagadito with two accounts."""

    name, base = "pagadito", "api/v2/"
    accounts: ClassVar = {
        name: {"UID": f"made-up-uid-{name}", "WSK": f"made-up-wsk-of-{name}", "ACCOUNT": name}
        for name in ("shop", "other")
    }

    def call(self, request: Request) -> Answer:
        if not self._signer:
            return json_answer(501, {"message": "pip install 'pagoefectivo-django[rsa]'"})
        if (request.method, request.path) == ("GET", "/cert.pem"):
            return Answer(200, self._signer.certificate, "application/x-pem-file")
        account, asked = self._account(header(request, "Authorization")), fields(request)
        match request.method, request.path:
            case "POST", "/api/v2/exec-trans":
                return self._register(account, asked, header(request, "Host"))
            case "POST", "/api/v2/get-status":
                return self._status(account, asked)
        return Answer(404, b"<h1>Not found</h1>", "text/html")

    def refusal(self, status: int) -> Answer:
        return json_answer(status, {"code": "PG3001" if status in (401, 403) else "PG3002", "message": "Error"})

    def message(self, charge: Charge, account: str, *, amount: Decimal, currency: str, forged: bool) -> Message:
        number, wsk = self.number(), "made-up-wsk-forged" if forged else self.accounts[account]["WSK"]
        resource = {
            "ern": charge.reference,
            "reference": charge.more["reference"],
            "status": WORDS[charge.state],
            "amount": {"total": str(amount), "currency": currency},
        }
        event = {"id": f"evt-{number}", "event_type": "TRANSACTION.STATUS.CHANGE", "resource": resource}
        body = json.dumps(event).encode()
        headers = {
            "PAGADITO-NOTIFICATION-ID": f"ntf-{number}",
            "PAGADITO-NOTIFICATION-TIMESTAMP": now().isoformat(),
            "PAGADITO-AUTH-ALGO": "sha256WithRSAEncryption",
            # At the address by which the merchant calls, which is a proxy's where one stands before the sandbox.
            "PAGADITO-CERT-URL": f"http://{charge.more['host']}/{self.name}/cert.pem",
        }
        parts = (f"ntf-{number}", headers["PAGADITO-NOTIFICATION-TIMESTAMP"], event["id"], str(zlib.crc32(body)), wsk)
        signature = self._signer.sign("|".join(map(str, parts)).encode()) if self._signer else b""
        return Message(body, headers | {"PAGADITO-SIGNATURE": base64.b64encode(signature).decode()})

    @cached_property
    def _signer(self) -> SimpleNamespace | None:
        return _made_up_signer()

    def _account(self, authorization: str) -> str:
        for name, keys in self.accounts.items():
            pair = f"{keys['UID']}:{keys['WSK']}".encode()
            if authorization == f"Basic {base64.b64encode(pair).decode()}":
                return name
        raise No(self.refusal(401))

    def _register(self, account: str, asked: Json, host: str) -> Answer:
        ern, amount, details = asked.get("ern"), asked.get("amount"), asked.get("details")
        if not isinstance(ern, str) or not re.fullmatch(r"\S{1,100}", ern) or not isinstance(details, list):
            raise _no("PG2001", "Incomplete data.")
        if not details or not _is_amount(amount) or not all(map(_is_detail, details)):
            raise _no("PG2002", "Incorrect format data.")
        if asked.get("currency", "USD") not in CURRENCIES:
            raise _no("PG2002", "Incorrect format data.")
        if sum(detail["quantity"] * detail["price"] for detail in details) != amount:
            raise _no("PG3004", "Transaction amount doesn't match with calculated amount.")
        if self.by_reference(account, ern):
            raise _no("PG3018", "You have already sent this ERN.")
        number = self.number()
        token, currency = f"{number:032x}", str(asked.get("currency", "USD"))
        charge = Charge(token, account, ern, Decimal(str(amount)), currency, now(), now() + LIFE)
        charge.more = {"reference": f"NAP{number}", "host": host}
        self.add(charge)
        return _yes("PG1002", {"url": f"{self.site}/pay/{token}", "token": token})

    def _status(self, account: str, asked: Json) -> Answer:
        if not (charge := self.own(account, str(asked.get("token")))):
            raise _no("PG3003", "Unregistered transaction.")
        moment = charge.changed_at or charge.created_at
        data = {"status": WORDS[charge.state], "reference": charge.more["reference"] if charge.paid_at else ""}
        return _yes("PG1003", data | {"date_trans": f"{moment:%Y-%m-%d %H:%M:%S}"})


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool) and value > 0


def _is_detail(detail: Any) -> bool:
    if not isinstance(detail, dict) or not isinstance(detail.get("description"), str) or not detail["description"]:
        return False
    return _is_amount(detail.get("quantity")) and _is_amount(detail.get("price"))


def _yes(code: str, data: Json) -> Answer:
    return json_answer(200, {"code": code, "message": "Success", "data": data})


def _no(code: str, message: str) -> No:
    return No(json_answer(200, {"code": code, "message": message}))


def _made_up_signer() -> SimpleNamespace | None:
    """Return a made-up RSA key as a function that signs, with its certificate; None without ``cryptography``."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding, rsa
    except ImportError:
        return None
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "made-up")])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
    made = built.not_valid_after(datetime(2040, 1, 1, tzinfo=UTC)).sign(key, hashes.SHA256())
    return SimpleNamespace(
        sign=lambda text: key.sign(text, padding.PKCS1v15(), hashes.SHA256()),
        certificate=made.public_bytes(serialization.Encoding.PEM),
    )
