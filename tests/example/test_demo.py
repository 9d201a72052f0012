"""The demo as a newcomer sees it: without a terminal it plays and ends, with one it stays until Ctrl-C."""

import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.sandbox.running import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
DEMO = [sys.executable, "-W", "error", "example_project/demo.py"]
STEPS = [
    "order",
    "CIP and voucher address",
    "mail to the payer",
    "payment at the counter",
    "webhook",
    "receiver ran",
    "order paid",
    "forged webhook refused",
    "repeated webhook harmless",
    "wrong amount: a person is asked",
    "lost answer, paid all the same",
    "the same, with the older webhook",
    "the first provider is down",
]

pytestmark = [pytest.mark.xdist_group("chromium"), pytest.mark.once, pytest.mark.sqlite]


def addresses(said: str) -> set[tuple[str, int]]:
    """Where the demo said that somebody listens."""
    parts = (urlsplit(address) for address in re.findall(r"http://\S+", said))
    return {(part.hostname or "", part.port or 0) for part in parts}


def assert_nobody_listens(said: str) -> None:
    assert len(addresses(said)) == 2
    for address in addresses(said):
        with socket.socket() as client:
            assert client.connect_ex(address) != 0


def test_without_a_terminal_it_plays_the_story_and_ends() -> None:
    # What a developer has set for a shop of their own must not reach the demo's.
    environment = os.environ | {
        "PYTHONWARNINGS": "error",
        "DATABASE_URL": "nonsense",
        "PAGOEFECTIVO_SERVICE_ID": "x",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    run = subprocess.run(
        DEMO, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stderr == ""
    told = [line for line in run.stdout.splitlines() if line[:1] in "✓✗" and line]
    assert len(told) == len(STEPS)
    for line, title in zip(told, STEPS, strict=True):
        assert re.match(rf"✓ {re.escape(title)} +\S", line), line
    assert re.search(
        r"^Admin    http://127\.0\.0\.1:\d+/admin/  user admin, password \S{12,}", run.stdout, re.MULTILINE
    )
    assert_nobody_listens(run.stdout)


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    ours, its = pty.openpty()
    yield ours, its
    os.close(ours)


def read_until(ours: int, words: str) -> str:
    """What came over the terminal, up to these words."""
    said, deadline = b"", time.monotonic() + PATIENCE
    while words.encode() not in said:
        ready, _, _ = select.select([ours], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, said.decode()
        said += os.read(ours, 4096)
    return said.decode()


def test_in_a_terminal_it_serves_until_ctrl_c(terminal: tuple[int, int]) -> None:
    ours, its = terminal
    with subprocess.Popen(DEMO, cwd=ROOT, stdin=its, stdout=its, stderr=its, start_new_session=True) as demo:
        os.close(its)
        try:
            said = read_until(ours, "Ctrl-C ends it.")
            assert said.count("✓") == len(STEPS)
            shop = re.search(r"Shop +(http://\S+)", said)
            assert shop
            with requests.Session() as session:
                session.trust_env = False
                assert "Chompa de alpaca" in session.get(shop[1], timeout=10).text
            demo.send_signal(signal.SIGINT)
            said += read_until(ours, "Stopped.")
            assert demo.wait(10) == 0
        finally:
            demo.terminate()
    assert_nobody_listens(said)
