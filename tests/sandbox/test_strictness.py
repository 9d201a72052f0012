"""Kind 16: the sandbox refuses what the protocol requires otherwise, and nothing that the protocol leaves open.

Public clients were run against it with only host and keys changed; here are the shapes that they send, not their code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from pagoefectivo_django.sandbox.rules import AUTHORIZATION, CREATE, UPDATE

from .running import LIMA, PATIENCE, Client, lima, order, running

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def lenient() -> Iterator[Client]:
    with running("--optional-phone", "--shortest-life", "0") as client:
        yield client


def authorize(sandbox: Client, date: str, **changes: Any) -> Any:
    return sandbox.authorize(dateRequest=date, **changes)


def create(sandbox: Client, body: dict[str, Any], **headers: str) -> Any:
    return sandbox.call("POST", "/v1/cips", body, **headers)


def complaints(answer: Any) -> tuple[int, list[tuple[str, str]]]:
    assert answer.json()["code"] == "111"
    return answer.status_code, [(each["code"], each["field"]) for each in answer.json()["data"]]


def test_the_code_of_authorizations_is_the_number_100(sandbox: Client) -> None:
    """A client that compares the decoded value with 100 goes on (protocol, additions A 2.3)."""
    answer = sandbox.authorize()
    assert answer.status_code == 201
    assert answer.json()["code"] == 100
    assert isinstance(answer.json()["code"], int)


#: Forms of a date that clients send, made from a moment in Lima.
DATES = {
    "document": lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S-05:00"),
    "document's sample, a blank": lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S-05:00"),
    "no colon": lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S-0500"),
    "hours only": lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S-05"),
    "one digit": lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S-5:00"),
    "a host on UTC": lambda moment: moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00"),
    "a host in Tokyo": lambda moment: moment.astimezone(timezone(timedelta(hours=9))).isoformat(timespec="seconds"),
    "a host in Kathmandu": lambda moment: moment.astimezone(timezone(timedelta(minutes=345))).isoformat(),
    "Z": lambda moment: moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "JavaScript": lambda moment: moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.250Z"),
    ".NET, 7 digits": lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.1234567-05:00"),
    ".NET, zeros cut": lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.5-05:00"),
    "Java, 9 digits": lambda moment: moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.123456789Z"),
    "Python": lambda moment: moment.replace(microsecond=123456).isoformat(),
}

#: What is no date with an offset.
NO_DATES: list[Any] = ["", "now", "2030-01-01", "T10:00:00-05:00", "9999-99-99T99:99:99-05:00", 5, True, []]
NO_DATES += ["2030-02-30T10:00:00-05:00", lima(hours=5) + "-05:00", lima(hours=5).replace("T", "TT")]
NO_DATES += [lima(hours=5).replace("-05:00", end) for end in ("", "+25:00", "-05:60", "-", ".-05:00", "ZZ", "-05:00Z")]


@pytest.mark.parametrize("form", DATES)
def test_a_request_is_dated_with_any_offset(sandbox: Client, form: str) -> None:
    """The instant counts, and the text as sent is what is hashed (protocol, additions A 2.1)."""
    sent = DATES[form](datetime.now(LIMA))
    assert authorize(sandbox, sent).status_code == 201
    hashed = DATES["document"](datetime.now(LIMA) - timedelta(seconds=1))
    keys = (sandbox.keys["SERVICE_ID"], sandbox.keys["ACCESS_KEY"], sandbox.keys["SECRET_KEY"], hashed)
    other = hashlib.sha256(".".join(keys).encode()).hexdigest()
    assert complaints(authorize(sandbox, sent, hashString=other)) == (401, [("113", "hashString")])


@pytest.mark.parametrize("form", DATES)
@pytest.mark.parametrize("late", [-6 * MINUTE, 6 * MINUTE])
def test_a_request_of_another_moment_is_refused_in_any_form(sandbox: Client, form: str, late: timedelta) -> None:
    sent = DATES[form](datetime.now(LIMA) + late)
    assert complaints(authorize(sandbox, sent)) == (400, [("113", "dateRequest")])


@pytest.mark.parametrize("form", DATES)
def test_an_end_in_any_form_is_the_same_instant(sandbox: Client, form: str) -> None:
    """Fractions of a second and ``Z`` come from .NET clients (protocol, additions A 3.2)."""
    moment = datetime.now(LIMA).replace(microsecond=0) + timedelta(hours=5)
    made = create(sandbox, order(dateExpiry=DATES[form](moment)))
    assert made.status_code == 201, made.text
    assert made.json()["data"]["dateExpiry"] == DATES["document"](moment)
    path, later = f"/v1/cips/{made.json()['data']['cip']}", moment + timedelta(days=1)
    assert sandbox.call("PATCH", path, {"DateExpiry": DATES[form](later)}).status_code == 200
    assert sandbox.search(made.json()["data"]["cip"])[0]["dateExpiry"] == DATES["document"](later)


@pytest.mark.parametrize("names", [("userPhone",), ("userCodeCountry",), ("userPhone", "userCodeCountry")])
@pytest.mark.parametrize("unset", ["absent", None, ""])
def test_a_missing_phone_is_a_switch(
    sandbox: Client, lenient: Client, names: tuple[str, ...], unset: str | None
) -> None:
    """The vendor's table demands it, the vendor's own demo leaves it out: strict without ``--optional-phone``."""
    body = order()
    for name in names:
        if unset == "absent":
            del body[name]
        else:
            body[name] = unset
    assert complaints(create(sandbox, body)) == (400, [("112", name) for name in names])
    assert create(lenient, body).status_code == 201


def test_the_life_of_a_code_is_a_switch(sandbox: Client, lenient: Client) -> None:
    """Ten minutes are known from one reseller; a shop of the protocol's gives a code five (additions A 3.2)."""
    body = order(dateExpiry=lima(minutes=5))
    assert complaints(create(sandbox, body)) == (400, [("113", "dateExpiry")])
    assert create(lenient, body).status_code == 201
    assert complaints(create(lenient, order(dateExpiry=lima(minutes=-1)))) == (400, [("113", "dateExpiry")])


