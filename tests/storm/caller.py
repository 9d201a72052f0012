"""Callers of the API in the storm: eight repeat each request with its key at once, and hang up in the middle."""

from __future__ import annotations

import json
import os
import random
import socket
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests
from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token

from pagoefectivo_django.models import Order
from tests.sandbox.running import PATIENCE

from .shopper import ANA, PATIENT, Shop, called

CLIENTS = 8
#: How often a caller hangs up instead of waiting for the answer, and the longest time after which, in seconds.
HANGS_UP, SOON = 0.4, 0.05


class Callers:
    """One system of the shop's with a token, in many threads; a further thread follows the feed."""

    def __init__(self, sandbox: str, seed: str) -> None:
        self.shop = Shop(sandbox, CLIENTS, seed)
        self.seed, self.site = seed, os.environ["STORM_URL"]
        user, _new = User.objects.get_or_create(username="warehouse", is_superuser=True)
        token, _new = Token.objects.get_or_create(user=user)
        self.headers = {"Authorization": f"Token {token.key}", "Content-Type": "application/json"}
        self.over = threading.Event()
        #: By reference, the ids that the callers were told, each once.
        self.told: dict[str, list[str]] = {}
        self.manners: dict[str, str] = {}
        #: The ids of the feed's events, in the order in which they were read.
        self.events: list[str] = []

    def run(self, orders: int) -> dict[str, Any]:
        """Sell, and return what was seen."""
        with ThreadPoolExecutor(CLIENTS + 1) as pool:
            reader = pool.submit(self.follow)
            try:
                for position in range(orders):
                    self.serve(pool, f"STORM-api-{position}", ("called", "called_off")[position % 2])
            finally:
                self.over.set()
            reader.result()
        return {"told": self.told, "manners": self.manners, "events": self.events}

    def serve(self, pool: ThreadPoolExecutor, reference: str, name: str) -> None:
        """Create an order with all callers at once, and let it end as its manner says."""
        self.manners[reference] = name
        amount, payer = str(self.shop.amount(reference)), asdict(ANA)
        body = {"reference": reference, "amount": amount, "currency": "PEN", "payer": payer}
        self.told[reference] = self.all(pool, "orders/", body, f"create {reference}")
        order = Order.objects.get(reference=reference)
        if name == "called":
            called(self.shop, order)
        else:
            self.all(pool, f"orders/{order.public_id}/cancel/", {"reason": "The cart changed."}, f"cancel {reference}")

    def all(self, pool: ThreadPoolExecutor, path: str, body: Mapping[str, Any], key: str) -> list[str]:
        """Let all callers repeat a request at once until each has a final answer, and return the ids that they saw."""
        barrier = threading.Barrier(CLIENTS)

        def ask(number: int) -> str:
            dice = random.Random(f"{self.seed} {key} {number}")
            barrier.wait(PATIENCE)
            return self.until_final(dice, path, json.dumps(body).encode(), key)

        return sorted(set(pool.map(ask, range(CLIENTS))))

    def until_final(self, dice: random.Random, path: str, body: bytes, key: str) -> str:
        """Send a request, hanging up now and then, until an answer is final; return the id in the answer."""
        until, said = time.monotonic() + PATIENT, ""
        while time.monotonic() < until:
            if dice.random() < HANGS_UP:
                self.hang_up(dice, path, body, key)
                continue
            with suppress(requests.ConnectionError, requests.Timeout), requests.Session() as session:
                session.trust_env = False
                headers = {**self.headers, "Idempotency-Key": key}
                answer = session.post(f"{self.site}/pay/api/{path}", body, headers=headers, timeout=PATIENCE)
                if answer.status_code in (200, 201):
                    return str(answer.json()["id"])
                said = answer.text
                # Under way, or the provider's answer is not known; nothing else is expected.
                assert answer.status_code in (202, 409, 503), said
                assert answer.status_code != 409 or answer.json()["code"] == "idempotency_key_under_way", said
            time.sleep(dice.uniform(0.05, 0.3))
        raise AssertionError(f"no final answer to {key}: {said}")

    def hang_up(self, dice: random.Random, path: str, body: bytes, key: str) -> None:
        """Send a request, or only a part, and close the connection without an answer."""
        begin = (
            f"POST /pay/api/{path} HTTP/1.1\r\nHost: {urlsplit(self.site).netloc}\r\nContent-Length: {len(body)}\r\n"
        )
        headers = {**self.headers, "Idempotency-Key": key}
        rest = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n" + body
        # The storm's server takes cut headers as they are, where others take none. So nothing is cut before the body's
        # length: without, the server sees a request that has no body.
        sent = begin.encode() + (rest if dice.random() < 0.8 else rest[: dice.randrange(len(rest))])
        place = urlsplit(self.site)
        with suppress(OSError), socket.create_connection((place.hostname or "", place.port or 0), PATIENCE) as opened:
            opened.sendall(sent)
            time.sleep(dice.uniform(0, SOON))

    def follow(self) -> None:
        """Follow the feed by its cursor until all is sold, and then to its end."""
        cursor: dict[str, str] = {}
        while True:
            last = self.over.is_set()
            page: list[dict[str, str]] = []
            with suppress(requests.ConnectionError, requests.Timeout), requests.Session() as session:
                session.trust_env = False
                get = partial(session.get, f"{self.site}/pay/api/events/", headers=self.headers, timeout=PATIENCE)
                answer = get(params={"page_size": "20", **cursor})
                assert answer.status_code == 200, answer.text
                page = answer.json()["results"]
            if page:
                self.events.extend(event["id"] for event in page)
                cursor = {"after": page[-1]["cursor"]}
            elif last:
                return
            else:
                time.sleep(0.1)
