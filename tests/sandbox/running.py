"""A sandbox process, a client that knows the protocol, a shop that listens. Nothing of ours, no Django."""

from __future__ import annotations

import hashlib
import http.server
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

import requests

ROOT = Path(__file__).resolve().parents[2]
LIMA = timezone(timedelta(hours=-5))
#: Seconds: far more than anything takes, also on a machine that does five other things.
PATIENCE = 60.0

Found = TypeVar("Found")


def lima(**ahead: float) -> str:
    """Give a date in the 25 characters of the protocol, some time from now."""
    return (datetime.now(LIMA) + timedelta(**ahead)).strftime("%Y-%m-%dT%H:%M:%S-05:00")


def wait_for(look: Callable[[], Found], patience: float = PATIENCE) -> Found:
    """Look again and again until there is something, or fail after so many seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


def order(**changes: Any) -> dict[str, Any]:
    """Give a complete create request; None takes a field away."""
    body = {
        "currency": "PEN",
        "amount": 35.5,
        "transactionCode": "ORDER-1001",
        "dateExpiry": lima(hours=5),
        "paymentConcept": "Dos polos",
        "additionalData": "tienda",
        "adminEmail": "shop@example.com",
        "userEmail": "ana@example.com",
        "userId": "77",
        "userName": "Ana",
        "userLastName": "Quispe",
        "userUbigeo": "150115",
        "userCountry": "PERU",
        "userDocumentType": "DNI",
        "userDocumentNumber": "12345678",
        "userPhone": "999888777",
        "userCodeCountry": "+51",
        "serviceId": 1234,
    }
    body.update(changes)
    return {name: value for name, value in body.items() if value is not None}


@dataclass
class Client:
    """A merchant's program, written from the protocol."""

    process: subprocess.Popen[str]
    base: str
    keys: dict[str, str]
    session: requests.Session = field(default_factory=requests.Session)
    token: str = ""

    @property
    def options(self) -> dict[str, str]:
        """Return the keys as a channel's OPTIONS want them."""
        return {name: self.keys[name] for name in ("SERVICE_ID", "ACCESS_KEY", "SECRET_KEY")}

    def __post_init__(self) -> None:
        self.session.trust_env = False
        self.site = self.base.removesuffix("/v1/")

    def authorization(self, **changes: Any) -> dict[str, Any]:
        moment = changes.get("dateRequest", lima())
        parts = (self.keys["SERVICE_ID"], self.keys["ACCESS_KEY"], self.keys["SECRET_KEY"], moment)
        body = {
            "accessKey": self.keys["ACCESS_KEY"],
            "idService": int(self.keys["SERVICE_ID"]),
            "dateRequest": moment,
            "hashString": hashlib.sha256(".".join(parts).encode()).hexdigest(),
        }
        body.update(changes)
        return {name: value for name, value in body.items() if value is not None}

    def authorize(self, **changes: Any) -> requests.Response:
        return self.send("POST", "/v1/authorizations", self.authorization(**changes))

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.request(method, self.site + path, json=body, headers=given, timeout=PATIENCE)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """Send an API call with a token."""
        if not self.token:
            self.token = self.authorize().json()["data"]["token"]
        return self.send(method, path, body, Authorization=f"Bearer {self.token}", **headers)

    def create(self, **changes: Any) -> int:
        answer = self.call("POST", "/v1/cips", order(**changes))
        assert answer.status_code == 201, answer.text
        cip = answer.json()["data"]["cip"]
        assert isinstance(cip, int)
        return cip

    def search(self, *cips: Any) -> list[dict[str, Any]]:
        answer = self.call("POST", "/v1/cips/search", {"data": [{"cip": cip} for cip in cips]})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    def tell(self, name: str, **body: Any) -> dict[str, Any]:
        """Use a control endpoint."""
        answer = self.send("POST", f"/sandbox/{name}", body)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def book(self, cip: int) -> dict[str, Any]:
        """Give what the sandbox itself knows about a code."""
        cips: list[dict[str, Any]] = self.send("GET", "/sandbox/cips").json()["cips"]
        return next(each for each in cips if each["cip"] == cip)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "pagoefectivo_django.sandbox", *arguments]


@contextmanager
def running(*arguments: str) -> Iterator[Client]:
    """Start a sandbox on a free port and stop it."""
    with subprocess.Popen(
        command("--port", "0", *arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith("PagoEfectivo sandbox: http://127.0.0.1:"), first
        lines = [process.stdout.readline().rstrip("\n") for _ in range(4)]
        keys = dict(line.split("=", 1) for line in lines)
        client = Client(process, first.removeprefix("PagoEfectivo sandbox: ").rstrip("\n"), keys)
        try:
            yield client
        finally:
            client.session.close()
            process.terminate()
            process.wait(PATIENCE)


@dataclass
class Shop:
    """A merchant's webhook: remembers what came, answers as told."""

    url: str = ""
    received: list[tuple[bytes, str | None]] = field(default_factory=list)
    #: statuses to answer first, one each; afterwards 200
    answers: list[int] = field(default_factory=list)

    def about(self, cip: int) -> list[dict[str, Any]]:
        """Give the bodies that came about one code."""
        bodies = [json.loads(body) for body, _ in list(self.received)]
        return [body for body in bodies if body.get("data", {}).get("cip") == str(cip)]


@contextmanager
def listening() -> Iterator[Shop]:
    """Open a shop on a free port."""
    shop = Shop()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = shop.answers.pop(0) if shop.answers else 200
            shop.received.append((body, self.headers["PE-Signature"]))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        shop.url = f"http://127.0.0.1:{server.server_port}/webhooks/default/?a=1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield shop
        finally:
            server.shutdown()
            thread.join()
