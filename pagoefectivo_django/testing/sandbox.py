"""The sandbox as a process of its own: a provider over HTTP, for tests of a whole shop."""

from __future__ import annotations

import http.client
import json
import subprocess  # nosec B404 # starts our own sandbox
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.urls import reverse

from ..conf import PAGOEFECTIVO_BACKEND, conf
from ..flows import tick
from ..models import Order
from .orders import move_date

#: Seconds until the sandbox has started, answered, or notified the shop.
PATIENCE = 30.0


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox: its address, and its made-up keys as the printed ``.env`` has them."""

    site: str
    environment: Mapping[str, str] = field(repr=False)

    def settings(self, public_url: str = "") -> dict[str, Any]:
        """Return the project's ``PAGOEFECTIVO`` with one channel, ``default``, that asks this sandbox."""
        names = ("BASE_URL", "SERVICE_ID", "ACCESS_KEY", "SECRET_KEY")
        options = {"ENVIRONMENT": "sandbox"} | {name: self.environment[f"PAGOEFECTIVO_{name}"] for name in names}
        channel = {"BACKEND": PAGOEFECTIVO_BACKEND, "OPTIONS": options}
        return {**conf.all(), "CHANNELS": {"default": channel}, "ROUTES": None, "PUBLIC_URL": public_url}

    def notifies(self, url: str) -> None:
        """Have notifications sent to the webhook of a shop that is served at ``url``, such as a live server's."""
        self.tell("webhook", url=url.rstrip("/") + reverse("pagoefectivo:webhook", args=["default"]))

    def pay(self, order: Order, **changes: Any) -> Order:
        """Pay an order's code at the counter, wait until the shop's webhook has the notification; return the order.

        ``changes``: ``amount`` (a text), ``currency``, ``operationNumber``, ``paymentDate`` of the payment.
        """
        return self._heard(order, "pay", **changes)

    def expire(self, order: Order) -> Order:
        """End an order by date, and return the order.

        Here and at the sandbox the date is moved to the past, the shop is notified, and a round of the worker
        (``tick``) takes the last look.
        """
        self._heard(order, "expire", notify=True)
        move_date(order)
        tick()
        order.reload()
        return order

    def reverse(self, order: Order) -> Order:
        """Take the payment of an order's code back, and notify the shop."""
        return self._heard(order, "reverse")

    def tell(self, control: str, **body: Any) -> dict[str, Any]:
        """Use a control endpoint, ``/sandbox/<control>``; raises ``AssertionError`` with the answer if refused."""
        return ask(self.site, f"/sandbox/{control}", body)

    def await_answers(self) -> None:
        """Wait until the shop has answered each notification that the sandbox means to send.

        Raises ``AssertionError`` if an answer is missing for long. The fixture ``pagoefectivo_sandbox`` waits at its
        end, so that no notification writes to the database after the test.
        """

        def answered() -> bool:
            notices = [notice for cip in self._cips() for notice in cip["webhooks"]]
            return all(notice["answers"] or notice["fault"] == "webhook_never" for notice in notices)

        _wait(answered, lambda: "The shop has not answered each notification of the sandbox; see notifies().")

    def _heard(self, order: Order, control: str, **body: Any) -> Order:
        order.reload()
        if not order.code:
            raise AssertionError(f"Order {order} has no code: {order.last_error or 'nobody issued one'}")
        before = len(self._answers(order))
        self.tell(control, cip=order.code, **body)
        # The shop answers after its receivers have heard the event.
        _wait(
            lambda: 200 in self._answers(order)[before:],
            lambda: (
                f"The sandbox did not reach the webhook about order {order}, which answered {self._answers(order)}; "
                "see notifies()."
            ),
        )
        order.reload()
        return order

    def _answers(self, order: Order) -> list[int | str]:
        """Return what the shop's webhook answered to each notification about an order's code."""
        (mine,) = [cip for cip in self._cips() if str(cip["cip"]) == order.code.lstrip("0")]
        return [answer for notice in mine["webhooks"] for answer in notice["answers"]]

    def _cips(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ask(self.site, "/sandbox/cips")["cips"]
        return found


def _wait(done: Callable[[], bool], problem: Callable[[], str]) -> None:
    """Wait until something is done; raises ``AssertionError`` with the problem after ``PATIENCE``."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise AssertionError(problem())
        time.sleep(0.02)


def ask(site: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """POST a control of a sandbox, or GET it without a body, and return the answer.

    Raises ``AssertionError`` if the sandbox refuses.
    """
    parts = urlsplit(site)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        method, content = ("GET", None) if body is None else ("POST", json.dumps(body))
        connection.request(method, path, content, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read() or b"{}")
    finally:
        connection.close()
    if response.status != 200:
        raise AssertionError(f"The sandbox answered {response.status} to {path}: {answer.get('error', '')}")
    found: dict[str, Any] = answer
    return found


@contextmanager
def sandbox(*arguments: str) -> Iterator[Sandbox]:
    """Start a sandbox on a free port of this machine, and stop it at the end.

    ``arguments``: options of ``python -m pagoefectivo_django.sandbox``, such as ``"--optional-phone"``.
    """
    command = [sys.executable, "-m", "pagoefectivo_django.sandbox", "--port", "0", *arguments]
    with subprocess.Popen(  # nosec B603 # a command of ours
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield _announced(process)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _announced(process: subprocess.Popen[str]) -> Sandbox:
    """Read what a sandbox prints at its start: the address, then the ``.env`` up to the app's own variables."""
    printed, site = dict[str, str](), ""
    for line in process.stdout or ():
        if line.startswith("PagoEfectivo sandbox: "):
            site = line.removeprefix("PagoEfectivo sandbox: ").strip().removesuffix("/v1/")
        else:
            name, _, value = line.strip().partition("=")
            printed[name] = value
        if "PAGOEFECTIVO_SECRET_KEY" in printed:
            return Sandbox(site, printed)
    raise AssertionError("The sandbox did not start: run `python -m pagoefectivo_django.sandbox --port 0` to see why.")
