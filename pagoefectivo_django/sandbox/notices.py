"""Webhooks: signed, sent over real HTTP from a thread of their own, repeated once (protocol 6)."""

import http.client
import threading
import time
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import urlsplit

from .book import Cip, Payment
from .dates import write_date
from .faults import Fault
from .settings import Settings
from .signing import notice_signature
from .wire import Json, encode, write_json

#: Seconds to wait for the shop's answer; the vendor's time-out is unknown (protocol 6.5).
ANSWER_TIMEOUT = 10.0

_CENT = Decimal("0.01")


@dataclass
class Notice:
    """A webhook and the shop's answers: each a status, or the kind of failure."""

    event: str
    body: bytes
    #: None: no signature header is sent.
    signature: str | None
    service_id: int
    cip: int | None = None
    fault: str | None = None
    answers: list[int | str] = field(default_factory=list)

    def listing(self) -> Json:
        """Return the notice for the control endpoint, without the signature."""
        body = self.body.decode(errors="replace")
        return {"eventType": self.event, "body": body, "fault": self.fault, "answers": list(self.answers)}


def is_web_address(url: str) -> bool:
    """Return whether a text is an address for webhooks: http or https, with a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def payload(event: str, cip: Cip, payment: Payment | None, full: bool, fault: str | None = None) -> bytes:
    """Return the body of protocol 6.3: the code as text, the amount with two decimals."""
    amount = cip.amount if payment is None else payment.amount
    currency = cip.currency if payment is None else payment.currency
    if fault == "webhook_wrong_amount":
        amount += 1
    if fault == "webhook_wrong_currency":
        currency = "USD" if currency == "PEN" else "PEN"
    data: Json = {"cip": str(cip.number), "currency": currency, "amount": amount.quantize(_CENT)}
    if full and payment is not None:
        data["paymentDate"] = write_date(payment.paid_at)
    if full:
        data["transactionCode"] = cip.transaction_code
    operation = "" if payment is None else payment.operation_number
    return encode(write_json({"eventType": event, "operationNumber": operation, "data": data}))


class Postman:
    """The sender of notices, to the one URL registered for each service (protocol 6.1)."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._notices: list[Notice] = []
        self._secrets = {service.service_id: service.secret_key for service in settings.services}
        #: By service number; "" while no URL is registered.
        self.urls = {service.service_id: service.webhook_url for service in settings.services}

    def notices(self, cip: int | None) -> list[Notice]:
        """Return the notices about a code; None gives the notices without a code."""
        return [notice for notice in list(self._notices) if notice.cip == cip]

    def sign(self, service_id: int, body: bytes) -> str:
        """Return the signature of a body with the service's key."""
        return notice_signature(self._secrets[service_id], body)

    def tell(self, event: str, cip: Cip, payment: Payment | None, full: bool, fault: Fault | None) -> None:
        """Send an event in the background; the caller does not wait and holds no lock."""
        name = fault.name if fault else None
        body = payload(event, cip, payment, full, name)
        signature = self.sign(cip.service_id, body)
        if name == "webhook_bad_signature":
            signature = notice_signature("not the secret key", body)
        notice = Notice(event, body, signature, cip.service_id, cip.number, name)
        self._notices.append(notice)
        if name != "webhook_never":
            delay = fault.seconds if fault and name == "webhook_late" else 0.0
            threading.Thread(target=self._carry, args=(notice, delay), daemon=True).start()

    def send_now(self, service_id: int, body: bytes, signature: str | None) -> Notice:
        """Send any body to the URL of a service, and return the notice with the answers."""
        notice = Notice("", body, signature, service_id)
        self._notices.append(notice)
        self._carry(notice, 0.0)
        return notice

    def _carry(self, notice: Notice, delay: float) -> None:
        time.sleep(delay)
        self._deliver(notice)
        if notice.fault == "webhook_twice":
            self._deliver(notice)

    def _deliver(self, notice: Notice) -> None:
        """Send a notice, and once more if the answer is not 200 (protocol 6.5)."""
        if not self.urls[notice.service_id]:
            return
        notice.answers.append(self._post(self.urls[notice.service_id], notice))
        if notice.answers[-1] != 200:
            time.sleep(self._settings.repeat_delay)
            notice.answers.append(self._post(self.urls[notice.service_id], notice))

    def _post(self, url: str, notice: Notice) -> int | str:
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_TIMEOUT)
        headers = {"Content-Type": "application/json"}
        if notice.signature is not None:
            headers["PE-Signature"] = notice.signature
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("POST", target, notice.body, headers)
            response = connection.getresponse()
            response.read()
            return response.status
        except (OSError, http.client.HTTPException, ValueError) as error:
            return type(error).__name__
        finally:
            connection.close()
