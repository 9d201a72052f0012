"""What every channel can be asked, and the values that travel: ``Charge`` (what we ask), ``Report`` (what they say)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from django.core.checks import CheckMessage
from django.utils.crypto import salted_hmac

from ..codes import plain
from ..conf import conf
from ..errors import InvalidSignature
from ..money import Money
from ..payer import Payer
from ..states import Fact


@dataclass(frozen=True)
class Charge:
    """One code that we ask a provider for."""

    transaction_code: str
    amount: Decimal
    currency: str
    expires_at: datetime
    payer: Payer
    concept: str = ""
    #: Language of the provider's messages to the payer: ``es`` or ``en``.
    language: str = "es"


@dataclass(frozen=True)
class Report:
    """What a provider said about one code: by webhook, or as an answer of ours asked for.

    ``code`` is compared without leading zeros, since some pad it to 14 digits; it is empty when only the
    transaction code is known. Absent facts are None or empty, never guessed.
    """

    account: str
    fact: Fact
    code: str = ""
    transaction_code: str = ""
    amount: Decimal | None = None
    currency: str = ""
    #: When the payer paid, by the provider's clock.
    paid_at: datetime | None = None
    #: Until when the code can be paid, as the provider says.
    expires_at: datetime | None = None
    #: The collector's number of the operation.
    operation_number: str = ""
    #: The provider's own page for the payer.
    url: str = ""
    #: The provider's own QR: what it says, or its picture as a ``data:image/png;base64,…`` address.
    qr: str = ""
    #: When we asked; None for a message that came by itself.
    asked_at: datetime | None = None
    #: The version of our code when we asked, negative for one that we did not know; None for what was not asked for.
    version: int | None = None
    #: When a message that came by itself was first received.
    received_at: datetime | None = None
    #: The provider's words for a refusal or an unknown event, without personal data.
    detail: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", plain(self.code))


@dataclass(frozen=True)
class Examination:
    """What a provider answered that was asked for nothing but an authorization."""

    host: str
    #: How far our clock is ahead of the provider's; None where it told no time.
    ahead: timedelta | None


class Channel:
    """One account at one provider.

    Every call has three endings: it returns (yes), raises ``Refused`` (no) or raises ``OutcomeUnknown`` (not known).
    Two more errors say that the provider certainly did not get the request: ``Unavailable`` (wait) and
    ``Misconfigured`` (fix the settings). No message or log line carries a secret, a token or personal data.
    """

    #: What a provider can do; a subclass that says True writes the method of that name.
    can_search: ClassVar[bool] = False
    can_delete: ClassVar[bool] = False
    can_extend: ClassVar[bool] = False
    can_refund: ClassVar[bool] = False

    #: The names of its OPTIONS; a system check tells of any other. None: not said, and nothing is told.
    option_names: ClassVar[Sequence[str] | None] = None

    def __init__(self, alias: str, options: Mapping[str, Any]) -> None:
        self.alias = alias
        self.options = options

    @classmethod
    def check(cls, alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
        """Judge the settings of one alias for Django's system checks. To be extended by subclasses."""
        return []

    @classmethod
    def check_deploy(cls, alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
        """Judge, for ``check --deploy``, whether they fit where the site runs. May be extended."""
        return []

    # What subclasses write.

    @property
    def account(self) -> str:
        """Provider, environment and service id as one text, such as ``pagoefectivo:sandbox:1234``."""
        raise NotImplementedError

    def issue(self, charge: Charge) -> Report:
        """Ask for a code and return its report (``Fact.ISSUED``); never sent twice, since two codes could be paid."""
        raise NotImplementedError

    def search(self, codes: Iterable[str]) -> dict[str, Report]:
        """Return what the provider says of these codes, by plain code; one that it doesn't know is left out."""
        raise NotImplementedError

    def extend(self, code: str, expires_at: datetime) -> None:
        """Move the date until which a code can be paid."""
        raise NotImplementedError

    def delete(self, code: str) -> None:
        """Make a code unpayable."""
        raise NotImplementedError

    def refund(self, code: str, money: Money, key: str) -> None:
        """Give money back for a paid code; never sent twice by itself. ``key`` is the same for the same refund."""
        raise NotImplementedError

    @property
    def batch_size(self) -> int:
        """How many codes ``search`` puts in one request."""
        return int(conf.batch_size)

    def verify(self, body: bytes, headers: Mapping[str, str]) -> str:
        """Return the signature of these bytes by a current secret, in constant time, or raise ``InvalidSignature``."""
        raise InvalidSignature(f"Channel {self.alias} takes no notifications.")

    def verified(self, body: bytes, signature: str) -> bytes:
        """Return the text that a proven signature was made over; it is what is kept, and what two messages are one by.

        To be overridden where a signature covers another text than the bytes that came.
        """
        return body

    def signed(self, body: bytes) -> dict[str, str]:
        """Return the headers that prove these bytes to ourselves, for ``pagoefectivo_doctor``; empty for none."""
        return {}

    def examine(self) -> Examination | None:
        """Authorize for real, past every cache, and return what was seen; None where there is nobody to ask.

        Raises ``Misconfigured`` for refused keys, ``Unavailable`` where the provider can't be reached.
        """
        return None

    def verified_by(self, body: bytes, signature: str) -> str:
        """Return the fingerprint of the current secret that made a proven signature; empty where there is none."""
        return ""

    def fingerprints(self) -> list[str]:
        """Return the fingerprints of the secrets that prove a message now, in the settings' order."""
        return []

    def read(self, body: bytes) -> Report:
        """Return what proven bytes say, or raise ``Malformed``."""
        raise NotImplementedError


def fingerprint(secret: bytes) -> str:
    """Return 12 hex digits that tell secrets apart and give nothing away without Django's SECRET_KEY."""
    return salted_hmac("pagoefectivo.webhook-secret", secret, algorithm="sha256").hexdigest()[:12]
