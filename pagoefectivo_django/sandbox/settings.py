"""The settings of one run of the sandbox, and made-up keys where none are given."""

import hashlib
import string
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

_ALPHANUMERIC = string.ascii_uppercase + string.digits
_BASE64 = string.ascii_letters + string.digits + "+/"


def made_up_access_key(service_id: int) -> str:
    """Return 20 letters and digits (protocol 2.1), the same for a service at every start: the keys guard nothing of
    worth.
    """
    return "SANDBOX" + _made_up(f"access {service_id}", _ALPHANUMERIC, 13)


def made_up_secret_key(service_id: int) -> str:
    """Return 40 base64 characters with plus and slash (protocol 2.1), the same for a service at every start."""
    return "Sandbox" + _made_up(f"secret {service_id}", _BASE64, 31) + "/+"


def _made_up(seed: str, letters: str, length: int) -> str:
    digest = hashlib.sha512(f"pagoefectivo sandbox {seed}".encode()).digest()
    return "".join(letters[byte % len(letters)] for byte in digest[:length])


@dataclass(frozen=True)
class Service:
    """A service of the merchant: number, keys, and the webhook's first URL ("" for none)."""

    service_id: int
    access_key: str
    secret_key: str = field(repr=False)
    webhook_url: str = ""


@dataclass(frozen=True)
class Settings:
    """A merchant with at least one service: QR and Cuotéalo are sold as services of their own (protocol 7.2)."""

    services: tuple[Service, ...]
    #: Protocol 2.3: two hours in the document, five minutes once seen.
    token_life: timedelta = timedelta(hours=2)
    #: Protocol 3.2: the default period of the vendor's sandbox.
    expires_after: timedelta = timedelta(hours=4)
    #: Protocol 3.4, code 511; the figure is from a contract (protocol 7.3).
    maximum_amount: Decimal = Decimal(30000)
    #: Seconds. Protocol 6.5: one second attempt, interval unknown.
    repeat_delay: float = 1.0
    #: Protocol 3.2: ten minutes are known from one reseller; the vendor names no minimum.
    shortest_life: timedelta = timedelta(minutes=10)
    #: Protocol 3.1: the document's table demands userPhone and userCodeCountry, the vendor's own demo leaves both out.
    optional_phone: bool = False
    #: Protocol 2.4: the vendor's tolerance is unknown.
    clock_skew: timedelta = timedelta(minutes=5)

    def service(self, service_id: int) -> Service | None:
        """Return the service with a number, or None."""
        return next((service for service in self.services if service.service_id == service_id), None)
