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

from tests.conftest import FULL, ROOT

#: Which points the short form chooses, and what happens after each death: the same each day, but in ``make storm``.
SEED = int(os.environ.get("STORM_SEED") or (random.SystemRandom().randrange(10**6) if FULL else 1))
#: The name under which a test's report carries what was counted, from the worker that ran the test to the summary.
COUNTED = "crash test"

Tell = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def driver(django_db_setup: None) -> Iterator[subprocess.Popen[str]]:
    """The process that tells stories."""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.crash.settings", "NO_PROXY": "*"}
    command = [sys.executable, "-m", "tests.crash"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as driver:
        yield driver
        assert driver.stdin is not None
        driver.stdin.close()


@pytest.fixture
def tell(driver: subprocess.Popen[str], record_property: Callable[[str, object], None]) -> Tell:
    """A function that tells a story, killed at its points, and returns what was counted."""
    stdin, stdout = driver.stdin, driver.stdout
    assert stdin is not None
    assert stdout is not None

    def tell(story: str) -> dict[str, Any]:
        stdin.write(json.dumps({"story": story, "seed": SEED, "full": FULL}) + "\n")
        stdin.flush()
        counted: dict[str, Any] = json.loads(stdout.readline())
        record_property(COUNTED, [story, SEED, counted])
        return counted

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what a passing run went through."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    stories = sorted(value for report in reports for name, value in report.user_properties if name == COUNTED)
    if not stories:
        return
    seeds = " and ".join(sorted({str(seed) for _, seed, _ in stories}))
    which = "all points" if FULL else f"some points, chosen by STORM_SEED={seeds}; all: make storm"
    terminalreporter.write_sep("-", f"crash test: {which}")
    total: Counter[str] = Counter()
    for story, _, counted in stories:
        kinds = ", ".join(f"{many} {kind}" for kind, many in sorted(counted["kinds"].items()))
        terminalreporter.write_line(
            f"{story:30} killed {counted['killed']:4} of {counted['points']:4} points ({kinds})"
        )
        total.update({name: counted[name] for name in ("killed", "hung", "points", "rounds", "events", "heard_again")})
        for name in ("kinds", "became", "asked"):
            total.update({f"{name} {each}": many for each, many in counted[name].items()})
    terminalreporter.write_line(
        f"in all: {total['killed']} processes killed at {total['points']} points of {len(stories)} stories, "
        f"{total['hung']} more while a receiver hung; "
        f"{total['rounds']} rounds of work after them; {total['events']} events heard, "
        f"{total['heard_again']} heard twice where that is allowed"
    )
    for title, name in (
        ("points", "kinds"),
        ("payments that the sandbox took", "became"),
        ("open discrepancies", "asked"),
    ):
        told = (
            f"{many} {each.removeprefix(name)[1:]}"
            for each, many in sorted(total.items())
            if each.startswith(name + " ")
        )
        terminalreporter.write_line(f"{title}: {', '.join(told)}")
