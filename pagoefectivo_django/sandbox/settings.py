"""What one run of the sandbox is told, and the keys it makes up when it is not told."""

import secrets
import string
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

_ALPHANUMERIC = string.ascii_uppercase + string.digits
_BASE64 = string.ascii_letters + string.digits + "+/"


def made_up_access_key() -> str:
    """20 letters and digits (protocol 2.1)."""
    return "SANDBOX" + "".join(secrets.choice(_ALPHANUMERIC) for _ in range(13))


def made_up_secret_key() -> str:
    """40 characters of the base64 alphabet, plus and slash among them (protocol 2.1)."""
    return "Sandbox" + "".join(secrets.choice(_BASE64) for _ in range(31)) + "/+"


@dataclass(frozen=True)
class Settings:
    """One merchant, one service."""

    service_id: int = 1234
    access_key: str = field(default_factory=made_up_access_key)
    secret_key: str = field(default_factory=made_up_secret_key, repr=False)
    #: protocol 2.3: two hours in the document, five minutes once seen
    token_life: timedelta = timedelta(hours=2)
    #: protocol 3.2: the sandbox's default period
    expires_after: timedelta = timedelta(hours=4)
    #: protocol 3.4, code 511; the figure is a contract's (protocol 7.3)
    maximum_amount: Decimal = Decimal(30000)
    #: protocol 6.5: one second attempt, interval unknown
    repeat_delay: float = 1.0
    #: protocol 2.4: tolerance unknown
    clock_skew: timedelta = timedelta(minutes=5)
