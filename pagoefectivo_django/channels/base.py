"""The base class of channels, and the values exchanged with a provider."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, TypeGuard

from django.core.checks import CheckMessage
from django.utils.crypto import salted_hmac

from ..codes import plain
from ..conf import SETTINGS
from ..errors import InvalidSignature
from ..errors import gettext_noop as _
from ..facts import LONGEST, Data
from ..money import CURRENCIES, Money
from ..payer import Payer, bare
from ..states import Fact, RefundStatus
from ..texts import kept_text

#: The OPTIONS that every channel takes: values that override a setting, the beginning of our own numbers, whether other
#: systems of the merchant use the account too, and the least and the most of an order.
COMMON_OPTIONS = (
    *(name for name, setting in SETTINGS.items() if setting.of_channel),
    *("TRANSACTION_CODE_PREFIX", "SHARED_ACCOUNT", "MIN_AMOUNT", "MAX_AMOUNT"),
)


@dataclass(frozen=True)
class CodeRef:
    """The names of one payment code, of which a provider needs one or another; empty where not known."""

    #: What the payer types, without leading zeros.
    code: str = ""
    #: Our number for the request.
    transaction_code: str = ""
    #: The provider's own id of the code or the charge.
    provider_id: str = ""
    #: A further number that the payer may read at the provider's, and tell the shop; no code is asked about by it.
    other_code: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", plain(self.code))


@dataclass(frozen=True)
class Charge:
    """A request for one payment code."""

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
    """The provider's word on one code, from a message or as the answer to a request of ours.

    ``code``, ``transaction_code`` and ``provider_id`` are as in ``CodeRef``; at least one is given. ``code`` is kept
    without leading zeros, since some messages pad codes to 14 digits. Facts that the provider did not state are None or
    empty, never guessed.
    """

    account: str
    fact: Fact
    code: str = ""
    transaction_code: str = ""
    amount: Decimal | None = None
    currency: str = ""
    #: An answer of a provider that names no amount, and whose id stands for the amount of the request: the amount of
    #: the code's order counts.
    as_issued: bool = False
    #: When the payer paid, by the provider's clock.
    paid_at: datetime | None = None
    #: The moment until which the code can be paid, as the provider says.
    expires_at: datetime | None = None
    #: The operation number of the bank or agent that took the money.
    operation_number: str = ""
    provider_id: str = ""
    #: A further number that the payer may read at the provider's; staff finds the order by it.
    other_code: str = ""
    #: The provider's own id of the payment, unique in the account; empty where the provider names none.
    payment_id: str = ""
    #: What the payer paid in all, with the provider's taxes and fees for the payer; evidence only.
    payer_total: Decimal | None = None
    #: The provider's own page for the payer.
    url: str = ""
    #: The provider's own QR: its text, or its picture as a ``data:image/png;base64,…`` address.
    qr: str = ""
    #: When the provider was asked; None for a message that came unasked.
    asked_at: datetime | None = None
    #: ``Cip.version`` when the provider was asked, negative for a code that we did not know; None for a message that
    #: came unasked.
    version: int | None = None
    #: When a message that came unasked was first received.
    received_at: datetime | None = None
    #: The sum that went back to the payer so far, out of this payment; None: the provider doesn't say.
    returned: Decimal | None = None
    #: The provider's words for a refusal or an unknown event, without personal data.
    detail: str = ""
    #: Facts of ours about a report that no provider made, as data of an event.
    data: Data = field(default_factory=dict, compare=False)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def storable(self) -> Report:
        """Return the report with what the columns can hold: a number or id too long is shortened, and stays unique."""
        return replace(
            self,
            operation_number=_short(self.operation_number, 40),
            provider_id=_short(self.provider_id, 64),
            payment_id=_short(self.payment_id, 64),
            other_code=_short(self.other_code, 40),
            url=self.url if len(self.url) <= 500 else "",
        )

    @property
    def told(self) -> dict[str, object]:
        """The report's further facts, as data of an event: ours, and the provider's words."""
        return {**self.data, **({"said": self.detail[:LONGEST]} if self.detail else {})}

    @property
    def ref(self) -> CodeRef:
        """The names of the code that the report is about."""
        return CodeRef(self.code, self.transaction_code, self.provider_id, self.other_code)

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", plain(self.code))


@dataclass(frozen=True)
class Hint:
    """A code that a message names, and nothing more: the provider is asked about the code, and the answer counts.

    At least one of the names is given. Messages come late, twice and in any order, so a state that a message tells is
    worth a hint only.
    """

    account: str
    code: str = ""
    transaction_code: str = ""
    provider_id: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", plain(self.code))


@dataclass(frozen=True)
class RefundReport:
    """The provider's word on one refund: ``DONE``, ``FAILED``, or ``SENT`` while the provider is at work."""

    #: The provider's own id of the refund; needed to ask about a refund that takes days.
    provider_id: str = ""
    status: RefundStatus = RefundStatus.DONE
    #: The provider's words for a failure, without personal data.
    detail: str = ""

    @property
    def told(self) -> dict[str, object]:
        """The provider's words, as data."""
        return {"said": self.detail[:LONGEST]} if self.detail else {}

    def __post_init__(self) -> None:
        # Any further status would be read as "not sent", and the money would be asked for again.
        if self.status not in (RefundStatus.SENT, RefundStatus.DONE, RefundStatus.FAILED):
            raise ValueError(f"A channel reports a refund as sent, done or failed, not as {self.status}.")
        if len(self.provider_id) > 64 or (self.status == RefundStatus.SENT and not self.provider_id):
            raise ValueError("A refund under way needs the provider's id, of at most 64 characters.")


