"""Kind 16, shapes that nobody listed: whatever HTTP and JSON leave a client free to do is the same request."""

# ruff: noqa: E501

from __future__ import annotations

import http.client
import json
import socket
from datetime import datetime, timedelta
from typing import Any

import pytest

from .running import LIMA, PATIENCE, Client, lima, order


def address(sandbox: Client) -> tuple[str, int]:
    host, _, port = sandbox.site.removeprefix("http://").rpartition(":")
    return host, int(port)


def said(sandbox: Client, method: str, path: str, body: bytes, headers: list[tuple[str, str]]) -> tuple[int, bytes]:
    """Send one request with exactly these headers, and its length."""
    connection = http.client.HTTPConnection(*address(sandbox), timeout=PATIENCE)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def raw(sandbox: Client, data: bytes) -> bytes:
    """Write bytes, and return all that comes until the server closes."""
    with socket.create_connection(address(sandbox), timeout=PATIENCE) as connection:
        connection.sendall(data)
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def bearer(sandbox: Client) -> str:
    return str(sandbox.authorize().json()["data"]["token"])


@pytest.mark.parametrize(
    "path", ["/v1/cips", "/v1/cips/", "/V1/CIPS", "/v1/Cips", "/v1//cips", "/v1/cips?x=1", "/v1/%63ips", "//v1/cips"]
)
def test_an_address_in_any_spelling(sandbox: Client, path: str) -> None:
    status, answer = said(
        sandbox, "POST", path, json.dumps(order()).encode(),
        [("Content-Type", "application/json"), ("Authorization", f"Bearer {bearer(sandbox)}")],
    )  # fmt: skip
    assert status == 201, answer


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-Type", "application/json"),
        ("content-type", "application/json;charset=utf-8"),
        ("CONTENT-TYPE", "Application/JSON; Charset=UTF-8"),
        ("Content-type", 'application/json; charset="utf-8"; profile=x'),
    ],
)
@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
@pytest.mark.parametrize("key", ["Authorization", "authorization", "AUTHORIZATION"])
def test_headers_in_any_case(sandbox: Client, name: str, value: str, scheme: str, key: str) -> None:
    headers = [(name, value), (key, scheme + bearer(sandbox)), ("X-Unknown", "1"), ("accept", "*/*")]
    assert said(sandbox, "POST", "/v1/cips", json.dumps(order()).encode(), headers)[0] == 201


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/xml", ""])
def test_what_is_not_called_json_is_refused(sandbox: Client, kind: str | None) -> None:
    headers = [("Authorization", f"Bearer {bearer(sandbox)}")] + ([("Content-Type", kind)] if kind is not None else [])
    assert said(sandbox, "POST", "/v1/cips", json.dumps(order()).encode(), headers)[0] == 415


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Basic eA==", "Token x", "Bearer x y", "x"])
def test_what_is_no_token_is_401(sandbox: Client, authorization: str) -> None:
    headers = [("Content-Type", "application/json"), ("Authorization", authorization)]
    assert said(sandbox, "POST", "/v1/cips", json.dumps(order()).encode(), headers)[0] == 401


def test_http_1_0_without_and_with_a_kept_connection(sandbox: Client) -> None:
    body = json.dumps(sandbox.authorization()).encode()
    head = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n".encode()
    once = raw(sandbox, b"POST /v1/authorizations HTTP/1.0\r\n" + head + b"\r\n" + body)
    assert once.split(b"\r\n")[0].endswith(b"201 Created")
    kept = b"POST /v1/authorizations HTTP/1.0\r\nConnection: keep-alive\r\n" + head + b"\r\n" + body
    assert (
        raw(sandbox, kept + b"POST /v1/authorizations HTTP/1.0\r\n" + head + b"\r\n" + body).count(b"201 Created") == 2
    )


def test_requests_one_behind_the_other_on_one_connection(sandbox: Client) -> None:
    body = json.dumps(sandbox.authorization()).encode()
    one = f"POST /v1/authorizations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n".encode()
    answers = raw(sandbox, (one + b"\r\n" + body) * 3 + one + b"Connection: close\r\n\r\n" + body)
    assert answers.count(b"HTTP/1.1 201 Created") == 4


