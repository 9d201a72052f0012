"""The faults of the sandbox, ordered by call, by code, by transaction code, or by a request header."""

import threading
from collections.abc import Collection
from dataclasses import dataclass

from .rules import read_cip
from .wire import Answer, Json, Request, json_answer, refusal

CALLS = ("authorizations", "create", "search", "update", "delete")
#: slow: the call works and answers late; drop: the call works without an answer; all other faults do no work.
API_FAULTS = ("slow", "drop", "401", "500", "503")
WEBHOOK_FAULTS = (
    "webhook_twice",
    "webhook_late",
    "webhook_wrong_amount",
    "webhook_wrong_currency",
    "webhook_bad_signature",
    "webhook_never",
)
#: The header by which a request asks for one API fault; `slow:0.5` gives the seconds.
HEADER = "X-Sandbox-Fault"

DEFAULT_SECONDS = 2.0

_DOWN = b"<html><head><title>503</title></head><body><h1>Service Unavailable</h1></body></html>"


@dataclass
class Fault:
    """An order for a fault; None means any call or code, ``transaction_code`` is a beginning."""

    name: str
    call: str | None = None
    cip: int | None = None
    transaction_code: str | None = None
    seconds: float = DEFAULT_SECONDS
    left: int = 1

    def fits(self, call: str, cips: Collection[int], codes: Collection[str]) -> bool:
        """Return whether the fault applies to a call about these codes."""
        if (call == "webhook") != (self.name in WEBHOOK_FAULTS) or self.call not in (None, call):
            return False
        if self.cip is not None and self.cip not in cips:
            return False
        return self.transaction_code is None or any(code.startswith(self.transaction_code) for code in codes)


class Faults:
    """The faults that wait for a matching call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Add a waiting fault."""
        with self._lock:
            self._waiting.append(fault)

    def take(self, call: str, cips: Collection[int], codes: Collection[str]) -> Fault | None:
        """Return the oldest fault that fits and count one use, or None."""
        with self._lock:
            fault = next((each for each in self._waiting if each.fits(call, cips, codes)), None)
            if fault is not None:
                fault.left -= 1
                self._waiting = [each for each in self._waiting if each.left > 0]
            return fault


def read_fault(body: Json) -> Fault:
    """Return the fault in the body of a control call; raises ``ValueError`` with the reason."""
    name, call, times = body.get("fault"), body.get("call"), body.get("times", 1)
    if name not in (*API_FAULTS, *WEBHOOK_FAULTS):
        raise ValueError("fault: one of " + ", ".join((*API_FAULTS, *WEBHOOK_FAULTS)))
    if call is not None and call not in (("webhook",) if name in WEBHOOK_FAULTS else CALLS):
        raise ValueError(f"call: {name} does not go with it")
    if not isinstance(times, int) or isinstance(times, bool) or times < 1:
        raise ValueError("times: a whole number above zero")
    cip = None
    if body.get("cip") is not None:
        cip = read_cip(body["cip"])
        if cip is None:
            raise ValueError("cip: digits")
    code = body.get("transactionCode")
    seconds = read_seconds(body.get("seconds", DEFAULT_SECONDS))
    return Fault(name, call, cip, None if code is None else str(code), seconds, times)


def read_header(request: Request) -> Fault | None:
    """Return the fault that a request's own header asks for, or None; raises ``ValueError`` for an unknown fault."""
    value = request.headers.get(HEADER)
    if value is None:
        return None
    name, colon, seconds = value.strip().partition(":")
    if name not in API_FAULTS:
        raise ValueError(f"{HEADER}: one of " + ", ".join(API_FAULTS))
    return Fault(name, seconds=read_seconds(seconds) if colon else DEFAULT_SECONDS)


def read_seconds(value: object) -> float:
    """Return a waiting time of at most ten minutes, in seconds."""
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 600:
        raise ValueError("seconds: a number from 0 to 600")
    return seconds


def failing_answer(request: Request, fault: Fault) -> Answer | None:
    """Return the answer of a fault that does no work (protocol 1.3); None for "slow" and "drop"."""
    if fault.name == "401":
        return Answer(401)
    if fault.name == "500":
        return refusal(request, 166, status=500)
    if fault.name == "503":
        return Answer(503, _DOWN, "text/html; charset=utf-8")
    return None


def bad_order(error: ValueError) -> Answer:
    """Return the answer to a wrong control call, with the reason."""
    return json_answer(400, {"error": str(error)})
