"""One sandbox for all tests, and a shop that hears its webhooks."""

from collections.abc import Iterator

import pytest

from .running import Client, Shop, listening, running


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Client]:
    # The second attempt comes soon, so that no test waits for it.
    with running("--maximum-amount", "5000", "--repeat-delay", "0.05") as client:
        yield client


@pytest.fixture
def shop(sandbox: Client) -> Iterator[Shop]:
    with listening() as shop:
        sandbox.tell("webhook", url=shop.url)
        yield shop
        sandbox.tell("webhook", url="")
