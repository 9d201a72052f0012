"""The merchant's calls under /v1/ (protocol 2 to 5)."""

import re
import time
from datetime import timedelta
from decimal import Decimal

from .book import STATUS_NAMES, Book, Cip, NotPossible
from .dates import now, read_date, write_date
from .faults import Faults, bad_order, failing_answer, read_header
from .rules import AUTHORIZATION, INVALID, REQUIRED, UPDATE, check, check_create, read_cip
from .settings import Settings
from .signing import CODE_SERVICE, request_hash
from .wire import Answer, Entry, Json, Request, json_answer, read_object, refusal

_BEARER = re.compile(r"Bearer +(\S+)", re.IGNORECASE)
_ONE_CIP = re.compile(r"/v1/cips/([0-9]{1,14})")

#: Path → method, and name of the call for faults.
_CALLS = {
    "/v1/authorizations": ("POST", "authorizations"),
    "/v1/cips": ("POST", "create"),
    "/v1/cips/search": ("POST", "search"),
}
_ONE_CIP_CALLS = {"PATCH": "update", "DELETE": "delete"}


class Api:
    """The merchant's API of PagoEfectivo, with faults where ordered."""

    def __init__(self, settings: Settings, book: Book, faults: Faults, site: str) -> None:
        self._settings = settings
        self._book = book
        self._faults = faults
        #: The address before the payment pages' paths.
        self._site = site

    def answer(self, request: Request) -> Answer | None:
        """Return the answer to a call; None means to close the connection without an answer."""
        path = request.path.rstrip("/")
        match = _ONE_CIP.fullmatch(path)
        cip = int(match.group(1)) if match else None
        allowed = _ONE_CIP_CALLS if match else dict((_CALLS[path],)) if path in _CALLS else {}
        if not allowed:
            return self._noted(request, Answer(404))
        if request.method not in allowed:
            return self._noted(request, Answer(405, headers=(("Allow", ", ".join(allowed)),)))
        return self._misbehave(request, allowed[request.method], cip)

    def _misbehave(self, request: Request, call: str, cip: int | None) -> Answer | None:
        body = read_object(request.body)
        cips, codes = self._subjects(call, body or {}, cip)
        try:
            fault = read_header(request) or self._faults.take(call, cips, codes)
        except ValueError as error:
            return bad_order(error)
        failing = failing_answer(request, fault) if fault else None
        if failing is not None:
            return self._noted(request, failing)
        if fault and fault.name == "slow":
            time.sleep(fault.seconds)
        answer = self._work(request, call, body, cip)
        return self._noted(request, None if fault and fault.name == "drop" else answer)

    def _noted(self, request: Request, answer: Answer | None) -> Answer | None:
        self._book.note_call(request.method, request.path, answer.status if answer else None)
        return answer

    def _subjects(self, call: str, body: Json, cip: int | None) -> tuple[set[int], set[str]]:
        """Return the codes and transaction codes in a call, for faults aimed at a code."""
        if call == "create":
            codes = [value for key, value in body.items() if key.lower() == "transactioncode"]
            return set(), {str(code) for code in codes}
        numbers = {cip} if cip is not None else {_element_cip(each) for each in _search_list(body) or ()}
        found = [self._book.find(number) for number in numbers]
        return {number for number in numbers if number}, {each.transaction_code for each in found if each}

    def _work(self, request: Request, call: str, body: Json | None, cip: int | None) -> Answer:
        service = self._bearer(request)
        if call != "authorizations" and service is None:
            return Answer(401)
        if cip is not None and call == "delete":
            return self._delete(request, service, cip)
        if not request.headers.get("Content-Type", "").lower().startswith("application/json"):
            return Answer(415)
        if body is None:
            return refusal(request, 111)
        if call == "authorizations" or service is None:
            return self._authorize(request, body)
        if call == "create":
            return self._create(request, service, body)
        if cip is not None:
            return self._update(request, service, body, cip)
        return self._search(request, service, body)

    def _bearer(self, request: Request) -> int | None:
        """Return the number of the service whose token the request bears, or None."""
        match = _BEARER.fullmatch(request.headers.get("Authorization", ""))
        return None if match is None else self._book.service_of(match.group(1))

    def _own(self, service: int | None, number: int | None) -> Cip | None:
        """Return a code of this service, or None: another service's code counts as unknown (protocol 5 names no
        answer).
        """
        cip = self._book.find(number)
        return cip if cip is not None and cip.service_id == service else None

    def _authorize(self, request: Request, body: Json) -> Answer:
        values, complaints = check(body, AUTHORIZATION)
        asked_at = read_date(values.get("dateRequest"))
        if asked_at and abs(now() - asked_at) > self._settings.clock_skew:
            complaints.append(Entry(INVALID, "dateRequest"))
        if complaints:
            return refusal(request, 111, complaints)
        own = self._settings.service(int(values["idService"]))
        wrong = ""
        if own is None:
            wrong = "idService"
        elif values["accessKey"] != own.access_key:
            wrong = "accessKey"
        elif values["hashString"] != request_hash(
            own.service_id, own.access_key, own.secret_key, values["dateRequest"]
        ):
            wrong = "hashString"
        if own is None or wrong:
            # UNKNOWN in protocol 2.4: status and codes are assumed.
            return refusal(request, 111, [Entry(INVALID, wrong)], status=401)
        token, start, end = self._book.open_token(own.service_id)
        data = {
            "token": token,
            "codeService": CODE_SERVICE,
            "tokenStart": write_date(start),
            "tokenExpires": write_date(end),
        }
        return json_answer(201, {"code": 100, "message": request.messages[100], "data": data})

    def _create(self, request: Request, service: int, body: Json) -> Answer:
        values, complaints = check_create(body, self._settings.optional_phone)
        complaints += self._too_soon(values)
        if complaints:
            return refusal(request, 111, complaints)
        if int(values.get("serviceId", service)) != service:
            return refusal(request, 508)
        if values["amount"] > self._settings.maximum_amount:
            return refusal(request, 511)
        cip = self._book.issue(service, values)
        data = {
            "cip": cip.number,
            "currency": cip.currency,
            "amount": _short(cip.amount),
            "transactionCode": cip.transaction_code,
            "dateExpiry": write_date(cip.expires_at),
            "cipUrl": f"{self._site}/{cip.guid}.html",
        }
        return json_answer(201, {"code": 100, "message": request.messages[100], "data": data})

    def _search(self, request: Request, service: int, body: Json) -> Answer:
        asked = _search_list(body)
        if not asked:
            return refusal(request, 111, [Entry(REQUIRED if asked is None else INVALID, "data")])
        data = [_found(self._own(service, _element_cip(each))) for each in asked]
        return json_answer(200, {"code": 100, "message": request.messages[100], "data": data})

    def _update(self, request: Request, service: int, body: Json, cip: int) -> Answer:
        values, complaints = check(body, UPDATE)
        complaints += self._too_soon(values)
        if complaints:
            return refusal(request, 111, complaints)
        try:
            self._expect_own(service, cip)
            self._book.extend(cip, values["dateExpiry"])
        except NotPossible:
            # UNKNOWN in protocol 5: the answer for a paid, deleted or foreign code is assumed.
            return refusal(request, 111, [Entry(INVALID, "cip")])
        return _done(request)

    def _expect_own(self, service: int | None, number: int) -> None:
        if self._own(service, number) is None:
            raise NotPossible(None)

    def _too_soon(self, values: Json) -> list[Entry]:
        """Return a complaint about an expiry earlier than the shortest life of a code (protocol 3.2), if any."""
        end = values.get("dateExpiry")
        # A client that asks for exactly ten minutes has lost part of the first second on the way, so a second is
        # allowed.
        soonest = now() + max(self._settings.shortest_life - timedelta(seconds=1), timedelta())
        return [Entry(INVALID, "dateExpiry")] if end is not None and end < soonest else []

    def _delete(self, request: Request, service: int | None, cip: int) -> Answer:
        try:
            self._expect_own(service, cip)
            self._book.remove(cip)
        except NotPossible:
            # UNKNOWN in protocol 5, as in _update().
            return refusal(request, 111, [Entry(INVALID, "cip")])
        return _done(request)


