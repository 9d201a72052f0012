"""Tokens: the hash, the life, the refusals."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache

from pagoefectivo_django.channels.pagoefectivo import PagoEfectivoChannel, authorizations
from pagoefectivo_django.channels.pagoefectivo.authorizations import Token, write_request
from pagoefectivo_django.channels.pagoefectivo.options import Keys
from pagoefectivo_django.errors import Misconfigured, Unavailable
from tests.channels.examples import forget_own

from .examples import ACCESS_KEY, NOW, SECRET_KEY, charge, payload
from .scripted import Says, Script

CREATE = "POST /v1/cips"
AUTHORIZE = "POST /v1/authorizations"

Make = Callable[..., PagoEfectivoChannel]
Look = Callable[[BaseException], None]


def at(channel: PagoEfectivoChannel, moment: datetime) -> PagoEfectivoChannel:
    channel.clock = lambda: moment
    return channel


def life(script: Script, **length: float) -> None:
    script.token_life = (NOW.isoformat(), (NOW + timedelta(**length)).isoformat())


class TestRequest:
    def test_worked_example(self) -> None:
        """Protocol 2.2."""
        body = write_request(Keys(1234, ACCESS_KEY, SECRET_KEY), NOW)
        assert body == (
            b'{"accessKey":"EXAMPLEACCESSKEY0001","idService":1234,"dateRequest":"2026-11-22T10:00:00-05:00",'
            b'"hashString":"d341b0570d2ca509f62d53b5a36d5b1bce50bac34580c9ffec052aa4281873bf"}'
        )

    @pytest.mark.parametrize("code", [100, "100"])
    def test_a_success_is_read_either_way(self, issuing: Script, channel: PagoEfectivoChannel, code: object) -> None:
        """The server says the number; the document's sample has text (protocol 2.3, additions A)."""
        data = {"token": "made-up-token-of-a-kind", "tokenStart": NOW.isoformat(), "tokenExpires": NOW.isoformat()}
        issuing.on(AUTHORIZE, Says(201, {"code": code, "data": data}))
        channel.issue(charge())
        assert issuing.asked(CREATE)[0].headers["Authorization"] == "Bearer made-up-token-of-a-kind"

    def test_headers(self, issuing: Script, channel: PagoEfectivoChannel) -> None:
        channel.issue(charge())
        headers = issuing.asked(AUTHORIZE)[0].headers
        assert headers["Content-Type"] == "application/json"
        assert "Origin" not in headers
        assert "Authorization" not in headers


class TestLife:
    def test_one_token_serves_many_codes(self, issuing: Script, make: Make) -> None:
        for _ in range(3):
            make().issue(charge())
        assert issuing.tokens == 1

    @pytest.mark.parametrize(
        ("length", "good", "over"),
        [
            ({"hours": 2}, timedelta(minutes=114, seconds=59), timedelta(minutes=115)),
            ({"minutes": 5}, timedelta(minutes=4, seconds=29), timedelta(minutes=4, seconds=30)),
        ],
    )
    def test_margin(
        self, issuing: Script, make: Make, length: dict[str, float], good: timedelta, over: timedelta
    ) -> None:
        life(issuing, **length)
        make().issue(charge())
        at(make(), NOW + good).issue(charge())
        assert issuing.tokens == 1
        at(make(), NOW + over).issue(charge())
        assert issuing.tokens == 2

    def test_the_other_process_keeps_the_margin_too(self, issuing: Script, make: Make) -> None:
        make().issue(charge())
        forget_own()
        at(make(), NOW + timedelta(minutes=114)).issue(charge())
        assert issuing.tokens == 1
        forget_own()
        at(make(), NOW + timedelta(minutes=115)).issue(charge())
        assert issuing.tokens == 2

    def test_a_slow_clock_does_not_stretch_it(self, issuing: Script, make: Make) -> None:
        slow = NOW - timedelta(hours=1)
        at(make(), slow).issue(charge())
        at(make(), slow + timedelta(minutes=115)).issue(charge())
        assert issuing.tokens == 2

    @pytest.mark.parametrize("expires", [None, "", "soon", "1900-01-01T00:00:00-05:00", NOW.isoformat()])
    def test_no_end_that_can_be_read(self, issuing: Script, make: Make, expires: Any) -> None:
        """Used once, as most merchants do with every token."""
        answer = Says(201, {"code": 100, "data": {"token": "made-up-token-7", "tokenExpires": expires}})
        issuing.on(AUTHORIZE, answer, answer)
        make().issue(charge())
        make().issue(charge())
        assert len(issuing.asked(AUTHORIZE)) == 2

    def test_accounts_and_keys_do_not_share(self, issuing: Script, make: Make) -> None:
        for options in ({}, {"SERVICE_ID": 77}, {"ACCESS_KEY": "ANOTHERACCESSKEY0002"}, {"ENVIRONMENT": "x y"}):
            make(**options).issue(charge())
        assert issuing.tokens == 4


