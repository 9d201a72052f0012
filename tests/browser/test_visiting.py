"""The browser of the session is no trouble to the tests that need none."""

import asyncio
from collections.abc import Iterator

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection

from tests.browser.visiting import Chromium

pytestmark = pytest.mark.sqlite


def assert_no_loop_is_seen() -> None:
    """Here a loop can be run, and in it Django refuses what would block it."""

    async def work() -> None:
        connection.cursor()

    with pytest.raises(SynchronousOnlyOperation):
        asyncio.run(work())


@pytest.fixture
def before_and_after(started_chromium: Chromium) -> Iterator[None]:
    assert_no_loop_is_seen()
    yield
    assert_no_loop_is_seen()


def test_only_a_test_that_drives_it_has_its_event_loop(before_and_after: None, chromium: Chromium) -> None:
    assert asyncio.get_running_loop() is chromium.loop