def test_a_client_that_waits_for_100_gets_it(sandbox: Client) -> None:
    body = json.dumps(sandbox.authorization()).encode()
    head = f"POST /v1/authorizations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n".encode()
    with socket.create_connection(address(sandbox), timeout=PATIENCE) as connection:
        connection.sendall(head + b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
        first = connection.recv(65536)
        assert first.startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(body)
        assert b"201 Created" in first + connection.recv(65536)


@pytest.mark.parametrize(
    "text",
    [
        lambda body: json.dumps(body, indent=4),
        lambda body: json.dumps(body, ensure_ascii=True, sort_keys=True),
        lambda body: json.dumps(body, ensure_ascii=False, separators=(",", ":")),
        lambda body: "\r\n\t " + json.dumps(body) + "\r\n\r\n",
        lambda body: json.dumps(body).replace("35.5", "3.55e1"),
        lambda body: json.dumps(body).replace("35.5", "35.50000"),
        lambda body: json.dumps(body).replace("/", "\\/"),
    ],
)
def test_json_in_any_writing(sandbox: Client, text: Any) -> None:
    body = text(order(userName="Ñandú", paymentConcept="a/b")).encode()
    headers = [("Content-Type", "application/json"), ("Authorization", f"Bearer {bearer(sandbox)}")]
    status, answer = said(sandbox, "POST", "/v1/cips", body, headers)
    assert (status, json.loads(answer)["data"]["amount"]) == (201, 35.5)


MORE: list[dict[str, Any]] = [
    {"unknown": 1},
    {"unknown": None, "other": {"deep": [{"x": [None]}]}, "list": [1, "2"]},
    {"": "x", "ñ": "x", "user email": "x", "__proto__": {}, "amount ": 1},
    {"Signature": "x", "notificationUrl": "https://shop.example/", "timeExpiry": 60},
]


@pytest.mark.parametrize("more", MORE)
def test_fields_that_nobody_knows_change_nothing(sandbox: Client, more: dict[str, Any]) -> None:
    assert sandbox.send("POST", "/v1/authorizations", more | sandbox.authorization()).status_code == 201
    made = sandbox.call("POST", "/v1/cips", more | order())
    assert made.status_code == 201
    assert sorted(made.json()["data"]) == ["amount", "cip", "cipUrl", "currency", "dateExpiry", "transactionCode"]
    cip = made.json()["data"]["cip"]
    found = sandbox.call("POST", "/v1/cips/search", more | {"data": [more | {"cip": cip}]})
    assert found.json()["data"][0]["cip"] == cip
    assert sandbox.call("PATCH", f"/v1/cips/{cip}", more | {"dateExpiry": lima(days=2)}).status_code == 200
    assert sandbox.call("DELETE", f"/v1/cips/{cip}", more or None).status_code == 200


#: A number where others write text, and a text where others write numbers.
SWAPPED: dict[str, Any] = {
    "amount": "35.50", "transactionCode": 1001, "userId": 77, "userUbigeo": 150115, "userDocumentNumber": 12345678,
    "userPhone": 999888777, "userCodeCountry": 51, "serviceId": "1234", "userName": 7, "userLastName": 7,
    "paymentConcept": 2026, "additionalData": 1,
}  # fmt: skip


@pytest.mark.parametrize("name", SWAPPED)
def test_a_number_as_text_and_a_text_as_number(sandbox: Client, name: str) -> None:
    assert sandbox.call("POST", "/v1/cips", order(**{name: SWAPPED[name]})).status_code == 201


def test_all_of_them_at_once_and_nothing_that_is_optional(sandbox: Client) -> None:
    assert sandbox.call("POST", "/v1/cips", order(**SWAPPED)).status_code == 201
    needed = ("currency", "amount", "transactionCode", "userEmail", "userPhone", "userCodeCountry")
    made = sandbox.call("POST", "/v1/cips", {name: value for name, value in order().items() if name in needed})
    assert made.status_code == 201
    ends = datetime.fromisoformat(made.json()["data"]["dateExpiry"])
    assert ends > datetime.now(LIMA) + timedelta(minutes=10), "a code without a date has one"


@pytest.mark.parametrize("cip", [str, lambda cip: str(cip).zfill(14), int, lambda cip: f"{cip:010}"])
def test_a_code_is_found_changed_and_deleted_however_it_is_written(sandbox: Client, cip: Any) -> None:
    number = sandbox.create()
    assert sandbox.search(cip(number))[0]["cip"] == number
    assert sandbox.call("PATCH", f"/v1/cips/{cip(number)}", {"dateExpiry": lima(days=2)}).status_code == 200
    assert sandbox.call("DELETE", f"/v1/cips/{cip(number)}").status_code == 200


@pytest.mark.parametrize(
    ("languages", "spanish"),
    [
        ("es-PE,es;q=0.9,en;q=0.8", True),
        ("en-US,en;q=0.9", False),
        ("EN", False),
        ("*", True),
        ("fr", True),
        ("", True),
    ],
)
def test_the_language_of_a_browser(sandbox: Client, languages: str, spanish: bool) -> None:
    made = sandbox.call("POST", "/v1/cips", order(), Accept_Language=languages)
    assert made.json()["message"] == ("Solicitud exitosa." if spanish else "Successful request.")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b"1", b"\xff\xfe{\x00}\x00", "{\"userName\": \"\xf1\"}".encode("latin-1"), b"{'a': 1}",
     b'{"amount": NaN}', b'{"amount": 1e999999999}', b"[" * 5000, b'{"a":' * 5000],
)  # fmt: skip
def test_what_is_no_object_is_one_clear_answer(sandbox: Client, body: bytes) -> None:
    token = bearer(sandbox)
    for method, path in (
        ("POST", "/v1/authorizations"), ("POST", "/v1/cips"), ("POST", "/v1/cips/search"), ("PATCH", "/v1/cips/7"),
    ):  # fmt: skip
        status, answer = said(
            sandbox, method, path, body, [("Content-Type", "application/json"), ("Authorization", f"Bearer {token}")]
        )
        assert (status, json.loads(answer)["code"]) == (400, "111"), (method, path)
