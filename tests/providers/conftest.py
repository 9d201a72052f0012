"""The providers, each in a process of its own, one for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from pagoefectivo_django.channels.pagoefectivo import authorizations
from tests.sandbox.running import Client, running

from .control import Hinting, Linking, PagoEfectivo, hinting
from .linking_server import linking_provider


@pytest.fixture(scope="module")
def _sandbox() -> Iterator[PagoEfectivo]:
    other = PagoEfectivo.OTHER
    keys = ["--access-key", other["ACCESS_KEY"], "--secret-key", other["SECRET_KEY"]]
    with running("--service-id", "1234", "--service-id", other["SERVICE_ID"], *keys) as process:
        yield PagoEfectivo(process)


@pytest.fixture
def sandbox(_sandbox: PagoEfectivo) -> PagoEfectivo:
    """The sandbox, and no token from a test before."""
    for store in (authorizations._tokens, authorizations._locks, authorizations._warned):
        store.clear()
    cache.clear()
    return _sandbox


@pytest.fixture(scope="module")
def dialects() -> Iterator[Client]:
    """The sandbox, whose dialects the controls of further providers move."""
    with running() as process:
        yield process


@pytest.fixture(scope="module")
def hinter() -> Iterator[Hinting]:
    with hinting() as control:
        yield control


@pytest.fixture
def linker() -> Iterator[Linking]:
    with linking_provider() as provider:
        yield Linking(provider)