class TestRefused:
    def test_401_once(self, script: Script, make: Make) -> None:
        script.on(CREATE, Says(401), Says(201, payload("cips_201")), Says(201, payload("cips_201")))
        make().issue(charge())
        make().issue(charge())
        sent = [heard.headers["Authorization"] for heard in script.asked(CREATE)]
        assert sent == ["Bearer made-up-token-1", "Bearer made-up-token-2", "Bearer made-up-token-2"]

    def test_401_twice(self, script: Script, channel: PagoEfectivoChannel, discreet: Look) -> None:
        script.always[CREATE] = Says(401)
        with pytest.raises(Misconfigured) as caught:
            channel.issue(charge())
        assert len(script.asked(CREATE)) == 2
        assert script.tokens == 2
        discreet(caught.value)

    def test_a_token_that_another_process_renewed(self, issuing: Script, make: Make) -> None:
        """The refused one is remembered here, the good one is in the cache."""
        make().issue(charge())
        (key,) = authorizations._tokens
        cache.set(key, ("made-up-token-9", NOW.timestamp() + 600), 600)
        issuing.on(CREATE, Says(401))
        make().issue(charge())
        assert issuing.asked(CREATE)[-1].headers["Authorization"] == "Bearer made-up-token-9"
        assert issuing.tokens == 1

    @pytest.mark.parametrize("status", [400, 401])
    @pytest.mark.parametrize("body", [b"", payload("error_400"), b"<html>", b'{"code":111,"message":"NOPE"}'])
    def test_refused_keys(
        self, script: Script, channel: PagoEfectivoChannel, status: int, body: bytes, discreet: Look
    ) -> None:
        script.always[AUTHORIZE] = Says(status, body)
        with pytest.raises(Misconfigured, match="SECRET_KEY") as caught:
            channel.issue(charge())
        assert script.asked(CREATE) == []
        discreet(caught.value)

    def test_a_refusal_that_repeats_the_key(self, script: Script, make: Make, discreet: Look) -> None:
        key = "SOMEKEYWITHOUTDIGITS"
        script.always[AUTHORIZE] = Says(400, {"code": 777, "message": f"Clave {key} no existe"})
        with pytest.raises(Misconfigured) as caught:
            make(ACCESS_KEY=key).issue(charge())
        assert key not in str(caught.value)

    @pytest.mark.parametrize("status", [403, 404, 405])
    def test_a_wrong_address(self, script: Script, channel: PagoEfectivoChannel, status: int) -> None:
        script.always[AUTHORIZE] = Says(status)
        with pytest.raises(Misconfigured):
            channel.issue(charge())

    @pytest.mark.parametrize(
        "says",
        [
            Says(500, {"code": 166}),
            Says(503, b"<html>"),
            Says(400, {"code": 166}),
            Says(302, b"", {"Location": "https://elsewhere.example/"}),
            Says(201, b""),
            Says(201, {"code": 111}),
            Says(201, {"code": 100, "data": []}),
            Says(201, {"code": 100, "data": {"token": ""}}),
            Says(201, {"code": 100, "data": {"token": "made-up-token\r\nX-Header: 1"}}),
            Says(drop=True),
        ],
    )
    def test_no_token(self, script: Script, channel: PagoEfectivoChannel, says: Says, discreet: Look) -> None:
        """The create was never sent, so its outcome is known."""
        script.always[AUTHORIZE] = says
        with pytest.raises(Unavailable) as caught:
            channel.issue(charge())
        assert script.asked(CREATE) == []
        discreet(caught.value)


def test_issue_ends_in_time_whatever_hangs(script: Script, make: Make) -> None:
    """Time-out 1 s and 2 s to spare: an authorization that hangs leaves nothing sent."""
    script.always[AUTHORIZE] = Says(201, after=3)
    begin = time.monotonic()
    with pytest.raises(Unavailable):
        make(TIMEOUT=1).issue(charge())
    assert time.monotonic() - begin < 3
    assert script.asked(CREATE) == []


def test_time_that_is_used_up_by_authorizing_leaves_the_create_unsent(script: Script, make: Make) -> None:
    """A create whose answer nobody could wait for would be a lost code."""
    script.always[CREATE] = Says(401, after=1.2)
    script.on(AUTHORIZE, script.authorization("made-up-token-1", after=1.3))
    script.on(AUTHORIZE, script.authorization("made-up-token-2", after=0.35))
    with pytest.raises(Unavailable):
        make(TIMEOUT=1.5).issue(charge())
    assert len(script.asked(CREATE)) <= 1


def test_a_token_does_not_show_itself() -> None:
    assert "made-up" not in repr(Token("made-up-token-1", 0.0))
    assert SECRET_KEY not in repr(Keys(1, ACCESS_KEY, SECRET_KEY))
