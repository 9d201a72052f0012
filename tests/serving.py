"""Servers of tests: a real web server in front of the shop, and small ones in a thread."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import TCPServer

from tests.sandbox.running import ROOT, wait_for

LISTENING = re.compile(r"Listening at: (http://127\.0\.0\.1:\d+)")


@contextmanager
def gunicorn(environment: dict[str, str], folder: Path, *application: str) -> Iterator[str]:
    """Serve the shop of the tests, on the database of this test."""
    log = folder / "gunicorn.log"
    command = [sys.executable, "-m", "gunicorn", "--bind=127.0.0.1:0", "--no-control-socket", *application]
    with log.open("w") as out, subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out) as process:
        try:
            found = wait_for(lambda: LISTENING.search(log.read_text()) or process.poll() is not None)
            assert isinstance(found, re.Match), log.read_text()
            yield found[1]
        finally:
            process.terminate()
            process.wait()


@contextmanager
def in_a_thread(server: TCPServer) -> Iterator[str]:
    """Serve until the end of the block, and yield the address."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
