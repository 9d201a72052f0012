"""The other side of a provider: its payers, its staff and its messages, as a test moves them over real HTTP."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, ClassVar

import requests

from pagoefectivo_django.channels import backend_class
from pagoefectivo_django.channels.base import Channel, CodeRef, Incoming
from pagoefectivo_django.states import Fact
from tests.sandbox.running import PATIENCE, ROOT, Client

from .between import Fault
from .linking_server import KEY, SECRET, LinkingProvider, sign


class Control:
    """A provider under a test's control; a subclass for each.

    A move that a provider has not got is not implemented, and ``lacks`` says why: its tests are skipped with that word.
    """

    #: The channel's BACKEND, and the address at which the provider is reached.
    backend: ClassVar[str]
    site: str
    #: A pattern of ``METHOD path?query`` for each method of the channel that asks the provider.
    calls: ClassVar[Mapping[str, str]]
    #: The provider's words for the status of a code that is not paid, and what they mean.
    words: ClassVar[Mapping[str, Fact]]
    lacks: ClassVar[Mapping[str, str]] = {}
    #: What a look-up's answer does not name, of ``amount``, ``paid_at`` and ``transaction_code``.
    silent: ClassVar[frozenset[str]] = frozenset()
    #: The currency of the orders.
    currency: ClassVar[str] = "PEN"
    #: The fields of the payer's document, at a provider that needs one.
    document: ClassVar[Mapping[str, str]] = {}

    def options(self, site: str, *, other: bool = False) -> dict[str, Any]:
        """The OPTIONS of a channel that reaches the provider at an address; ``other``: of another account there."""
        raise NotImplementedError

    def channel(self, site: str, *, other: bool = False, **changes: Any) -> Channel:
        return backend_class(self.backend)("default", self.options(site, other=other) | changes)

    def hasty(self, site: str, seconds: float) -> Channel:
        """A channel that waits so long for an answer."""
        return self.channel(site, TIMEOUT=seconds)

    def listen(self, url: str) -> None:
        """Send messages to an address from now on; an empty one takes none."""
        raise NotImplementedError

    def messages(self, ref: CodeRef) -> list[Incoming]:
        """All messages about a code so far, sent or not, oldest first."""
        raise NotImplementedError

    def made(self, transaction_code: str) -> int:
        """How many codes were made for a number of ours."""
        raise NotImplementedError

    def say(self, answer: Any, word: str) -> Any:
        """An answer to a look-up of one code with another status."""
        raise NotImplementedError

    def error(self, code: str) -> Fault:
        """The provider's answer with an error code in its own form, at a provider whose channel has a table of them."""
        raise NotImplementedError

    # Moves.

    def pay(self, ref: CodeRef) -> None:
        raise NotImplementedError

    def process(self, ref: CodeRef) -> None:
        """Begin a payment that is examined before it counts."""
        raise NotImplementedError

    def expire(self, ref: CodeRef) -> None:
        raise NotImplementedError

    def cancel(self, ref: CodeRef) -> None:
        """End a code that the merchant has not deleted."""
        raise NotImplementedError

    def fail(self, ref: CodeRef) -> None:
        """Let a code that was issued fail."""
        raise NotImplementedError

    def take_back(self, ref: CodeRef) -> None:
        """Take a payment back that the merchant has not refunded."""
        raise NotImplementedError

    def finish(self, refund: str, *, done: bool = True, tell: bool = False) -> None:
        """End a refund that takes days; ``tell``: with a message about its payment."""
        raise NotImplementedError