class Trust(StrEnum):
    """What a provider's signature on a message covers; only a payment under ``SIGNED_BODY`` counts without asking."""

    #: A collision-resistant signature over every byte, or over the same text without insignificant blanks.
    SIGNED_BODY = "signed_body"
    #: The sender is proven, the content is not: a signature over a part, or one that can be forged for other content.
    SIGNED_SENDER = "signed_sender"
    #: The sender knows a password that travels with the message.
    SHARED_SECRET = "shared_secret"  # nosec B105 # no password


@dataclass(frozen=True)
class Incoming:
    """Everything of a message that came to a webhook, so that the signature of any provider can be checked."""

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: The query string of the address, without the question mark.
    query: str = field(default="", repr=False)

    def header(self, name: str) -> str:
        """Return a header's value, empty if missing; upper and lower case are the same."""
        return next((str(value) for key, value in self.headers.items() if key.lower() == name.lower()), "")


@dataclass(frozen=True)
class Proof:
    """The result of verifying a message.

    ``key_id`` is the fingerprint of the secret that verified the message. ``identity`` tells messages apart: the
    SHA-256, in hex, of the text that was verified. ``kept`` is the message as verified, with the headers that were
    signed or that sign; ``kept`` is stored, and read from then on.
    """

    trust: Trust
    key_id: str
    identity: str
    kept: Incoming


@dataclass(frozen=True)
class Examination:
    """The result of asking a provider for an authorization only."""

    host: str
    #: How far this machine's clock is ahead of the provider's; None if the provider gave no time.
    ahead: timedelta | None


class Presents(StrEnum):
    """What a channel gives the payer to pay by."""

    #: Digits, which the payer types or tells.
    CODE = "code"
    #: The address of a page of the provider's. Nothing but the shop tells it to the payer.
    LINK = "link"


@dataclass(frozen=True)
class Abilities:
    """The declarations of a channel or of a channel's class, each named like the attribute of ``Channel``."""

    presents: Presents
    currencies: frozenset[str]
    amounts: Mapping[str, tuple[Decimal, Decimal]]
    countries: frozenset[str]
    needs_document: Mapping[str, str]
    expires_within: tuple[timedelta, timedelta] | None
    life: timedelta | None
    can_look_up: bool
    can_find: bool
    can_delete: bool
    can_extend: bool
    can_refund: bool
    tells_reversals: bool
    statement_formats: Mapping[str, Mapping[str, Any]]


