"""The control endpoints under /sandbox/: JSON in, JSON out, for tests and for a person with curl."""

from typing import Any

from .book import STATUS_NAMES, Book, Cip, NotPossible, Payment, Taken
from .collector import Collector
from .dates import write_date
from .faults import Faults, bad_order, read_fault
from .notices import Postman, is_web_address
from .rules import Wrong, amount, date, pattern, read_cip
from .wire import Answer, Json, Request, encode, json_answer, read_object, write_json


class Controls:
    """The control endpoints, by which tests cause payments, expiries, faults and notices."""

    def __init__(self, book: Book, faults: Faults, postman: Postman, collector: Collector) -> None:
        self._book = book
        self._faults = faults
        self._postman = postman
        self._collector = collector
        self._orders = {
            "/sandbox/faults": self._add_fault,
            "/sandbox/pay": self._pay,
            "/sandbox/reverse": self._reverse,
            "/sandbox/expire": self._expire,
            "/sandbox/webhook": self._register,
            "/sandbox/notify": self._notify,
        }

    def answer(self, request: Request) -> Answer:
        """Return the answer to an order or a look; 400 explains a wrong order, 404 an unknown code, 409 a state that
        forbids.
        """
        if request.method == "GET":
            return self._show(request.path)
        if request.method != "POST" or request.path not in self._orders:
            return json_answer(404, {"error": "no such control endpoint"})
        body = read_object(request.body)
        if body is None:
            return json_answer(400, {"error": "the body must be a JSON object"})
        try:
            return json_answer(200, self._orders[request.path](body))
        except NotPossible as error:
            return json_answer(404 if error.status is None else 409, {"error": f"the code is: {error}"})
        except ValueError as error:
            return bad_order(error)

    def _show(self, path: str) -> Answer:
        if path == "/sandbox/requests":
            return json_answer(200, {"requests": self._book.calls()})
        if path == "/sandbox/cips":
            cips = [self._listing(cip) for cip in self._book.all()]
            others = [notice.listing() for notice in self._postman.notices(None)]
            return json_answer(200, {"cips": cips, "otherWebhooks": others})
        return json_answer(404, {"error": "no such control endpoint"})

    def _add_fault(self, body: Json) -> Json:
        self._faults.add(read_fault(body))
        return {}

    def _pay(self, body: Json) -> Json:
        taken = Taken(
            amount=_optional(body, "amount", amount),
            currency=_optional(body, "currency", pattern("[A-Z]{3}")),
            operation_number=_optional(body, "operationNumber", _operation_number),
            paid_at=_optional(body, "paymentDate", date),
        )
        payment = self._collector.pay(_cip(body), taken, force=_flag(body, "force", False), full=_full(body))
        return {"operationNumber": payment.operation_number}

    def _reverse(self, body: Json) -> Json:
        notify = _flag(body, "notify", True)
        payment = self._collector.reverse(_cip(body), notify=notify, full=_full(body))
        return {"operationNumber": payment.operation_number}

    def _expire(self, body: Json) -> Json:
        notify = _flag(body, "notify", False)
        cip = self._collector.expire(_cip(body), notify=notify, full=_full(body))
        return {"dateExpiry": write_date(cip.expires_at)}

    def _register(self, body: Json) -> Json:
        url = body.get("url")
        if not isinstance(url, str) or (url and not is_web_address(url)):
            raise ValueError("url: http:// or https://, or empty for none")
        self._postman.urls.update(dict.fromkeys(self._services(body), url))
        return {"url": url}

    def _services(self, body: Json) -> list[int]:
        """Return the number of the named service in a list; without a name all numbers, the first service's first."""
        services = list(self._postman.urls)
        if body.get("serviceId") is None:
            return services
        named = [number for number in services if str(number) == str(body["serviceId"])]
        if not named:
            raise ValueError("serviceId: one of " + ", ".join(map(str, services)))
        return named

    def _notify(self, body: Json) -> Json:
        service = self._services(body)[0]
        if not self._postman.urls[service]:
            raise ValueError("no webhook URL is registered")
        raw = body["raw"] if "raw" in body else write_json(body.get("body", {}))
        if not isinstance(raw, str):
            raise ValueError("raw: text")
        content = encode(raw)
        signature = body.get("signature", self._postman.sign(service, content))
        if signature is not None and not _is_header(signature):
            raise ValueError("signature: text, or null for no header")
        return {"answers": self._postman.send_now(service, content, signature).answers}

    def _listing(self, cip: Cip) -> Json:
        return {
            "cip": cip.number,
            "serviceId": cip.service_id,
            "transactionCode": cip.transaction_code,
            "status": cip.status,
            "statusName": STATUS_NAMES[cip.status],
            "amount": str(cip.amount),
            "currency": cip.currency,
            "paymentConcept": cip.concept,
            "dateCreation": write_date(cip.created_at),
            "dateExpiry": write_date(cip.expires_at),
            "dateRemoval": write_date(cip.removed_at),
            "token": cip.guid,
            "payments": [_payment_listing(payment) for payment in cip.payments],
            "webhooks": [notice.listing() for notice in self._postman.notices(cip.number)],
        }


def _payment_listing(payment: Payment) -> Json:
    return {
        "operationNumber": payment.operation_number,
        "amount": str(payment.amount),
        "currency": payment.currency,
        "paymentDate": write_date(payment.paid_at),
        "reversed": payment.reversed,
    }


def _cip(body: Json) -> int:
    cip = read_cip(body.get("cip"))
    if cip is None:
        raise ValueError("cip: digits")
    return cip


def _optional(body: Json, name: str, read: Any) -> Any:
    if body.get(name) is None:
        return None
    try:
        return read(body[name])
    except Wrong:
        raise ValueError(f"{name}: not valid") from None


def _operation_number(value: object) -> str:
    """Return an operation number of 0 to 14 characters (protocol 6.3)."""
    if not isinstance(value, str) or len(value) > 14:
        raise Wrong
    return value


def _is_header(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _flag(body: Json, name: str, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise ValueError(f"{name}: true or false")
    return value


def _full(body: Json) -> bool:
    shape = body.get("payload", "new")
    if shape not in ("old", "new"):
        raise ValueError('payload: "old" or "new"')
    return bool(shape == "new")