class PagoEfectivo(Control):
    """The sandbox; the signature is made here once more, from the protocol (6.2)."""

    backend = "pagoefectivo_django.channels.pagoefectivo.PagoEfectivoChannel"
    calls: ClassVar = {
        "issue": "POST /v1/cips$",
        "look_up": "POST /v1/cips/search",
        "extend": "PATCH /v1/cips/",
        "delete": "DELETE /v1/cips/",
    }
    words: ClassVar = {
        "21": Fact.CODE_EXPIRED,
        "22": Fact.ISSUED,
        "23": Fact.PAYMENT,
        "25": Fact.CODE_DELETED,
        "24": Fact.UNKNOWN,
    }
    lacks: ClassVar = {
        "process": "PagoEfectivo takes cash, which nobody examines",
        "cancel": "at PagoEfectivo only the merchant deletes a code",
        "fail": "a code of PagoEfectivo ends by its date alone",
    }
    #: The keys of another service of the same merchant, in the same sandbox.
    OTHER: ClassVar = {
        "SERVICE_ID": "5678",
        "ACCESS_KEY": "EXAMPLEACCESSKEY0002",
        "SECRET_KEY": "ExampleSecretKey00000000000000000000/+02",
    }

    def __init__(self, sandbox: Client) -> None:
        self.sandbox, self.site = sandbox, sandbox.site

    def options(self, site: str, *, other: bool = False) -> dict[str, Any]:
        return {"ENVIRONMENT": "custom", "BASE_URL": f"{site}/v1/", **(self.OTHER if other else self.sandbox.options)}

    def listen(self, url: str) -> None:
        self.sandbox.tell("webhook", url=url)

    def messages(self, ref: CodeRef) -> list[Incoming]:
        book = self.sandbox.book(int(ref.code))
        keys = self.sandbox.keys if str(book["serviceId"]) == self.sandbox.keys["SERVICE_ID"] else self.OTHER
        bodies = [notice["body"].encode() for notice in book["webhooks"]]
        signed = [hmac.new(keys["SECRET_KEY"].encode(), body, hashlib.sha256).hexdigest() for body in bodies]
        return [Incoming(body, {"PE-Signature": sign}) for body, sign in zip(bodies, signed, strict=True)]

    def made(self, transaction_code: str) -> int:
        cips = self.sandbox.send("GET", "/sandbox/cips").json()["cips"]
        return sum(each["transactionCode"] == transaction_code for each in cips)

    def say(self, answer: Any, word: str) -> Any:
        answer["data"][0]["status"] = int(word) if word.isdigit() else word
        return answer

    def pay(self, ref: CodeRef) -> None:
        self.sandbox.tell("pay", cip=int(ref.code))

    def expire(self, ref: CodeRef) -> None:
        self.sandbox.tell("expire", cip=int(ref.code), notify=True)

    def take_back(self, ref: CodeRef) -> None:
        self.sandbox.tell("reverse", cip=int(ref.code))