#: What is wrong by the protocol, for each field of each call.
WRONG: dict[str, list[Any]] = {
    "accessKey": ["short", "X" * 21, "-" * 20],
    "idService": ["12a", 123456, -1, True, 12.5],
    "dateRequest": NO_DATES[1:],
    "hashString": ["A" * 64, "0" * 63, "0" * 65, "g" * 64],
    "currency": ["pen", "EUR", "PENN", 1],
    "amount": [0, -1, 1.005, "1,00", "1.234", " 1", True, [], 10**16, "x", "1e2"],
    "transactionCode": ["x" * 37, {}, [], True],
    "dateExpiry": [*NO_DATES[1:], lima(minutes=-1), lima(days=200)],
    "paymentConcept": ["x" * 51, [], {}],
    "additionalData": ["x" * 201, [], {}],
    "adminEmail": ["nobody", "a b@example.com", "@", "x" * 95 + "@a.com", 5],
    "userEmail": ["nobody", "a b@example.com", "@", "x" * 95 + "@a.com", 5],
    "userId": [[], {}],
    "userName": ["x" * 31, [], {}],
    "userLastName": ["x" * 31, [], {}],
    "userUbigeo": ["1501155", "Lima", -1],
    "userCountry": ["x" * 21, []],
    "userDocumentType": ["RUC", "CDI", "dni", 1],
    "userDocumentNumber": ["1234567", "1234567A", "x" * 15, "12 34"],
    "userPhone": ["9" * 16, "+" + "9" * 15, "phone", "+", "9+9"],
    "userCodeCountry": ["+51999", []],
    "serviceId": ["x", 123456, []],
}

