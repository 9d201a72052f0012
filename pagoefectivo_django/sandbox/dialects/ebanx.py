"""EBANX's direct API for PagoEfectivo in Peru, under ``/ebanx/ws/`` (aggregators 5.3, additions B.3).

The account ``shop`` signs its calls (JWS), the account ``other`` sends an integration key. The RSA keys are grown from
made-up words, so they are the same at every start, protect nothing, and no key stands in a file. Where EBANX's public
documents name no error code, the codes begin with ``BP-MADE-UP``.
"""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlencode

from ..dates import LIMA
from ..wire import Answer, Json, Request, json_answer
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
)  # fmt: skip

WORDS = {OPEN: "PE", IN_PROCESS: "PN", PAID: "CO", TAKEN_BACK: "CO", EXPIRED: "CA", CANCELLED: "CA", FAILED: "CA"}
REFUND_WORDS = {UNDER_WAY: "RE", DONE: "CO", NOT_DONE: "CA"}
#: A payment is told when it is confirmed or cancelled, and never before.
TOLD = (PAID, TAKEN_BACK, EXPIRED, CANCELLED)
#: The error code for each missing field of a payment; for the further fields of ``NEEDED`` none is documented.
CODES = {"currency_code": "BP-DR-3", "amount_total": "BP-DR-5", "merchant_payment_code": "BP-DR-9"}
NEEDED = ("name", "email", "country", "payment_type_code", *CODES)
#: By digest, what stands before the digest in a signature (PKCS #1 v1.5, RFC 8017 9.2).
PREFIXES = {
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
}
EXPONENT = 65537


class Key(NamedTuple):
    """An RSA key of 2048 bits from two primes: a simulator's, without any care for the time that a signature takes."""

    p: int
    q: int

    @property
    def n(self) -> int:
        return self.p * self.q

    @property
    def d(self) -> int:
        return pow(EXPONENT, -1, (self.p - 1) * (self.q - 1))

    def sign(self, content: bytes, digest: str) -> bytes:
        return pow(int.from_bytes(_padded(content, digest)), self.d, self.n).to_bytes(256)

    def verifies(self, signature: bytes, content: bytes, digest: str) -> bool:
        found = pow(int.from_bytes(signature), EXPONENT, self.n).to_bytes(256)
        return len(signature) == 256 and found == _padded(content, digest)

    def private_pem(self) -> str:
        p, q, d = self.p, self.q, self.d
        numbers = (0, self.n, EXPONENT, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
        return _pem("RSA PRIVATE KEY", _der(0x30, *map(_integer, numbers)))

    def certificate(self) -> str:
        """Return an X.509 certificate that the key itself signed."""
        algorithm = _der(0x30, bytes.fromhex("06092a864886f70d01010b0500"))
        name = _der(0x30, _der(0x31, _der(0x30, bytes.fromhex("0603550403"), _der(0x0C, b"made-up EBANX"))))
        validity = _der(0x30, *(_der(0x17, day + b"000000Z") for day in (b"200101", b"491231")))
        public = _der(0x03, b"\0", _der(0x30, _integer(self.n), _integer(EXPONENT)))
        subject = _der(0x30, _der(0x30, bytes.fromhex("06092a864886f70d0101010500")), public)
        version = _der(0xA0, _integer(2))
        content = _der(0x30, version, _integer(1), algorithm, name, validity, name, subject)
        signature = _der(0x03, b"\0", self.sign(content, "sha256"))
        return _pem("CERTIFICATE", _der(0x30, content, algorithm, signature))


def _padded(content: bytes, digest: str) -> bytes:
    end = b"\0" + PREFIXES[digest] + hashlib.new(digest, content, usedforsecurity=False).digest()
    return b"\0\1".ljust(256 - len(end), b"\xff") + end


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8 or 1)
    return bytes([tag]) + (size if len(content) < 128 else bytes([0x80 | len(size)]) + size) + content


def _integer(number: int) -> bytes:
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1))


def _pem(kind: str, content: bytes) -> str:
    lines = re.findall(".{1,64}", base64.b64encode(content).decode())
    return "\n".join((f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""))


def _prime(words: str, ahead: int) -> int:
    """Return the first prime behind a number that words give; ``ahead`` was searched for once."""
    return (int.from_bytes(hashlib.shake_256(words.encode()).digest(128)) | 3 << 1022 | 1) + ahead


