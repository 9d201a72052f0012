"""A provider in memory: charges, refunds, messages and faults, without the words of any provider.

A dialect adds the provider's paths, fields, words and signatures. Everything at a provider is a ``Charge`` with a state
of this module; the dialect shows the state by the provider's word.
"""

import http.client
import itertools
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlsplit

from ..faults import DEFAULT_SECONDS, HEADER, read_seconds
from ..wire import Answer, Json, Request, json_answer, read_object

#: The states of a charge.
OPEN, IN_PROCESS, PAID, EXPIRED, CANCELLED, FAILED, TAKEN_BACK = (
    *("open", "in_process", "paid", "expired", "cancelled", "failed", "taken_back"),
)
#: From which states a charge comes to a state.
MOVES = {
    IN_PROCESS: (OPEN,),
    PAID: (OPEN, IN_PROCESS),
    EXPIRED: (OPEN,),
    CANCELLED: (OPEN,),
    FAILED: (OPEN, IN_PROCESS),
    TAKEN_BACK: (PAID,),
}
#: The states of a refund.
UNDER_WAY, DONE, NOT_DONE = "under_way", "done", "not_done"

#: slow: the call works and answers late; drop: the call works without an answer; a status does no work.
API_FAULTS = ("slow", "drop", "401", "403", "429", "500", "502", "503")
WEBHOOK_FAULTS = (
    *("webhook_twice", "webhook_late", "webhook_wrong_amount", "webhook_wrong_currency", "webhook_bad_signature"),
    "webhook_never",
)
#: Seconds to wait for the shop's answer, seconds until a message that was not taken is sent again, and how often a
#: message is sent at most.
ANSWER_TIMEOUT, REPEAT_AFTER, MOST_TIMES = 10.0, 0.5, 20


class No(Exception):
    """A call or a move that the state forbids; ``answer`` is what the merchant gets."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass
class Refund:
    """Money on its way back for a charge."""

    id: str
    amount: Decimal
    #: The merchant's own number, where the provider takes one.
    key: str = ""
    state: str = UNDER_WAY


@dataclass
class Message:
    """A message to the shop, and the shop's answers: each a status, or 0 for none."""

    body: bytes
    headers: dict[str, str]
    query: str = ""
    answers: list[int] = field(default_factory=list)

    def listing(self) -> Json:
        """Return the message as the control endpoint shows it."""
        return {"body": self.body.decode(), "headers": self.headers, "query": self.query, "answers": self.answers}


@dataclass
class Charge:
    """A code or a page that a payer can pay; no data about the payer is kept."""

    id: str
    account: str
    reference: str
    amount: Decimal
    currency: str
    created_at: datetime
    expires_at: datetime | None
    #: What the payer types; empty for a page.
    code: str = ""
    state: str = OPEN
    paid_at: datetime | None = None
    changed_at: datetime | None = None
    refunds: list[Refund] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    #: Further values that a dialect wants to show again.
    more: Json = field(default_factory=dict)

    @property
    def given_back(self) -> Decimal:
        """The sum of the refunds that were done."""
        return sum((each.amount for each in self.refunds if each.state == DONE), Decimal(0))

    @property
    def refundable(self) -> Decimal:
        """The sum that is neither given back nor on its way."""
        return self.amount - sum((each.amount for each in self.refunds if each.state != NOT_DONE), Decimal(0))

    def listing(self) -> Json:
        """Return the charge as the control endpoint shows it."""
        shown = {name: getattr(self, name) for name in ("id", "account", "reference", "currency", "code", "state")}
        refunds = [{"id": each.id, "amount": str(each.amount), "state": each.state} for each in self.refunds]
        messages = [each.listing() for each in self.messages]
        paid_at = self.paid_at.isoformat() if self.paid_at else None
        expires_at = self.expires_at.isoformat() if self.expires_at else None
        return shown | {
            "amount": str(self.amount),
            "paid_at": paid_at,
            "expires_at": expires_at,
            "refunds": refunds,
            "messages": messages,
        }


@dataclass
class Fault:
    """An order for faults: ``about`` is a text in path or body, ``call`` a pattern of METHOD path."""

    name: str
    call: str = ""
    about: str = ""
    seconds: float = DEFAULT_SECONDS
    left: int = 1


