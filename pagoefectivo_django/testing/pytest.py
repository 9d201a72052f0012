"""Fixtures for tests of shops: ``pytest_plugins = ["pagoefectivo_django.testing.pytest"]`` in a ``conftest.py``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from ..channels.memory import MemoryChannel
from .sandbox import Sandbox, sandbox


@pytest.fixture
def pagoefectivo_memory() -> Iterator[type[MemoryChannel]]:
    """The class ``MemoryChannel``, without codes before and after the test."""
    MemoryChannel.clear()
    yield MemoryChannel
    MemoryChannel.clear()


@pytest.fixture
def pagoefectivo_sandbox(live_server: Any, settings: Any) -> Iterator[Sandbox]:
    """A sandbox process that the shop asks for codes, and that notifies the shop's live server (pytest-django's).

    The shop's ``CHANNELS`` is one channel, ``default``, with the sandbox's address and keys.
    """
    with sandbox() as running:
        settings.PAGOEFECTIVO = running.settings(live_server.url)
        running.notifies(live_server.url)
        yield running
        with suppress(OSError):  # a test may have ended the sandbox
            running.await_answers()