#: What the protocol leaves open, or one of its sources was seen to send.
OPEN: dict[str, list[Any]] = {
    "accessKey": [],
    "idService": ["1234"],
    "dateRequest": [],
    "hashString": [],
    "currency": ["USD"],
    "amount": [1, 35.5, "35.5", "35.50", "35.500", "120", 1e2],
    "transactionCode": ["x" * 36, "a b-ñ/7", 1001],
    "dateExpiry": [None, "", *(form(datetime.now(LIMA) + timedelta(days=1)) for form in DATES.values())],
    "paymentConcept": [None, "", "x" * 50, 7],
    "additionalData": [None, "", "x" * 200],
    "adminEmail": [None, "", "shop@localhost", "ana@example.photography"],
    "userEmail": ["ana@localhost", "ana@example.photography", "ñandú@correo.pe"],
    "userId": [None, "", 77, "x" * 300],
    "userName": [None, "", "x" * 30],
    "userLastName": [None, "", "x" * 30],
    "userUbigeo": [None, "", 150115, "15", "010101"],
    "userCountry": [None, "", "PE", "ECUADOR"],
    "userDocumentType": [None, "", "DNI", "PAS", "PASS", "LMI", "PAR", "NAN", "CE"],
    "userDocumentNumber": [None, ""],
    "userPhone": ["+51999888777", 999888777, "0", "9" * 15, "+" + "9" * 14],
    "userCodeCountry": ["PE", "+593", 51],
    "serviceId": [None, "", "1234", 1234],
}

FIELDS = {field.name: field for field in (*AUTHORIZATION, *CREATE)}


def send(sandbox: Client, name: str, value: Any) -> Any:
    """Send the call that has this field, with this value in place of the right one."""
    if name in {field.name for field in AUTHORIZATION}:
        return sandbox.send("POST", "/v1/authorizations", sandbox.authorization() | {name: value})
    return create(sandbox, order() | {name: value})