class Dialect:
    """A provider; a subclass sets ``name`` and ``accounts`` and implements ``call``, ``refusal`` and ``message``."""

    #: The prefix of the paths, without slashes.
    name: ClassVar[str]
    #: The part of ``BASE_URL`` behind the prefix, such as ``v2/``.
    base: ClassVar[str] = ""
    #: The made-up keys of the accounts ``shop`` and ``other``, under the names of the channel's OPTIONS.
    accounts: ClassVar[Mapping[str, Json]]
    #: Whether the date of a charge ends the charge by the clock.
    ends_by_date: ClassVar[bool] = True

    def __init__(self, site: str) -> None:
        #: The address of the sandbox with the dialect's prefix, without a slash at the end.
        self.site = f"{site}/{self.name}"
        self.lock = threading.RLock()
        self.charges: dict[str, Charge] = {}
        self.webhooks: dict[str, str] = {}
        self._faults: list[Fault] = []
        self._numbers = itertools.count(1)
        #: Whether a refund is done at once; else a control ends each refund.
        self.refunds_at_once = False

    @property
    def environment(self) -> list[str]:
        """The address and the keys of the account ``shop``, as lines of a ``.env``; keys of many lines are left out."""
        keys: Json = {"BASE_URL": f"{self.site}/{self.base}", **self.accounts["shop"]}
        texts = {name: value[0] if isinstance(value, list) else str(value) for name, value in keys.items()}
        return [f"{self.name.upper()}_{name}={value}" for name, value in texts.items() if "\n" not in value]

    # Implemented by a dialect.

    def call(self, request: Request) -> Answer:
        """Return the answer to a merchant's call; ``request.path`` begins behind the prefix. May raise ``No``."""
        raise NotImplementedError

    def refusal(self, status: int) -> Answer:
        """Return the provider's own body for a fault's status, such as 401, 429 or 500."""
        raise NotImplementedError

    def message(self, charge: Charge, account: str, *, amount: Decimal, currency: str, forged: bool) -> Message:
        """Return the signed message about a charge's state; ``forged``: signed with another secret."""
        raise NotImplementedError

    # For a dialect.

    def add(self, charge: Charge) -> Charge:
        """Keep a new charge."""
        self.charges[charge.id] = charge
        return charge

    def number(self) -> int:
        """Return the next number of this run."""
        return next(self._numbers)

    def own(self, account: str, name: str) -> Charge | None:
        """Return an account's charge by the provider's id, or None."""
        charge = self.charges.get(name)
        return self._aged(charge) if charge and charge.account == account else None

    def by_reference(self, account: str, reference: str) -> list[Charge]:
        """Return an account's charges by the merchant's number, oldest first."""
        found = [each for each in self.charges.values() if (each.account, each.reference) == (account, reference)]
        return [self._aged(each) for each in found]

    def move(self, charge: Charge, state: str, *, force: bool = False) -> bool:
        """Bring a charge to a state and return True; False where its present state forbids the move."""
        if not force and self._aged(charge).state not in MOVES[state]:
            return False
        charge.state, charge.changed_at = state, now()
        if state == PAID:
            charge.paid_at = now()
        return True

    def give_back(self, charge: Charge, refund: Refund) -> Refund:
        """Keep a refund, done at once where the run was told so."""
        charge.refunds.append(refund)
        if self.refunds_at_once:
            refund.state = DONE
        return refund

    def _aged(self, charge: Charge) -> Charge:
        if self.ends_by_date and charge.state == OPEN and charge.expires_at and charge.expires_at <= now():
            charge.state = EXPIRED
        return charge

    # Calls.

    def answer(self, request: Request) -> Answer | None:
        """Return the answer to a merchant's call, with faults where ordered; None: close without an answer."""
        with self.lock:
            fault = self._fault(request)
        if fault.name.isdigit():
            return self.refusal(int(fault.name))
        try:
            with self.lock:
                answer = self.call(request)
        except No as no:
            answer = no.answer
        if fault.name == "slow":
            time.sleep(fault.seconds)
        return None if fault.name == "drop" else answer

    def _fault(self, request: Request) -> Fault:
        name, _, seconds = (request.headers.get(HEADER) or "").partition(":")
        if name in API_FAULTS:
            return Fault(name, seconds=read_seconds(seconds) if seconds else DEFAULT_SECONDS)
        call, text = f"{request.method} {request.path}", request.path + request.query + request.body.decode("latin-1")
        return self._take(API_FAULTS, call, text) or Fault("")

    def _take(self, names: tuple[str, ...], call: str, text: str) -> Fault | None:
        """Return the oldest fault that fits and count one use, or None."""
        for fault in self._faults:
            if fault.name in names and re.search(fault.call, call) and fault.about in text:
                fault.left -= 1
                self._faults = [each for each in self._faults if each.left > 0]
                return fault
        return None

    # Controls.

    def control(self, request: Request, order: str) -> Answer:
        """Return the answer to an order under ``/sandbox/<name>/``, or to a look at ``charges``."""
        if request.method == "GET" and order == "charges":
            with self.lock:
                return json_answer(200, {"charges": [self._aged(each).listing() for each in self.charges.values()]})
        body = read_object(request.body or b"{}")
        if request.method != "POST" or body is None:
            return json_answer(400, {"error": "POST a JSON object, or GET charges"})
        try:
            with self.lock:
                return json_answer(200, self._order(order, body))
        except KeyError as error:
            return json_answer(404, {"error": f"unknown: {error}"})
        except PermissionError as error:
            return json_answer(409, {"error": str(error)})
        except ValueError as error:
            return json_answer(400, {"error": str(error)})

    def _order(self, order: str, body: Json) -> Json:
        states = {
            "pay": PAID,
            "process": IN_PROCESS,
            "expire": EXPIRED,
            "cancel": CANCELLED,
            "fail": FAILED,
            "take_back": TAKEN_BACK,
        }
        if order == "webhook":
            url = str(body.get("url", ""))
            self.webhooks.update(dict.fromkeys([str(body["account"])] if "account" in body else self.accounts, url))
        elif order == "faults":
            self._faults.append(_read_fault(body))
        elif order == "refunds_at_once":
            self.refunds_at_once = bool(body.get("on", True))
        elif order == "finish":
            self._finish(str(body["id"]), done=bool(body.get("done", True)), tell=bool(body.get("tell", False)))
        elif order in states:
            charge = self._named(body)
            if not self.move(charge, states[order], force=bool(body.get("force", False))):
                raise PermissionError(f"the charge is {charge.state}")
            self._altered(charge, body)
            if body.get("notify", True):
                self.tell(charge)
        else:
            raise KeyError(order)
        return {}

    @staticmethod
    def _altered(charge: Charge, body: Json) -> None:
        """Let a payment be of another moment."""
        if body.get("paid_at"):
            charge.paid_at = datetime.fromisoformat(str(body["paid_at"]))

    def _named(self, body: Json) -> Charge:
        """Return the charge that an order names by ``id``, ``code`` or ``reference``; of several the newest."""
        for charge in reversed(self.charges.values()):
            if body.get("id") == charge.id or (body.get("code") or "-") == charge.code:
                return charge
            if body.get("reference") == charge.reference:
                return charge
        raise KeyError("charge")

    def _finish(self, name: str, *, done: bool, tell: bool) -> None:
        for charge in self.charges.values():
            for refund in charge.refunds:
                if refund.id == name:
                    refund.state = DONE if done else NOT_DONE
                    charge.changed_at = now()
                    if tell:
                        self.tell(charge)
                    return
        raise KeyError(name)

    # Messages.

    def tell(self, charge: Charge) -> None:
        """Send a message about a charge's state in the background, again until the shop has taken the message."""
        fault = self._take(WEBHOOK_FAULTS, f"webhook {charge.id}", charge.reference)
        name = fault.name if fault else ""
        message = self.message(
            charge,
            charge.account,
            amount=charge.amount + (1 if name == "webhook_wrong_amount" else 0),
            currency=_another(charge.currency) if name == "webhook_wrong_currency" else charge.currency,
            forged=name == "webhook_bad_signature",
        )
        charge.messages.append(message)
        url = self.webhooks.get(charge.account, "")
        if url and name != "webhook_never":
            delay = fault.seconds if fault and name == "webhook_late" else 0.0
            times = 2 if name == "webhook_twice" else 1
            threading.Thread(target=_carry, args=(url, message, delay, times), daemon=True).start()