def _done(request: Request) -> Answer:
    return json_answer(200, {"code": 100, "message": request.messages[100], "data": {}})


def _short(amount: Decimal) -> int | Decimal:
    """Return an amount without trailing zeros (protocol 3.3)."""
    return int(amount) if amount == int(amount) else amount.normalize()


def _search_list(body: Json) -> list[object] | None:
    """Return the list of a search; None without a list, empty if the value is no list."""
    value = next((value for key, value in body.items() if key.lower() == "data"), None)
    if value is None:
        return None
    return value if isinstance(value, list) else []


def _element_cip(element: object) -> int | None:
    if not isinstance(element, dict):
        return None
    return read_cip(next((value for key, value in element.items() if key.lower() == "cip"), None))


def _found(cip: Cip | None) -> Json:
    """Return one element of a search answer; an empty structure for an unknown code (protocol 4)."""
    if cip is None:
        return {}
    status, payment = cip.status, cip.standing_payment
    return {
        "cip": cip.number,
        "transactionCode": cip.transaction_code,
        "amount": _short(cip.amount),
        "currency": cip.currency,
        "status": status,
        "statusName": STATUS_NAMES[status],
        "dateCreation": write_date(cip.created_at),
        "dateExpiry": write_date(cip.expires_at),
        "datePayment": write_date(payment.paid_at if payment else None),
        "dateRemoval": write_date(cip.removed_at),
        "token": cip.guid,
    }
