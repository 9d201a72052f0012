"""The driver of the crash test, and what it counted."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import ROOT

FULL = os.environ.get("STORM") == "full"
#: Which points the short form chooses; the same number chooses the same ones.
SEED = int(os.environ.get("STORM_SEED") or random.SystemRandom().randrange(10**6))
#: What was counted, by story.
COUNTED: dict[str, dict[str, Any]] = {}

Tell = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def tell(django_db_setup: None) -> Iterator[Tell]:
    """A function that tells a story, killed at its points, and returns what was counted."""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.crash.settings", "NO_PROXY": "*"}
    command = [sys.executable, "-m", "tests.crash"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as driver:
        stdin, stdout = driver.stdin, driver.stdout
        assert stdin is not None
        assert stdout is not None

        def tell(story: str) -> dict[str, Any]:
            stdin.write(json.dumps({"story": story, "seed": SEED, "full": FULL}) + "\n")
            stdin.flush()
            COUNTED[story] = json.loads(stdout.readline())
            return COUNTED[story]

        yield tell
        stdin.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what a passing run went through."""
    if not COUNTED:
        return
    which = "all points" if FULL else f"some points, chosen by STORM_SEED={SEED}; all: make storm"
    terminalreporter.write_sep("-", f"crash test: {which}")
    total: Counter[str] = Counter()
    for story, counted in sorted(COUNTED.items()):
        kinds = ", ".join(f"{many} {kind}" for kind, many in sorted(counted["kinds"].items()))
        terminalreporter.write_line(
            f"{story:30} killed {counted['killed']:4} of {counted['points']:4} points ({kinds})"
        )
        total.update({name: counted[name] for name in ("killed", "points", "rounds", "events", "heard_again")})
        for name in ("kinds", "became", "asked"):
            total.update({f"{name} {each}": many for each, many in counted[name].items()})
    terminalreporter.write_line(
        f"in all: {total['killed']} processes killed at {total['points']} points of {len(COUNTED)} stories; "
        f"{total['rounds']} rounds of work after them; {total['events']} events heard, "
        f"{total['heard_again']} heard twice where that is allowed"
    )
    for title, name in (("points", "kinds"), ("payments that the sandbox took", "became"), ("open questions", "asked")):
        told = (
            f"{many} {each.removeprefix(name)[1:]}"
            for each, many in sorted(total.items())
            if each.startswith(name + " ")
        )
        terminalreporter.write_line(f"{title}: {', '.join(told)}")
