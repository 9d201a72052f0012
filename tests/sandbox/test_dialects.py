"""The dialects: each has its prefix and keys, and all take the same orders and the same faults."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from pagoefectivo_django.sandbox.dialects import DIALECTS
from tests.sandbox.running import PATIENCE, Client

NAMES = sorted(DIALECTS)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def send(sandbox: Client, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
    return sandbox.session.request(method, f"{sandbox.site}{path}", json=body, headers=headers, timeout=PATIENCE)


def test_every_prefix_is_a_word_of_the_path_and_each_account_has_keys_of_its_own() -> None:
    for name, dialect in DIALECTS.items():
        assert re.fullmatch("[a-z_]+", name)
        assert set(dialect.accounts) == {"shop", "other"}
        mine, others = (dialect.accounts[account] for account in ("shop", "other"))
        assert mine.keys() == others.keys()
        assert mine != others


def test_a_stranger_gets_no_answer_of_success(sandbox: Client, name: str) -> None:
    for path in ("", "/nowhere", f"/{DIALECTS[name].base}nowhere"):
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            answer = send(sandbox, method, f"/{name}{path}", {})
            assert 400 <= answer.status_code < 500 or b"ERROR" in answer.content, (method, path, answer.status_code)


@pytest.mark.parametrize("fault", ["429", "500", "502", "503"])
def test_a_fault_is_ordered_by_a_header_or_by_a_control(sandbox: Client, name: str, fault: str) -> None:
    assert send(sandbox, "GET", f"/{name}/x", **{"X-Sandbox-Fault": fault}).status_code == int(fault)
    told = send(sandbox, "POST", f"/sandbox/{name}/faults", {"fault": fault, "call": "GET /made-up"})
    assert told.status_code == 200
    assert send(sandbox, "GET", f"/{name}/made-up").status_code == int(fault)
    assert send(sandbox, "GET", f"/{name}/made-up").status_code != int(fault), "once"


def test_a_dropped_answer_ends_the_connection(sandbox: Client, name: str) -> None:
    with pytest.raises(requests.ConnectionError):
        send(sandbox, "GET", f"/{name}/x", **{"X-Sandbox-Fault": "drop"})


def test_a_wrong_order_says_why(sandbox: Client, name: str) -> None:
    orders = f"/sandbox/{name}"
    assert send(sandbox, "POST", f"{orders}/dance", {}).status_code == 404
    assert send(sandbox, "POST", f"{orders}/pay", {"id": "nobody's"}).status_code == 404
    assert send(sandbox, "POST", f"{orders}/finish", {"id": "nobody's"}).status_code == 404
    assert send(sandbox, "PUT", f"{orders}/pay", {}).status_code == 400
    for body in ({"fault": "earthquake"}, {"fault": "drop", "times": 0}, {"fault": "slow", "seconds": -1}):
        assert send(sandbox, "POST", f"{orders}/faults", body).status_code == 400
    assert send(sandbox, "GET", f"{orders}/charges").json() == {"charges": []}


def test_the_keys_stand_in_the_env_that_is_printed(sandbox: Client, name: str) -> None:
    lines = DIALECTS[name](sandbox.site).environment
    assert lines[0] == f"{name.upper()}_BASE_URL={sandbox.site}/{name}/{DIALECTS[name].base}"
    assert len(lines) > 1