class Hinting(Control):
    """The provider of ``hinting_server``, in a process of its own."""

    backend = "tests.providers.hinting.HintingChannel"
    calls: ClassVar = {
        "issue": "POST /payments$",
        "look_up": r"GET /payments\?ids",
        "find": r"GET /payments\?reference",
        "delete": "DELETE /payments/",
        "refund": "POST /payments/.*/refunds$",
        "look_up_refunds": "GET /refunds",
    }
    words: ClassVar = {
        "pending": Fact.ISSUED,
        "in_process": Fact.IN_PROCESS,
        "approved": Fact.PAYMENT,
        "rejected": Fact.CODE_FAILED,
        "expired": Fact.CODE_EXPIRED,
        "cancelled": Fact.CODE_DELETED,
        "refunded": Fact.PAYMENT_REVERSED,
        "charged_back": Fact.PAYMENT_REVERSED,
        "moon": Fact.UNKNOWN,
    }

    def __init__(self, site: str) -> None:
        self.site, self.session = site, requests.Session()
        self.session.trust_env = False

    def options(self, site: str, *, other: bool = False) -> dict[str, Any]:
        name = "other" if other else "shop"
        return {"BASE_URL": site, "MERCHANT": name, "TOKEN": f"token-{name}", "WEBHOOK_SECRETS": [f"secret-{name}"]}

    def listen(self, url: str) -> None:
        self.tell("hook", account="shop", url=url)

    def messages(self, ref: CodeRef) -> list[Incoming]:
        (payment,) = [each for each in self.payments() if each["id"] == ref.provider_id]
        return [Incoming(each["body"].encode(), each["headers"], each["query"]) for each in payment["messages"]]

    def made(self, transaction_code: str) -> int:
        return sum(each["reference"] == transaction_code for each in self.payments())

    def say(self, answer: Any, word: str) -> Any:
        answer["results"][0]["status"] = word
        return answer

    def move(self, ref: CodeRef, to: str, **how: Any) -> None:
        self.tell("move", id=ref.provider_id, to=to, **how)

    def pay(self, ref: CodeRef) -> None:
        self.move(ref, "approved")

    def process(self, ref: CodeRef) -> None:
        self.move(ref, "in_process")

    def expire(self, ref: CodeRef) -> None:
        self.move(ref, "expired")

    def cancel(self, ref: CodeRef) -> None:
        self.move(ref, "cancelled")

    def fail(self, ref: CodeRef) -> None:
        self.move(ref, "rejected")

    def take_back(self, ref: CodeRef) -> None:
        self.move(ref, "charged_back")

    def finish(self, refund: str, *, done: bool = True, tell: bool = False) -> None:
        self.tell("finish", id=refund, to="approved" if done else "rejected", times=int(tell))

    def payments(self) -> list[dict[str, Any]]:
        answer = self.session.get(f"{self.site}/control/payments", timeout=PATIENCE)
        found: list[dict[str, Any]] = answer.json()["payments"]
        return found

    def listing(self) -> list[dict[str, Any]]:
        """The payments in the form of the sandbox's list of codes, for books that are compared with ours."""
        return [_listed(payment) for payment in self.payments()]

    def tell(self, order: str, **body: Any) -> bool:
        """Give an order to the server; False if a payment's state forbids it."""
        answer = self.session.post(f"{self.site}/control/{order}", json=body, timeout=PATIENCE)
        assert answer.status_code in (201, 409), f"{order} {body}: {answer.text}"
        return bool(answer.status_code == 201)


#: The sandbox's states of a code (protocol 4.1).
_STATES = {"pending": 22, "in_process": 22, "expired": 21, "rejected": 21, "cancelled": 25}


def _listed(payment: Mapping[str, Any]) -> dict[str, Any]:
    taken = {
        "operationNumber": payment["operation"],
        "amount": f"{Decimal(payment['hundredths']) / 100:.2f}",
        "currency": payment["currency"],
        "reversed": payment["status"] in ("refunded", "charged_back"),
    }
    return {
        "cip": payment["id"],
        "transactionCode": payment["reference"],
        "status": _STATES.get(payment["status"], 23),
        "statusName": payment["status"],
        "dateExpiry": payment["expires_at"],
        "payments": [taken] if payment["paid_at"] else [],
        "webhooks": [],
        "messages": payment["messages"],
    }