class Channel:
    """An account at a provider; the base class of every channel.

    Each call has three endings: the call returns (yes), raises ``Refused`` (no) or raises ``OutcomeUnknown`` (not
    known). Two more errors mean that the provider certainly did not get the request: ``Unavailable`` (wait) and
    ``Misconfigured`` (fix the settings). No error and no log line shows a secret, a token or personal data.
    """

    #: The provider's abilities: a subclass that sets one to True implements the method of that name.
    can_look_up: ClassVar[bool] = False
    can_find: ClassVar[bool] = False
    can_delete: ClassVar[bool] = False
    can_extend: ClassVar[bool] = False
    can_refund: ClassVar[bool] = False

    #: The provider's answers tell a payment that was reversed from one that stands. Without, an answer "paid" after a
    #: reversal says nothing; with, the payment was reinstated, and a person is asked.
    tells_reversals: ClassVar[bool] = False

    #: The currencies of orders that the provider takes.
    currencies: ClassVar[frozenset[str]] = frozenset(CURRENCIES)
    #: By currency, the least and the most that an order may be over; the options ``MIN_AMOUNT`` and ``MAX_AMOUNT``
    #: override either.
    amounts: ClassVar[Mapping[str, tuple[Decimal, Decimal]]] = {}
    #: The countries of payers that the provider serves, by two letters; empty: any.
    countries: ClassVar[frozenset[str]] = frozenset()
    #: The documents of which the provider needs one, each with the form of its number as a regular expression, such as
    #: ``{"DNI": "[0-9]{8}"}``; empty: none is needed.
    needs_document: ClassVar[Mapping[str, str]] = {}
    #: Of a channel by its options, or by default of its class.
    presents: Presents = Presents.CODE
    #: How long a link can be paid, at a provider that gives its links a date of its own; None: without an end, or until
    #: the date of the order.
    life: ClassVar[timedelta | None] = None
    #: The names of the channel's OPTIONS besides ``COMMON_OPTIONS``; a system check warns of others, unless None.
    option_names: ClassVar[Sequence[str] | None] = None
    #: How far ahead the date of a code may be, from the least to the most. None: the provider takes no date of ours; a
    #: date that it sets itself is learnt from its answers, and the order ends at the shop's date.
    expires_within: ClassVar[tuple[timedelta, timedelta] | None] = None
    #: The formats of the provider's statements, by name, as in the setting ``STATEMENTS``.
    statement_formats: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    #: The provider's fields, in lower case, whose values the log of calls may show: money, numbers, dates and states,
    #: and nothing that names a person or is a secret. The values of all further fields are masked.
    log_fields: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, alias: str, options: Mapping[str, Any]) -> None:
        self.alias = alias
        self.options = options

    @classmethod
    def check(cls, alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
        """Return the faults of an alias's OPTIONS as messages of Django's system checks; subclasses add their own."""
        return []

    @classmethod
    def check_deploy(cls, alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
        """Return the faults of an alias's OPTIONS on a production site, for ``check --deploy``."""
        return []

    # Implemented by subclasses.

    @property
    def account(self) -> str:
        """Provider, environment and service id as one text, such as ``pagoefectivo:sandbox:1234``."""
        raise NotImplementedError

    def issue(self, charge: Charge) -> Report:
        """Ask for a code and return the report (``Fact.ISSUED``); never sent twice, since both codes could be paid."""
        raise NotImplementedError

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        """Return the provider's reports about codes; codes unknown to the provider are left out."""
        raise NotImplementedError

    def find(self, transaction_code: str) -> Report | None:
        """Return the provider's report about the request with our number, None if the provider knows no such request.

        For a request whose answer got lost. Raises like every call: an error is no "no".
        """
        raise NotImplementedError

    def extend(self, ref: CodeRef, until: datetime) -> None:
        """Move the date until which a code can be paid."""
        raise NotImplementedError

    def delete(self, ref: CodeRef) -> None:
        """Make a code unpayable."""
        raise NotImplementedError

    def refund(self, ref: CodeRef, money: Money, key: str) -> RefundReport:
        """Give money back for a paid code; a call is never sent twice.

        ``key`` is unique for each refund, and the same in every call for the same refund.
        """
        raise NotImplementedError

    def look_up_refunds(self, provider_ids: Iterable[str]) -> dict[str, RefundReport]:
        """Return the provider's word on refunds that ``refund`` reported as ``SENT``, by the provider's id."""
        raise NotImplementedError

    @property
    def batch_size(self) -> int:
        """The number of codes in one request of ``look_up``: the option ``BATCH_SIZE``, else the setting."""
        return int(SETTINGS["BATCH_SIZE"].of(self.options))

    @property
    def searches_per_minute(self) -> int:
        """The pace of the account: the option ``SEARCHES_PER_MINUTE``, else the setting."""
        return int(SETTINGS["SEARCHES_PER_MINUTE"].of(self.options))

    def why_not(self, money: Money, payer: Payer, ahead: timedelta | None = None) -> str:
        """Return why the channel can't take an order, by its declarations; an empty text if the channel can.

        Reasons are ``currency``, ``amount``, ``country``, ``document`` and ``expiry``. ``ahead``: how far ahead the
        order's date is; None: any date. A payer without a country may be from anywhere.
        """
        least, most = self.amounts.get(money.currency, (Decimal(0), money.amount))
        if is_limit(own := self.options.get("MIN_AMOUNT")):
            least = own
        if is_limit(own := self.options.get("MAX_AMOUNT")):
            most = own
        within = self.expires_within
        reasons = {
            "currency": money.currency not in self.currencies,
            "amount": not least <= money.amount <= most,
            "country": bool(self.countries and payer.country_code) and payer.country_code not in self.countries,
            "document": bool(self.needs_document) and not self._has_document(payer),
            "expiry": ahead is not None and within is not None and not within[0] <= ahead <= within[1],
        }
        return next((reason for reason, holds in reasons.items() if holds), "")

    def _has_document(self, payer: Payer) -> bool:
        """Return whether a payer has a document that the provider takes; a number without a type may be of any."""
        forms = self.needs_document
        taken = [forms[payer.document_type]] if payer.document_type in forms else []
        taken = taken if payer.document_type else list(forms.values())
        return any(re.fullmatch(form, bare(payer.document_number)) for form in taken)

    @property
    def shared_account(self) -> bool:
        """Whether other systems of the merchant issue codes on the account: the option ``SHARED_ACCOUNT``."""
        return self.options.get("SHARED_ACCOUNT") is True

    def verify(self, incoming: Incoming) -> Proof:
        """Return the proof that a current secret signed a message, compared in constant time.

        Raises ``InvalidSignature`` otherwise, ``Unsigned`` for a message without any signature.
        """
        raise InvalidSignature(
            _("Channel %(channel)s takes no notifications."), code="no_notifications", channel=self.alias
        )

    def signed(self, body: bytes) -> dict[str, str]:
        """Return headers that sign a body, for ``pagoefectivo_doctor``; empty if the channel can't sign."""
        return {}

    def examine(self) -> Examination | None:
        """Ask the provider for a fresh authorization and return the findings; None if the channel has nobody to ask.

        Raises ``Misconfigured`` for refused keys, ``Unavailable`` if the provider can't be reached.
        """
        return None

    def fingerprints(self) -> list[str]:
        """Return the fingerprints of the current secrets, in the settings' order."""
        return []

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        """Return what a verified message tells, one item for each code; raises ``Malformed`` if fields are missing."""
        raise NotImplementedError


def _short(text: str, most: int) -> str:
    text = kept_text(text, len(text))
    return text if len(text) <= most else f"{text[: most - 13]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def abilities_of(channel: Channel | type[Channel]) -> Abilities:
    """Return the declarations of a channel, or of a channel's class, as one value."""
    return Abilities(**{one.name: getattr(channel, one.name) for one in fields(Abilities)})


def is_limit(value: object) -> TypeGuard[Decimal]:
    """Return whether an option can limit the amounts of orders."""
    return isinstance(value, Decimal) and value.is_finite() and value > 0


def fingerprint(secret: bytes) -> str:
    """Return 12 hex digits that identify a secret, and reveal nothing without Django's SECRET_KEY."""
    return salted_hmac("pagoefectivo.webhook-secret", secret, algorithm="sha256").hexdigest()[:12]
