"""Made-up keys, a payer and an order; and what nobody may say aloud."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from pagoefectivo_django.channels.base import Channel, Charge, CodeRef, Incoming, Report
from pagoefectivo_django.channels.pagoefectivo import authorizations
from pagoefectivo_django.channels.reading import LIMA
from pagoefectivo_django.payer import Payer

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=LIMA)
#: The keys of the worked examples (protocol 2.2).
ACCESS_KEY = "EXAMPLEACCESSKEY0001"
SECRET_KEY = "ExampleSecretKey00000000000000000000/+01"
PAYER = {
    "email": "ana@example.com",
    "name": "Ana",
    "last_name": "Quispe",
    "phone": "999 888 777",
    "document_type": "DNI",
    "document_number": "40302010",
    "ubigeo": "150115",
    "user_id": "C-77",
}
#: Keys, tokens, and everything the payer said.
UNSPEAKABLE = (ACCESS_KEY, SECRET_KEY, "made-up-token", "Ana", "888777", *PAYER.values())


def payload(name: str) -> bytes:
    return (Path(__file__).parent / "payloads" / f"{name}.json").read_bytes()


def charge(**changes: Any) -> Charge:
    values: dict[str, Any] = {
        "transaction_code": "SHOP-1001",
        "amount": Decimal("120.50"),
        "currency": "PEN",
        "expires_at": NOW + timedelta(hours=48),
        "concept": "Two T-shirts",
    }
    payer = Payer(**PAYER | changes.pop("payer", {}))
    return Charge(payer=payer, **values | changes)


def read(channel: Channel, body: bytes) -> Report:
    """What a channel reads in a message about one code."""
    (report,) = channel.read(Incoming(body))
    assert isinstance(report, Report)
    return report


def look_up(channel: Channel, codes: Iterable[str]) -> dict[str, Report]:
    """What a channel finds, by the code as it was asked for without leading zeros."""
    return {ref.code: report for ref, report in channel.look_up([CodeRef(code) for code in codes]).items()}


def sign(body: bytes, secret: str = SECRET_KEY) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def forget_own() -> None:
    """Be another process: same cache, nothing remembered."""
    authorizations._tokens.clear()