def now() -> datetime:
    """Return the present second in UTC."""
    return datetime.now(UTC).replace(microsecond=0)


def _another(currency: str) -> str:
    return "USD" if currency == "PEN" else "PEN"


def _read_fault(body: Json) -> Fault:
    name, times = str(body.get("fault")), body.get("times", 1)
    if name not in (*API_FAULTS, *WEBHOOK_FAULTS):
        raise ValueError("fault: one of " + ", ".join((*API_FAULTS, *WEBHOOK_FAULTS)))
    if not isinstance(times, int) or isinstance(times, bool) or times < 1:
        raise ValueError("times: a whole number above zero")
    seconds = read_seconds(body.get("seconds", DEFAULT_SECONDS))
    return Fault(name, str(body.get("call", "")), str(body.get("about", "")), seconds, times)


def _carry(url: str, message: Message, delay: float, times: int) -> None:
    time.sleep(delay)
    for _ in range(MOST_TIMES):
        message.answers.append(_post(url, message))
        taken = sum(200 <= each < 300 for each in message.answers)
        if taken >= times:
            return
        if not 200 <= message.answers[-1] < 300:
            time.sleep(REPEAT_AFTER)


def _post(url: str, message: Message) -> int:
    """Send a message, and return the status of the shop's answer; 0 without an answer."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_TIMEOUT)
    query = "&".join(filter(None, (parts.query, message.query)))
    target = (parts.path or "/") + (f"?{query}" if query else "")
    try:
        connection.request("POST", target, message.body, {"Content-Type": "application/json", **message.headers})
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException, ValueError):
        return 0
    finally:
        connection.close()


def header(request: Request, name: str) -> str:
    """Return a header of a call, empty if missing."""
    return str(request.headers.get(name) or "")


def fields(request: Request) -> Any:
    """Return the JSON object of a call's body; {} for another body."""
    return read_object(request.body or b"{}") or {}