MERCHANT = Key(_prime("made-up merchant p", 1002), _prime("made-up merchant q", 188))
EBANX = Key(_prime("made-up ebanx p", 1060), _prime("made-up ebanx q", 1470))
CERTIFICATE = EBANX.certificate()
KEY_ID = "made-up-key-id-shop"
#: The code for a payment that does not exist; EBANX's own is not public.
NOT_FOUND = "BP-MADE-UP-1"


class Ebanx(Dialect):
    """EBANX; every call is a POST of JSON, and an error has the HTTP status 200."""

    name = "ebanx"
    accounts: ClassVar = {
        name: keys | {"WEBHOOK_CERTIFICATES": [CERTIFICATE], "NOT_FOUND_CODES": [NOT_FOUND], "ACCOUNT": name}
        for name, keys in {
            "shop": {"KEY_ID": KEY_ID, "PRIVATE_KEY": MERCHANT.private_pem()},
            "other": {"INTEGRATION_KEY": "made-up-integration-key-other"},
        }.items()
    }

    def call(self, request: Request) -> Answer:
        asked, account = fields(request), self._account(request)
        match (request.method, request.path):
            case ("POST", "/ws/direct"):
                return self._shown(self._made(account, asked))
            case ("POST", "/ws/query"):
                return self._shown(self._charge(account, asked))
            case ("POST", "/ws/cancel"):
                charge = self.own(account, str(asked.get("hash")))
                if charge is None or not self.move(charge, CANCELLED):
                    raise _no("BP-MADE-UP-2", "Payment can not be cancelled")
                return self._shown(charge, operation="cancel")
            case ("POST", "/ws/refund"):
                charge = self._charge(account, asked)
                refund = self._refunded(charge, asked)
                return self._shown(charge, refund=_refund(refund), operation="refund")
        return self.refusal(404)

    def refusal(self, status: int) -> Answer:
        return json_answer(status, {"status": "ERROR", "status_code": f"BP-MADE-UP-{status}", "status_message": ""})

    def message(self, charge: Charge, account: str, *, amount: Decimal, currency: str, forged: bool) -> Message:
        about = "refund" if charge.refunds else "update"
        told = {"operation": "payment_status_change", "notification_type": about, "hash_codes": charge.id}
        body = urlencode(told).encode()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-SignatureType": "rsa,sha1",
            "X-SignatureFingerprint": "made-up",
            "X-SignatureContent": base64.b64encode((MERCHANT if forged else EBANX).sign(body, "sha1")).decode(),
        }
        return Message(body, headers)

    def tell(self, charge: Charge) -> None:
        if charge.state in TOLD:
            super().tell(charge)

    def move(self, charge: Charge, state: str, *, force: bool = False) -> bool:
        moved = super().move(charge, state, force=force)
        if moved and state == EXPIRED and charge.expires_at and charge.expires_at > now():
            # CA alone does not tell a date that passed from a cancellation: the date does.
            charge.expires_at = _end_of_day(now() - timedelta(days=1))
        if moved and state == TAKEN_BACK:
            charge.refunds.append(Refund(str(20_000 + self.number()), charge.refundable, state=DONE))
        return moved

    def _account(self, request: Request) -> str:
        """Return the account that signed a call, or that sent its integration key."""
        signature = header(request, "X-JWS-Signature")
        if signature:
            if not _is_signed(signature, request.body):
                raise No(self.refusal(401))
            return "shop"
        key = fields(request).get("integration_key")
        if not key:
            raise _no("BP-SA-1", "Parameter integration_key not found")
        if key != self.accounts["other"]["INTEGRATION_KEY"]:
            raise _no("BP-SA-2", "Invalid integration key")
        return "other"

    def _charge(self, account: str, asked: Json) -> Charge:
        if asked.get("hash"):
            found = self.own(account, str(asked["hash"]))
        else:
            found = next(iter(self.by_reference(account, str(asked.get("merchant_payment_code")))), None)
        if found is None:
            raise _no(NOT_FOUND, "Payment not found")
        return found

    def _made(self, account: str, asked: Json) -> Charge:
        payment = asked.get("payment")
        if (asked.get("operation"), asked.get("mode")) != ("request", "full") or not isinstance(payment, dict):
            raise _no("BP-DR-2", "Field payment is required")
        for name in NEEDED:
            if payment.get(name) in (None, ""):
                raise _no(CODES.get(name, "BP-MADE-UP-3"), f"Field payment.{name} is required")
        reference, amount, currency = (
            payment[name] for name in ("merchant_payment_code", "amount_total", "currency_code")
        )
        if len(str(reference)) > 40:
            raise _no("BP-DR-10", "Parameter merchant_payment_code can have 40 characters maximum")
        if (payment["country"], payment["payment_type_code"]) != ("pe", "pagoefectivo"):
            raise _no("BP-DR-35", "Invalid payment_type_code")
        if currency not in ("PEN", "USD") or not isinstance(amount, int | Decimal) or amount <= 0:
            raise _no("BP-MADE-UP-4", "Invalid amount or currency")
        if same := self.by_reference(account, str(reference)):
            when, state = _written(same[0].created_at), WORDS[same[0].state]
            told = (
                f"Payment already exists with merchant_payment_code: {reference} (created on {when}, status is {state})"
            )
            raise _no("BP-DR-0", told)
        number, due = self.number(), _read_due_date(payment.get("due_date"))
        name = hashlib.sha256(f"made-up payment {number}".encode()).hexdigest()[:48]
        charge = Charge(
            name, account, str(reference), Decimal(amount), currency, now(), due, code=str(3_000_000 + number)
        )
        return self.add(charge)

    def _refunded(self, charge: Charge, asked: Json) -> Refund:
        amount, key = asked.get("amount"), str(asked.get("merchant_refund_code") or "")
        if charge.state != PAID:
            raise _no("BP-REF-7", "Payment is not confirmed")
        well = isinstance(amount, int | Decimal) and 0 < amount <= charge.refundable and len(key) <= 20
        if not well or asked.get("operation") != "request" or not asked.get("description"):
            raise _no("BP-MADE-UP-5", "Invalid refund")
        return self.give_back(charge, Refund(str(20_000 + self.number()), Decimal(str(amount)), key))

    def _shown(self, charge: Charge, **more: Any) -> Answer:
        """Return a payment as every answer shows payments: amounts are text, times have no zone."""
        ended = charge.expires_at if charge.state == EXPIRED and charge.changed_at is None else charge.changed_at
        payment = {
            "hash": charge.id,
            "pin": charge.code[-4:],
            "merchant_payment_code": charge.reference,
            "order_number": None,
            "status": WORDS[charge.state],
            "status_date": _written(ended or charge.created_at),
            "open_date": _written(charge.created_at),
            "confirm_date": _written(charge.paid_at) if charge.paid_at else None,
            "amount_br": f"{charge.amount:.2f}",
            "amount_ext": f"{charge.amount:.2f}",
            "currency_ext": charge.currency,
            "due_date": charge.expires_at.astimezone(LIMA).strftime("%Y-%m-%d") if charge.expires_at else None,
            "payment_type_code": "pagoefectivo",
            "cip_url": f"{self.site}/cip/?hash={charge.id}",
            "cip_code": charge.code,
            "refunds": [_refund(each) for each in charge.refunds],
        }
        return json_answer(200, {"payment": payment, **more, "status": "SUCCESS"})


