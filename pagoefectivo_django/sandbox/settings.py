"""What one run of the sandbox is told, and the keys it makes up when it is not told."""

import hashlib
import string
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

_ALPHANUMERIC = string.ascii_uppercase + string.digits
_BASE64 = string.ascii_letters + string.digits + "+/"


def made_up_access_key(service_id: int) -> str:
    """20 letters and digits (protocol 2.1), the same for a service at every start: they guard nothing of worth."""
    return "SANDBOX" + _made_up(f"access {service_id}", _ALPHANUMERIC, 13)


def made_up_secret_key(service_id: int) -> str:
    """40 characters of the base64 alphabet, plus and slash among them (protocol 2.1), the same at every start."""
    return "Sandbox" + _made_up(f"secret {service_id}", _BASE64, 31) + "/+"


def _made_up(seed: str, letters: str, length: int) -> str:
    digest = hashlib.sha512(f"pagoefectivo sandbox {seed}".encode()).digest()
    return "".join(letters[byte % len(letters)] for byte in digest[:length])


@dataclass(frozen=True)
class Service:
    """One service of the merchant's: its number, its keys, and where its webhooks go at first (nowhere if empty)."""

    service_id: int
    access_key: str
    secret_key: str = field(repr=False)
    webhook_url: str = ""


@dataclass(frozen=True)
class Settings:
    """One merchant, with at least one service: QR and Cuotéalo are sold as services of their own (protocol 7.2)."""

    services: tuple[Service, ...]
    #: protocol 2.3: two hours in the document, five minutes once seen
    token_life: timedelta = timedelta(hours=2)
    #: protocol 3.2: the sandbox's default period
    expires_after: timedelta = timedelta(hours=4)
    #: protocol 3.4, code 511; the figure is a contract's (protocol 7.3)
    maximum_amount: Decimal = Decimal(30000)
    #: protocol 6.5: one second attempt, interval unknown
    repeat_delay: float = 1.0
    #: protocol 3.2: ten minutes are known from one reseller, no bound of the vendor's is
    shortest_life: timedelta = timedelta(minutes=10)
    #: protocol 3.1: the document's table demands userPhone and userCodeCountry, the vendor's own demo leaves them out
    optional_phone: bool = False
    #: protocol 2.4: tolerance unknown
    clock_skew: timedelta = timedelta(minutes=5)

    def service(self, service_id: int) -> Service | None:
        """Give the service of this number."""
        return next((service for service in self.services if service.service_id == service_id), None)
