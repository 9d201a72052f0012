"""A bridge from a shop elsewhere to the small Django project that is its PagoEfectivo service.

It knows nothing of Django: ``requests`` and ``standardwebhooks`` are all that it needs, and it keeps nothing. What it
is told twice it does twice, and both sides answer the second time as the first.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import requests
from standardwebhooks import Webhook, WebhookVerificationError

logger = logging.getLogger("bridge")
#: Seconds. Shopify waits for five, then asks again.
TIMEOUT = 4
LARGEST_BODY = 1_000_000


class Unproven(Exception):
    """A message without a proof of its sender."""


class AskPerson(Exception):
    """What this program must not decide, and no repetition would mend."""


class Service:
    """Our REST API, with the token of a user who has ``add_order``."""

    def __init__(self, api: str, token: str) -> None:
        self.api, self.token = api.rstrip("/"), token

    def create_order(self, key: str, order: Mapping[str, Any]) -> dict[str, Any]:
        """Create an order once, however often it is asked for: the key is that of the other shop's order."""
        headers = {"Authorization": f"Token {self.token}", "Idempotency-Key": key}
        answer = requests.post(f"{self.api}/orders/", json=dict(order), headers=headers, timeout=TIMEOUT)
        if answer.status_code in (400, 422):
            raise AskPerson(f"{key} can be no order: {answer.json()}")
        answer.raise_for_status()
        made: dict[str, Any] = answer.json()
        return made


Headers = Mapping[str, str]


def heard(secret: str, body: bytes, headers: Headers) -> dict[str, Any]:
    """Return what one of our outgoing webhooks says; raises ``Unproven``."""
    try:
        message: dict[str, Any] = Webhook(secret).verify(body, dict(headers))
    except WebhookVerificationError as error:
        raise Unproven from error
    return message


def bridge(
    secret: str, mark_paid: Callable[[dict[str, Any]], None], receive: Callable[[bytes, Headers], None] | None = None
) -> Callable[..., Iterable[bytes]]:
    """Return a WSGI application: ``/pagoefectivo`` hears our webhooks, ``/orders`` those of the other shop."""

    def handle(path: str, body: bytes, headers: Headers) -> str:
        if path == "/pagoefectivo":
            message = heard(secret, body, headers)
            order = message["data"]["order"]  # as it is now
            if message["type"] == "payment_confirmed" and order["state"] == "paid":
                mark_paid(order)
        elif path == "/orders" and receive:
            receive(body, headers)
        else:
            return "404 Not Found"
        return "204 No Content"

    def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        headers = {name[5:].replace("_", "-").lower(): text for name, text in environ.items() if name[:5] == "HTTP_"}
        size = int(environ.get("CONTENT_LENGTH") or 0)
        try:
            if environ["REQUEST_METHOD"] != "POST" or size > LARGEST_BODY:
                status = "400 Bad Request"
            else:
                status = handle(environ["PATH_INFO"], environ["wsgi.input"].read(size), headers)
        except Unproven:
            status = "401 Unauthorized"
        except AskPerson as error:
            logger.error("A person has to look: %s", error)  # have this log alert somebody
            status = "204 No Content"
        except Exception:
            logger.exception("The sender is to try again.")
            status = "503 Service Unavailable"
        start_response(status, [("Content-Length", "0")])
        return [b""]

    return application


def same_money(amount: Any, wanted: str) -> bool:
    """Return whether two amounts of text or numbers of JSON are the same money."""
    return Decimal(str(amount)) == Decimal(wanted)


def exact(text: bytes) -> Any:
    """Read JSON with its numbers as they are written: no amount becomes a float."""
    return json.loads(text, parse_float=Decimal)