def _no(code: str, told: str) -> No:
    return No(json_answer(200, {"status": "ERROR", "status_code": code, "status_message": told}))


def _is_signed(signature: str, body: bytes) -> bool:
    """Return whether a detached JWS (RFC 7515, 7797) over a body is of the registered key."""
    protected, _, signed = signature.partition("..")
    try:
        told = json.loads(_decoded(protected))
        content = protected.encode() + b"." + body
        wanted = {"alg": "RS256", "kid": KEY_ID, "b64": False, "crit": ["b64"]}
        return bool(told == wanted and MERCHANT.verifies(_decoded(signed), content, "sha256"))
    except ValueError:
        return False


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _refund(refund: Refund) -> Json:
    word = REFUND_WORDS[refund.state]
    return {
        "id": refund.id,
        "merchant_refund_code": refund.key or None,
        "status": word,
        "amount_ext": f"{refund.amount:.2f}",
    }


def _read_due_date(text: object) -> datetime:
    """Return the end of a day written as dd/mm/yyyy; of the third day from now without a date."""
    if text is None:
        return _end_of_day(now() + timedelta(days=3))
    try:
        due = _end_of_day(datetime.strptime(str(text), "%d/%m/%Y").replace(hour=12, tzinfo=LIMA))
    except ValueError:
        raise _no("BP-MADE-UP-6", "Invalid due_date") from None
    if due <= now():
        raise _no("BP-MADE-UP-6", "Invalid due_date")
    return due


def _end_of_day(moment: datetime) -> datetime:
    return moment.astimezone(LIMA).replace(hour=23, minute=59, second=59).astimezone(UTC)


def _written(moment: datetime) -> str:
    return moment.astimezone(LIMA).strftime("%Y-%m-%d %H:%M:%S")