class Linking(Control):
    """The provider of ``linking_server``, in this process."""

    backend = "tests.providers.linking.LinkingChannel"
    calls: ClassVar = {
        "issue": "POST /pages$",
        "look_up": r"GET /pages\?ids",
        "find": "GET /references/",
        "refund": "POST /pages/.*/refunds$",
        "look_up_refunds": "GET /refunds/",
    }
    words: ClassVar = {
        "open": Fact.ISSUED,
        "paid": Fact.PAYMENT,
        "ended": Fact.CODE_EXPIRED,
        "cancelled": Fact.CODE_DELETED,
        "refunded": Fact.PAYMENT_REVERSED,
        "pondering": Fact.UNKNOWN,
    }
    lacks: ClassVar = {
        "process": "the provider of links says paid or nothing",
        "fail": "a link of this provider ends by its date",
        "other": "the provider of links has one account",
    }

    def __init__(self, provider: LinkingProvider) -> None:
        self.provider, self.site, self.hook = provider, provider.base, ""
        self.sent: list[tuple[str, Incoming]] = []

    def options(self, site: str, *, other: bool = False) -> dict[str, Any]:
        return {"BASE_URL": site, "KEY": KEY, "SECRET": SECRET, "CAN_FIND": True}

    def hasty(self, site: str, seconds: float) -> Channel:
        channel = self.channel(site)
        channel.timeout = seconds  # type: ignore[attr-defined]
        return channel

    def listen(self, url: str) -> None:
        self.hook = url

    def messages(self, ref: CodeRef) -> list[Incoming]:
        return [message for name, message in self.sent if name == ref.provider_id]

    def made(self, transaction_code: str) -> int:
        return sum(page.reference == transaction_code for page in self.provider.pages.values())

    def say(self, answer: Any, word: str) -> Any:
        answer["pages"][0]["state"] = word
        return answer

    def pay(self, ref: CodeRef) -> None:
        self.provider.pay(self.provider.pages[ref.provider_id])
        self._tell(ref)

    def expire(self, ref: CodeRef) -> None:
        self._be(ref, "ended")

    def cancel(self, ref: CodeRef) -> None:
        self._be(ref, "cancelled")

    def take_back(self, ref: CodeRef) -> None:
        self._be(ref, "refunded")

    def finish(self, refund: str, *, done: bool = True, tell: bool = False) -> None:
        self.provider.refunds[refund]["state"] = "done" if done else "failed"

    def _be(self, ref: CodeRef, state: str) -> None:
        self.provider.pages[ref.provider_id].state = state
        self._tell(ref)

    def _tell(self, ref: CodeRef) -> None:
        body = self.provider.message(self.provider.pages[ref.provider_id])
        self.sent.append((ref.provider_id, Incoming(body, {"Linking-Signature": sign(body)})))
        if self.hook:
            self.provider.send(self.hook, body)


class LinkingAfar:
    """The provider of links in a process of its own, whose pages a test reads and pays."""

    def __init__(self, site: str) -> None:
        self.site, self.session = site, requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {KEY}"

    def options(self) -> dict[str, Any]:
        """The OPTIONS of a channel to the account, whose pages live ten minutes."""
        keys = {"BASE_URL": self.site, "KEY": KEY, "SECRET": SECRET}
        return keys | {"MINUTES": 10, "CAN_FIND": True, "SHARED_ACCOUNT": True}

    def pages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.session.get(f"{self.site}/control", timeout=PATIENCE).json()["pages"]
        return found

    def listing(self) -> list[dict[str, Any]]:
        """The pages, but for the other system's, in the form of the sandbox's list of codes."""
        return [_listed_page(page) for page in self.pages()[1:]]

    def message(self, *ids: str) -> Incoming:
        """One message of these pages, and before them of another system's."""
        pages = self.pages()
        body = json.dumps({"events": [page for page in pages if page["id"] in ids or page == pages[0]]}).encode()
        return Incoming(body, {"Linking-Signature": sign(body)})

    def pay(self, page: str) -> None:
        self.tell(page)

    def tell(self, order: str) -> None:
        assert self.session.post(f"{self.site}/control/{order}", timeout=PATIENCE).status_code == 200


def _listed_page(page: Mapping[str, Any]) -> dict[str, Any]:
    taken = {"operationNumber": page["number"], "amount": page["amount"], "currency": page["currency"]}
    return {
        "cip": page["id"],
        "transactionCode": page["reference"],
        "status": 22 if page["state"] == "open" else 23,
        "statusName": page["state"],
        "dateExpiry": page["ends_at"],
        "payments": [taken | {"reversed": False}] if page["paid_at"] else [],
        "webhooks": [],
    }


@contextmanager
def hinting() -> Iterator[Hinting]:
    """Start the server of hints on a free port and stop it."""
    with _serving("hinting_server") as site:
        control = Hinting(site)
        yield control
        control.session.close()


@contextmanager
def linking() -> Iterator[LinkingAfar]:
    """Start the server of links on a free port and stop it."""
    with _serving("linking_server") as site:
        control = LinkingAfar(site)
        yield control
        control.session.close()


@contextmanager
def _serving(module: str) -> Iterator[str]:
    command = [sys.executable, "-W", "error", "-m", f"tests.providers.{module}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            process.wait(PATIENCE)
