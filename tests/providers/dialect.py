"""A provider of the sandbox's dialects, in the sandbox's process, as a ``Control``."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import requests

from pagoefectivo_django.channels.base import CodeRef, Incoming
from pagoefectivo_django.sandbox.dialects import DIALECTS
from pagoefectivo_django.sandbox.dialects.base import Dialect
from tests.sandbox.running import PATIENCE

from .between import Fault, always
from .control import Control


class DialectControl(Control):
    """Subclasses set ``name``, ``backend``, ``calls``, ``words``, ``lacks`` and implement ``say``.

    The dialect knows every move; ``lacks`` names those that its provider has not got.
    """

    #: The dialect's prefix.
    name: ClassVar[str]

    def __init__(self, site: str, session: requests.Session) -> None:
        self.site, self.session = site, session

    @property
    def dialect(self) -> type[Dialect]:
        return DIALECTS[self.name]

    def options(self, site: str, *, other: bool = False) -> dict[str, Any]:
        keys = self.dialect.accounts["other" if other else "shop"]
        return {"ENVIRONMENT": "sandbox", "BASE_URL": f"{site}/{self.name}/{self.dialect.base}", **keys}

    #: The status of an answer with an error.
    error_status: ClassVar[int] = 400

    def error(self, code: str) -> Fault:
        return always(self.error_status, json.dumps(self.said(code)).encode())

    def said(self, code: str) -> dict[str, Any]:
        """The provider's own JSON with an error code."""
        raise NotImplementedError

    def listen(self, url: str) -> None:
        self.tell("webhook", url=url)

    def charges(self) -> list[dict[str, Any]]:
        answer = self.session.get(f"{self.site}/sandbox/{self.name}/charges", timeout=PATIENCE)
        found: list[dict[str, Any]] = answer.json()["charges"]
        return found

    def messages(self, ref: CodeRef) -> list[Incoming]:
        (charge,) = [each for each in self.charges() if each["id"] == ref.provider_id]
        return [Incoming(each["body"].encode(), each["headers"], each["query"]) for each in charge["messages"]]

    def made(self, transaction_code: str) -> int:
        return sum(each["reference"] == transaction_code for each in self.charges())

    def tell(self, order: str, **body: Any) -> None:
        """Give an order to the dialect's controls."""
        url = f"{self.site}/sandbox/{self.name}/{order}"
        answer = self.session.post(url, json=body, timeout=PATIENCE)
        assert answer.status_code == 200, f"{order} {body}: {answer.text}"

    def pay(self, ref: CodeRef) -> None:
        self.tell("pay", id=ref.provider_id)

    def process(self, ref: CodeRef) -> None:
        self.tell("process", id=ref.provider_id)

    def expire(self, ref: CodeRef) -> None:
        self.tell("expire", id=ref.provider_id)

    def cancel(self, ref: CodeRef) -> None:
        self.tell("cancel", id=ref.provider_id)

    def fail(self, ref: CodeRef) -> None:
        self.tell("fail", id=ref.provider_id)

    def take_back(self, ref: CodeRef) -> None:
        self.tell("take_back", id=ref.provider_id)

    def finish(self, refund: str, *, done: bool = True, tell: bool = False) -> None:
        self.tell("finish", id=refund, done=done, tell=tell)
