"""Tokens shared by threads and processes, and issuing when nothing can be shared."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache

from pagoefectivo_django.channels.http import Deadline
from pagoefectivo_django.channels.pagoefectivo import PagoEfectivoChannel, authorizations
from pagoefectivo_django.channels.pagoefectivo.authorizations import Token, Tokens
from pagoefectivo_django.channels.pagoefectivo.options import Keys
from pagoefectivo_django.errors import Misconfigured
from tests.channels.examples import forget_own

from .examples import ACCESS_KEY, NOW, SECRET_KEY, charge
from .scripted import Says, Script

CREATE = "POST /v1/cips"
AUTHORIZE = "POST /v1/authorizations"

Make = Callable[..., PagoEfectivoChannel]
Look = Callable[[BaseException], None]


class DeadCache(BaseCache):
    """A cache whose server is gone, and whose errors tell too much."""

    def __init__(self, *args: Any) -> None:
        super().__init__({})

    def _fail(self, *args: Any, **kwargs: Any) -> Any:
        raise ConnectionError("redis://user:made-up-token@cache.example is gone")

    get = set = add = delete = _fail


@pytest.fixture
def _dead_cache(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "tests.channels.test_pagoefectivo_sharing.DeadCache"}}


class TestStampede:
    def test_many_threads_one_authorization(self, issuing: Script, make: Make) -> None:
        issuing.on(AUTHORIZE, issuing.authorization("made-up-token-1", after=0.3))
        barrier = threading.Barrier(20)

        def issue(_: int) -> None:
            barrier.wait()
            make().issue(charge())

        with ThreadPoolExecutor(20) as pool:
            list(pool.map(issue, range(20)))
        assert len(issuing.asked(AUTHORIZE)) == 1
        assert len(issuing.asked(CREATE)) == 20

    def test_many_refused_at_once(self, issuing: Script, make: Make) -> None:
        make().issue(charge())
        issuing.on(CREATE, *[Says(401, after=0.1)] * 10)
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda _: make().issue(charge()), range(10)))
        assert issuing.tokens == 2

    def test_another_process_is_fetching_it(self, issuing: Script, make: Make) -> None:
        """Its claim stands in the cache; its token comes while we wait."""
        tokens = Tokens("pagoefectivo:sandbox:1234", Keys(1234, ACCESS_KEY, SECRET_KEY), issuing.base, lambda: NOW)
        cache.add(tokens.claim_key, 1, 10)

        def fetch() -> None:
            cache.set(tokens.key, ("made-up-token-5", NOW.timestamp() + 600), 600)
            cache.delete(tokens.claim_key)

        timer = threading.Timer(0.2, fetch)
        timer.start()
        make().issue(charge())
        timer.join()
        assert issuing.asked(AUTHORIZE) == []

    def test_a_claim_whose_owner_died(self, issuing: Script, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(authorizations, "PATIENCE", 0.2)
        tokens = Tokens("pagoefectivo:sandbox:1234", Keys(1234, ACCESS_KEY, SECRET_KEY), issuing.base, lambda: NOW)
        cache.add(tokens.claim_key, 1, 10)
        make().issue(charge())
        assert issuing.tokens == 1

    def test_a_thread_that_hangs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(authorizations, "PATIENCE", 0.2)
        tokens = Tokens("pagoefectivo:sandbox:1", Keys(1, "a", "b"), "http://provider.invalid/", lambda: NOW)
        release = threading.Event()

        def hang(deadline: Deadline) -> Token:
            release.wait(10)
            return Token("made-up-token-1", NOW.timestamp())

        thread = threading.Thread(target=lambda: tokens.get(hang, Deadline(9)))
        thread.start()
        begin = time.monotonic()
        while not authorizations._locks:
            time.sleep(0.01)
        text = tokens.get(lambda deadline: Token("made-up-token-2", NOW.timestamp()), Deadline(9))
        assert text == "made-up-token-2"
        assert time.monotonic() - begin < 5
        release.set()
        thread.join()

    def test_a_failure_leaves_no_claim(self, issuing: Script, make: Make) -> None:
        issuing.on(AUTHORIZE, Says(401))
        with pytest.raises(Misconfigured):
            make().issue(charge())
        begin = time.monotonic()
        make().issue(charge())
        assert time.monotonic() - begin < 1


class TestCache:
    @pytest.mark.usefixtures("_dead_cache")
    def test_issuing_goes_on_without_it(
        self,
        issuing: Script,
        make: Make,
        caplog: pytest.LogCaptureFixture,
        discreet: Look,
    ) -> None:
        for _ in range(3):
            make().issue(charge())
        assert issuing.tokens == 1  # this process's own copy
        warnings = [record for record in caplog.records if "cache fails" in record.getMessage()]
        assert len(warnings) == 1

    def test_a_cache_that_keeps_nothing(self, issuing: Script, make: Make, settings: Any) -> None:
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
        make().issue(charge())
        make().issue(charge())
        assert issuing.tokens == 1

    def test_other_processes_use_it(self, issuing: Script, make: Make) -> None:
        make().issue(charge())
        forget_own()
        make().issue(charge())
        assert issuing.tokens == 1

    @pytest.mark.parametrize(
        "found", ["made-up-token-3", ("a\r\nb", 9e9), ("made-up-token-3", "soon"), (1, 2), {}, [], b"x"]
    )
    def test_what_is_no_token_of_ours(self, issuing: Script, make: Make, found: Any) -> None:
        make().issue(charge())
        (key,) = authorizations._tokens
        cache.set(key, found)
        forget_own()
        make().issue(charge())
        assert issuing.tokens == 2

    def test_keys(self) -> None:
        """No secret in them, and fit for memcached."""
        account = "pagoefectivo:a b\u00e9" + "x" * 300
        tokens = Tokens(account, Keys(1, ACCESS_KEY, SECRET_KEY), "http://127.0.0.1/", lambda: NOW)
        for key in (tokens.key, tokens.claim_key):
            assert ACCESS_KEY not in key
            assert SECRET_KEY not in key
            assert len(key) < 230
            assert key.isascii()
            assert " " not in key
