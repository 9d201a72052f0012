"""A scripted provider, a channel that talks to it, and a promise that nothing secret was said."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache

from pagoefectivo_django.channels.pagoefectivo import PagoEfectivoChannel, authorizations
from tests.channels.examples import payload
from tests.channels.scripted import Says

from .examples import ACCESS_KEY, NOW, SECRET_KEY, UNSPEAKABLE
from .scripted import Script, playing


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No token of another test, no proxy of this machine."""
    monkeypatch.setenv("NO_PROXY", "*")
    for store in (authorizations._tokens, authorizations._locks, authorizations._warned):
        store.clear()
    cache.clear()


@pytest.fixture
def script() -> Iterator[Script]:
    with playing() as script:
        yield script


@pytest.fixture
def make(script: Script) -> Callable[..., PagoEfectivoChannel]:
    """Channels at the scripted provider, at the moment its token begins."""

    def make(**options: Any) -> PagoEfectivoChannel:
        given = {
            "ENVIRONMENT": "sandbox",
            "BASE_URL": script.base,
            "SERVICE_ID": 1234,
            "ACCESS_KEY": ACCESS_KEY,
            "SECRET_KEY": SECRET_KEY,
        }
        channel = PagoEfectivoChannel("default", given | options)
        channel.clock = lambda: NOW
        return channel

    return make


@pytest.fixture
def channel(make: Callable[..., PagoEfectivoChannel]) -> PagoEfectivoChannel:
    return make()


def words(args: object) -> object:
    """What a log record was given, but durations: the digits of one can be anybody's ubigeo."""
    return [arg for arg in args if not isinstance(arg, float)] if isinstance(args, tuple) else args


@pytest.fixture
def discreet(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[BaseException], None]]:
    """A function that looks through an error and all that hangs on it; the log is looked through at the end."""
    caplog.set_level(logging.DEBUG)

    def look(error: BaseException) -> None:
        said = str(error) + repr(error) + "".join(traceback.format_exception(error))
        below = error.__cause__ or error.__context__
        if below is not None:
            # Not only what is shown: some error trackers show more.
            said += repr(vars(below)) + repr(below.args)
            look(below)
        for word in UNSPEAKABLE:
            assert word not in said

    yield look
    said = "\n".join(record.getMessage() + repr(words(record.args)) for record in caplog.get_records("call"))
    for word in UNSPEAKABLE:
        assert word not in said


@pytest.fixture
def issuing(script: Script) -> Script:
    script.always["POST /v1/cips"] = Says(201, payload("cips_201"))
    return script
