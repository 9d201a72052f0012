"""A provider of another shape, for tests: ids in place of codes, hints in place of messages. Nothing of ours.

``python -m tests.providers.hinting_server`` prints its address and serves until it is ended. Money is in hundredths.

========================================  =============================================================================
``POST /payments``                        a new payment: reference, hundredths, currency, expires_at, title, payer
``GET /payments?ids=…``, ``?reference=``  ``{"results": […]}``; what the account has not got is left out
``DELETE /payments/ID``                   200 while pending, else 409
``POST /payments/ID/refunds``             a refund: hundredths, key; the same key again: the same refund
``GET /refunds?ids=…``                    ``{"results": […]}``
``POST /control/ORDER``                   an order of a test's: ``hook``, ``move``, ``finish``, ``patience``, ``fault``
``GET /control/payments``                 everything that is known, and the messages that were sent
========================================  =============================================================================

An account is named by its token: the bearer ``token-NAME`` is the account NAME, whose messages ``secret-NAME`` signs. A
message is a POST to the account's hook with ``?id=…&topic=payment``. Its body is the same for each fact, and its
signature, ``X-Signature``, is the HMAC-SHA256 of ``id:ID;topic:TOPIC`` in hex.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import re
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
#: The header by which a request asks for a fault; the storm and the crash test know the sandbox's.
FAULT = "X-Sandbox-Fault"
BODY = b'{"action":"payment.updated"}'
#: From which states a payment comes to a state; ``force`` asks nobody.
MOVES = {
    "in_process": ("pending",),
    "approved": ("pending", "in_process"),
    "rejected": ("pending", "in_process"),
    "expired": ("pending",),
    "cancelled": ("pending",),
    "charged_back": ("approved",),
}
#: Seconds until a message that was not taken is sent again, and how often a message is sent at most.
REPEAT_AFTER, MOST_TIMES = 0.5, 20


class No(Exception):
    """An answer that is no success: its status and its word."""

    def __init__(self, status: int, word: str) -> None:
        super().__init__(status, word)
        self.status, self.word = status, word


class Provider:
    """Payments, refunds, hooks and faults, in memory."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.numbers = itertools.count(1)
        self.payments: dict[str, Json] = {}
        self.refunds: dict[str, Json] = {}
        self.hooks: dict[str, str] = {}
        self.faults: list[Json] = []
        #: At which look-up a refund ends; None: a test ends it.
        self.looks: int | None = None
        self.site = ""

    # The merchant's calls.

    def create(self, account: str, asked: Json) -> Json:
        amount = asked.get("hundredths")
        if not isinstance(amount, int) or not 10 <= amount <= 10_000_000:
            raise No(400, "amount_out_of_range")
        if asked.get("currency") not in ("PEN", "USD") or not asked.get("payer", {}).get("email"):
            raise No(400, "invalid_field")
        name = f"pay-{next(self.numbers)}-{hashlib.sha256(asked['reference'].encode()).hexdigest()[:8]}"
        payment = {
            "id": name,
            "reference": asked["reference"],
            "status": "pending",
            "hundredths": amount,
            "refunded_hundredths": 0,
            "currency": asked["currency"],
            "expires_at": asked["expires_at"],
            "paid_at": None,
            "operation": "",
            "url": f"{self.site}/pay/{name}",
            "account": account,
            "payer": asked["payer"],
            "title": asked.get("title", ""),
            "messages": [],
        }
        self.payments[name] = payment
        return self.shown(payment)

    def look(self, account: str, query: Mapping[str, list[str]]) -> Json:
        ids, reference = query.get("ids", [""])[0].split(","), query.get("reference", [""])[0]
        if len(ids) > 50:
            raise No(400, "too_many_ids")
        mine = [each for each in self.payments.values() if each["account"] == account]
        return {"results": [self.shown(each) for each in mine if each["id"] in ids or each["reference"] == reference]}

    def cancel(self, account: str, name: str) -> Json:
        payment = self.mine(account, name)
        self.move(payment, "cancelled")
        return self.shown(payment)

    def refund(self, account: str, name: str, asked: Json) -> Json:
        payment = self.mine(account, name)
        for refund in self.refunds.values():
            if (refund["payment"], refund["key"]) == (name, asked["key"]):
                return refund
        taken = sum(each["hundredths"] for each in self.of(name) if each["status"] != "rejected")
        if payment["status"] != "approved" or asked["hundredths"] + taken > payment["hundredths"]:
            raise No(409, "not_refundable")
        refund = {"id": f"ref-{next(self.numbers)}", "payment": name, "status": "in_process", "looks": 0, **asked}
        self.refunds[refund["id"]] = refund
        return refund

    def look_at_refunds(self, account: str, query: Mapping[str, list[str]]) -> Json:
        ids = query.get("ids", [""])[0].split(",")
        found = [self.refunds[each] for each in ids if each in self.refunds]
        for refund in found:
            refund["looks"] += 1
            if refund["looks"] == self.looks and refund["status"] == "in_process":
                self.finish(refund, "approved")
        return {"results": [each for each in found if self.payments[each["payment"]]["account"] == account]}

    def mine(self, account: str, name: str) -> Json:
        payment = self.payments.get(name)
        if payment is None or payment["account"] != account:
            raise No(404, "unknown_payment")
        return payment

    def of(self, name: str) -> list[Json]:
        return [each for each in self.refunds.values() if each["payment"] == name]

    @staticmethod
    def shown(payment: Json) -> Json:
        return {name: value for name, value in payment.items() if name not in ("account", "payer", "title", "messages")}

    # What payers, the provider's staff and its tests do.

    def order(self, name: str, body: Json) -> Json:
        if name == "hook":
            self.hooks[body["account"]] = body["url"]
        elif name == "fault":
            self.faults += [{"times": 1, "seconds": 1.0} | body]
        elif name == "move":
            payment = self.payments[body["id"]]
            self.move(payment, body["to"], force=body.get("force", False), paid_at=body.get("paid_at"))
            self.tell(payment, times=body.get("times", 1), after=body.get("after", 0.0))
        elif name == "finish":
            payment = self.finish(self.refunds[body["id"]], body["to"])
            self.tell(payment, times=body.get("times", 1))
        elif name == "patience":
            self.looks = body["looks"]
        else:
            raise No(404, "unknown_order")
        return {}

    def finish(self, refund: Json, to: str) -> Json:
        payment = self.payments[refund["payment"]]
        refund["status"] = to
        back = sum(each["hundredths"] for each in self.of(payment["id"]) if each["status"] == "approved")
        payment["refunded_hundredths"] = back
        payment["status"] = "refunded" if back == payment["hundredths"] else payment["status"]
        return payment

    @staticmethod
    def move(payment: Json, to: str, *, force: bool = False, paid_at: str | None = None) -> None:
        if not force and payment["status"] not in MOVES[to]:
            raise No(409, f"payment_is_{payment['status']}")
        payment["status"] = to
        if to == "approved":
            now = datetime.now(UTC).isoformat(timespec="seconds")
            payment["paid_at"], payment["operation"] = paid_at or now, f"OP-{payment['id']}"
        if to == "charged_back":
            payment["refunded_hundredths"] = payment["hundredths"]

    def tell(self, payment: Json, *, times: int, after: float = 0.0) -> None:
        """Send a message so many times, and again until it is taken; 0: the message is written and never sent."""
        text = f"id:{payment['id']};topic:payment"
        secret = f"secret-{payment['account']}".encode()
        message = {
            "query": f"id={payment['id']}&topic=payment",
            "body": BODY.decode(),
            "headers": {"X-Signature": hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()},
            "times": times if self.hooks.get(payment["account"]) else 0,
            "answers": [],
        }
        payment["messages"].append(message)
        if message["times"]:
            url = f"{self.hooks[payment['account']]}?{message['query']}"
            threading.Thread(target=self._send, args=(url, message, after), daemon=True).start()

    @staticmethod
    def _send(url: str, message: Json, after: float) -> None:
        headers = {"Content-Type": "application/json", **message["headers"]}
        time.sleep(after)
        for _ in range(MOST_TIMES):
            try:
                request = urllib.request.Request(url, BODY, headers, method="POST")
                with urllib.request.urlopen(request, timeout=30) as answer:
                    message["answers"].append(answer.status)
            except urllib.error.HTTPError as error:
                message["answers"].append(error.code)
            except OSError:
                message["answers"].append(0)
            if message["answers"].count(200) >= message["times"]:
                return
            if message["answers"][-1] != 200:
                time.sleep(REPEAT_AFTER)

    def fault(self, call: str, body: str, asked: str) -> tuple[str, float]:
        """Return the fault of a call and its seconds: the one that the header asks for, else one that was ordered."""
        if asked:
            name, _, seconds = asked.partition(":")
            return name, float(seconds or 1)
        for fault in self.faults:
            if re.search(fault["call"], call) and fault.get("about", "") in call + body:
                fault["times"] -= 1
                self.faults = [each for each in self.faults if each["times"] > 0]
                return fault["fault"], fault["seconds"]
        return "", 0.0


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        provider, url = self.server.provider, urlsplit(self.path)
        if url.path.startswith("/control/"):
            self.reply(*self.work(lambda: self.control(url.path.removeprefix("/control/"), body)))
            return
        with provider.lock:
            call = f"{self.command} {self.path}"
            fault, seconds = provider.fault(call, body.decode(), self.headers.get(FAULT, ""))
        if fault in ("400", "401", "500", "503"):
            self.reply(int(fault), {"error": "made_up"})
            return
        status, said = self.work(lambda: self.call(url.path, parse_qs(url.query), json.loads(body or b"{}")))
        if fault == "slow":
            time.sleep(seconds)
        if fault == "drop":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.reply(status, said)

    do_GET = do_POST = do_DELETE = answer

    def work(self, what: Callable[[], Json]) -> tuple[int, Json]:
        try:
            with self.server.provider.lock:
                found = what()
            return (201 if self.command == "POST" else 200), found
        except No as no:
            return no.status, {"error": no.word}
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            return 400, {"error": f"invalid_request {type(error).__name__}"}

    def control(self, order: str, body: bytes) -> Json:
        provider = self.server.provider
        if self.command == "GET":
            return {"payments": list(provider.payments.values()), "refunds": list(provider.refunds.values())}
        return provider.order(order, json.loads(body))

    def call(self, path: str, query: Mapping[str, list[str]], body: Json) -> Json:
        account = self.headers.get("Authorization", "").partition("Bearer token-")[2]
        if not account:
            raise No(401, "invalid_token")
        provider = self.server.provider
        match (self.command, *path.strip("/").split("/")):
            case ("POST", "payments"):
                return provider.create(account, body)
            case ("GET", "payments"):
                return provider.look(account, query)
            case ("DELETE", "payments", name):
                return provider.cancel(account, name)
            case ("POST", "payments", name, "refunds"):
                return provider.refund(account, name, body)
            case ("GET", "refunds"):
                return provider.look_at_refunds(account, query)
        raise No(404, "unknown_path")

    def reply(self, status: int, said: Json) -> None:
        content = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.provider = Provider()
        self.provider.site = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *args: object) -> None:
        pass  # a client that no longer listens


def serve() -> None:
    with Server() as server:
        sys.stdout.write(server.provider.site + "\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    serve()
