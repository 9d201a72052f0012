"""POST /v1/authorizations (protocol 2)."""

from datetime import datetime, timedelta

import pytest

from .running import lima, order, running, wait_for


def fields(answer):
    body = answer.json()
    assert body["code"] == "111"
    return {(entry["code"], entry["field"]) for entry in body["data"]}


def test_a_token_for_two_hours(sandbox):
    answer = sandbox.authorize()
    assert answer.status_code == 201
    body = answer.json()
    assert str(body["code"]) == "100"
    data = body["data"]
    assert 200 <= len(data["token"]) <= 210
    assert 3 <= len(data["codeService"]) <= 5
    start, end = (datetime.fromisoformat(data[name]) for name in ("tokenStart", "tokenExpires"))
    assert end - start == timedelta(hours=2)
    assert len(data["tokenExpires"]) == 25
    assert data["tokenExpires"].endswith("-05:00")


def test_the_life_can_be_set_and_ends():
    with running("--token-life", "2") as short:
        data = short.authorize().json()["data"]
        start, end = (datetime.fromisoformat(data[name]) for name in ("tokenStart", "tokenExpires"))
        assert end - start == timedelta(seconds=2)
        assert short.call("POST", "/v1/cips", order()).status_code == 201
        assert wait_for(lambda: short.call("POST", "/v1/cips", order()).status_code == 401)


def test_service_id_as_text_and_any_case_of_the_keys(sandbox):
    assert sandbox.authorize(idService=sandbox.keys["SERVICE_ID"]).status_code == 201
    body = {name[0].upper() + name[1:]: value for name, value in sandbox.authorization().items()}
    assert sandbox.send("POST", "/v1/authorizations", body).status_code == 201


@pytest.mark.parametrize("name", ["accessKey", "idService", "dateRequest", "hashString"])
def test_a_missing_field(sandbox, name):
    body = sandbox.authorization()
    del body[name]
    answer = sandbox.send("POST", "/v1/authorizations", body)
    assert answer.status_code == 400
    assert fields(answer) == {("112", name)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accessKey", "short"),
        ("idService", "12a"),
        ("idService", 123456),
        ("dateRequest", "2026-11-22 10:00:00-05:00"),
        ("dateRequest", "9999-99-99T99:99:99-05:00"),
        ("hashString", "A" * 64),
        ("hashString", "0" * 63),
    ],
)
def test_a_value_that_is_not_valid(sandbox, name, value):
    body = sandbox.authorization() | {name: value}
    answer = sandbox.send("POST", "/v1/authorizations", body)
    assert answer.status_code == 400
    assert fields(answer) == {("113", name)}


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_date_that_is_not_now(sandbox, minutes):
    answer = sandbox.authorize(dateRequest=lima(minutes=minutes))
    assert answer.status_code == 400
    assert fields(answer) == {("113", "dateRequest")}


@pytest.mark.parametrize(
    ("name", "value"),
    [("accessKey", "X" * 20), ("idService", 4321), ("hashString", "0" * 64)],
)
def test_wrong_keys(sandbox, name, value):
    answer = sandbox.authorize(**{name: value})
    assert answer.status_code == 401
    assert fields(answer) == {("113", name)}


def test_keys_of_ones_own():
    access, secret = "EXAMPLEACCESSKEY0001", "ExampleSecretKey00000000000000000000/+01"
    with running("--service-id", "77", "--access-key", access, "--secret-key", secret) as own:
        assert own.keys == {
            "SERVICE_ID": "77",
            "ACCESS_KEY": access,
            "SECRET_KEY": secret,
            "WEBHOOK_URL": "",
        }
        assert own.authorize().status_code == 201


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nobody", "Basic abc", "Bearer  two-blanks"])
def test_calls_without_a_good_token(sandbox, header):
    headers = {} if header is None else {"Authorization": header}
    for method, path in (
        ("POST", "/v1/cips"),
        ("POST", "/v1/cips/search"),
        ("PATCH", "/v1/cips/1"),
        ("DELETE", "/v1/cips/1"),
    ):
        answer = sandbox.send(method, path, {}, **headers)
        assert (answer.status_code, answer.content) == (401, b"")