def test_the_table_has_every_field() -> None:
    assert set(WRONG) == set(OPEN) == set(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_what_the_protocol_requires_is_refused_when_wrong(sandbox: Client, name: str) -> None:
    """The whole table: an answer of 400 names the field, and nothing else."""
    for value in WRONG[name]:
        answer = send(sandbox, name, value)
        assert answer.status_code == 400, (value, answer.text)
        assert complaints(answer) == (400, [("113", name)]), value
    if FIELDS[name].required:
        for unset in (None, ""):
            assert complaints(send(sandbox, name, unset)) == (400, [("112", name)]), unset


@pytest.mark.parametrize("name", FIELDS)
def test_what_the_protocol_leaves_open_is_accepted(sandbox: Client, name: str) -> None:
    for value in OPEN[name]:
        answer = send(sandbox, name, value)
        assert answer.status_code == 201, (value, answer.text)
    if not FIELDS[name].required:
        for unset in (None, ""):
            assert send(sandbox, name, unset).status_code == 201, unset


def test_the_only_field_of_a_change(sandbox: Client) -> None:
    path = f"/v1/cips/{sandbox.create()}"
    assert [field.name for field in UPDATE] == ["dateExpiry"]
    for value in WRONG["dateExpiry"]:
        assert complaints(sandbox.call("PATCH", path, {"dateExpiry": value})) == (400, [("113", "dateExpiry")]), value
    for value in OPEN["dateExpiry"][2:]:
        assert sandbox.call("PATCH", path, {"dateExpiry": value}).status_code == 200, value
    for body in ({}, {"dateExpiry": None}, {"dateExpiry": ""}):
        assert complaints(sandbox.call("PATCH", path, body)) == (400, [("112", "dateExpiry")])


#: One spelling of every name for each family of clients; the server's is compared without case (additions A 2.1).
SPELLINGS: dict[str, Callable[[str], str]] = {
    "camelCase": str,
    "PascalCase": lambda name: name[0].upper() + name[1:],
    "lower": str.lower,
    "UPPER": str.upper,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_names_in_another_case(sandbox: Client, spelling: str) -> None:
    def spell(body: dict[str, Any]) -> dict[str, Any]:
        return {SPELLINGS[spelling](name): value for name, value in body.items()}

    token = sandbox.send("POST", "/v1/authorizations", spell(sandbox.authorization())).json()["data"]["token"]
    made = sandbox.send("POST", "/v1/cips", spell(order(userName="")), Authorization=f"Bearer {token}")
    assert made.status_code == 201, made.text
    cip = made.json()["data"]["cip"]
    found = sandbox.call("POST", "/v1/cips/search", spell({"data": [spell({"cip": str(cip).zfill(14)})]}))
    assert found.json()["data"][0]["cip"] == cip
    assert sandbox.call("PATCH", f"/v1/cips/{cip}", spell({"dateExpiry": lima(days=1)})).status_code == 200
    assert complaints(create(sandbox, spell(order(currency="EUR")))) == (400, [("113", "currency")])


def dotnet(sandbox: Client) -> dict[str, Any]:
    """The vendor's own demo: names in PascalCase, every unset optional a null, seven digits of a second, no phone."""
    body: dict[str, Any] = {field.name[0].upper() + field.name[1:]: None for field in CREATE}
    body |= {"Currency": "PEN", "Amount": 35.5, "TransactionCode": "NET-1", "UserEmail": "ana@example.com"}
    return body | {"DateExpiry": DATES[".NET, 7 digits"](datetime.now(LIMA) + timedelta(hours=4))}


def nopcommerce(sandbox: Client) -> dict[str, Any]:
    """A shop plug-in: empty names where there is no address, the end in UTC."""
    body = order(userName="", userLastName="", paymentConcept="Polo, gorra", transactionCode="A" * 36)
    return body | {"dateExpiry": DATES["Z"](datetime.now(LIMA) + timedelta(hours=4))}


def ruby(sandbox: Client) -> dict[str, Any]:
    """A gem: what is unset is null, and the end has the host's offset."""
    unset = ("adminEmail", "additionalData", "userUbigeo", "userPhone", "userCodeCountry")
    body: dict[str, Any] = order() | dict.fromkeys(unset)
    return body | {"dateExpiry": DATES["a host on UTC"](datetime.now(LIMA) + timedelta(hours=4))}


def platform(sandbox: Client) -> dict[str, Any]:
    """A platform's back end: a number as userId, document type CE, a plus in the phone, a date without a colon."""
    body = order(userId=77, userDocumentType="CE", userDocumentNumber="001234567", userPhone="+51999888777")
    return body | {"dateExpiry": DATES["no colon"](datetime.now(LIMA) + timedelta(hours=5))}


@pytest.mark.parametrize("shape", [dotnet, nopcommerce, ruby, platform])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Accept-Language": "es"},
        {"Accept-Lenguage": "es-PE"},
        {"Accept-Language": "en-PE", "Origin": "web"},
        {"Origin": "IOS"},
    ],
)
def test_the_shapes_of_public_clients(lenient: Client, shape: Any, headers: dict[str, str]) -> None:
    """With and without ``Origin``, in any language: 201, and the code can be found, extended and deleted."""
    answer = lenient.authorize(dateRequest=DATES["a host on UTC"](datetime.now(LIMA)))
    known = headers | {"Authorization": f"Bearer {answer.json()['data']['token']}"}
    made = lenient.send("POST", "/v1/cips", shape(lenient), **known)
    assert made.status_code == 201, made.text
    assert made.json()["message"] == ("Successful request." if "en-PE" in headers.values() else "Solicitud exitosa.")
    cip = made.json()["data"]["cip"]
    assert (
        lenient.send("POST", "/v1/cips/search", {"Data": [{"Cip": str(cip)}]}, **known).json()["data"][0]["cip"] == cip
    )
    assert lenient.send("PATCH", f"/v1/cips/{cip}", {"DateExpiry": lima(days=1)}, **known).status_code == 200
    assert lenient.send("DELETE", f"/v1/cips/{cip}", **known).status_code == 200


def raw(sandbox: Client, body: Any, **headers: str) -> Any:
    """Post bytes, or pieces of a body that is sent in chunks, as they are."""
    token = sandbox.authorize().json()["data"]["token"]
    given = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"} | headers
    return sandbox.session.post(sandbox.base + "cips", body, headers=given, timeout=PATIENCE)


def test_a_body_in_chunks(sandbox: Client) -> None:
    """.NET's JSON client sends no Content-Length: it was answered 411."""
    text = json.dumps(order(paymentConcept="ñ" * 50), ensure_ascii=False).encode()
    assert raw(sandbox, iter([text[:1], text[1:100], text[100:]])).status_code == 201
    assert raw(sandbox, iter([b"{"])).status_code == 400
    # The connection is in step afterwards.
    assert sandbox.authorize().status_code == 201


def test_a_mark_of_byte_order_and_a_scheme_in_another_case(sandbox: Client) -> None:
    token = sandbox.authorize().json()["data"]["token"]
    text = b"\xef\xbb\xbf" + json.dumps(order()).encode()
    assert raw(sandbox, text, Authorization=f"bearer {token}").status_code == 201
