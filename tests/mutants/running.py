"""Copies of the project, pytest in them, and what a run says about a mutation."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from .mutations import Mutation

COPIED = ("pagoefectivo_django", "tests")
#: A mutation that lets a test hang is not noticed by that test: it survives.
MOST_SECONDS = 120
# The named tests in their order, whatever the project's own options are; nothing is left for the next run.
PYTEST = ("-m", "pytest", "-o", "addopts=", "--import-mode=importlib", "-p", "no:randomly", "-p", "no:cacheprovider")
#: What would lead to another database, or choose other tests.
OTHERS = ("TEST_DATABASE", "PYTEST_", "STORM")
ONE_FAILED = 1


@dataclass(frozen=True)
class Run:
    """What pytest said of tests; names are without parameters."""

    exit_code: int
    seconds: float
    #: Tests of which at least one case passed, and those of which at least one case failed.
    passed: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    output: str = ""


def copy(source: Path, target: Path) -> None:
    """Copy the app and its tests, with the compiled files that lie there and their times."""
    target.mkdir()
    shutil.copy2(source / "pyproject.toml", target)
    for name in COPIED:
        shutil.copytree(source / name, target / name)


def mutate(project: Path, mutation: Mutation) -> None:
    """Change a copy of the project as a mutation says."""
    path = project / mutation.path
    path.write_text(mutation.applied_to(path.read_text("utf-8")), "utf-8")
    # A change of the same length within the same second would not be seen.
    Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)


def run(project: Path, database: str, tests: Collection[str]) -> Run:
    """Run tests of a copy on a database server of their own."""
    report = project / "report.xml"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    command = [sys.executable, *PYTEST, "--quiet", f"--junitxml={report}", *tests]
    begin = time.monotonic()
    child = subprocess.Popen(
        command,
        cwd=project,
        env=environment | {"TEST_DATABASE": database},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = child.communicate(timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired:
        child.terminate()  # so that its server ends too
        output, _ = child.communicate()
    seconds = time.monotonic() - begin
    passed, failed = outcomes(report.read_text("utf-8")) if report.exists() else (frozenset(), frozenset())
    return Run(child.returncode, seconds, passed, failed, output)


def outcomes(report: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the tests of a JUnit report of which a case passed, and those of which a case failed."""
    passed, failed = set(), set()
    for case in ElementTree.fromstring(report).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name', '').partition('[')[0]}"
        if case.find("failure") is not None or case.find("error") is not None:
            failed.add(name)
        elif case.find("skipped") is None:
            passed.add(name)
    return frozenset(passed), frozenset(failed)


def why_unsound(result: Run, tests: Collection[str]) -> str:
    """Return what is wrong with tests that run without a mutation, nothing if all of them pass."""
    if missing := [test for test in tests if _dotted(test) not in result.passed - result.failed]:
        return f"without a mutation: {', '.join(missing)} did not pass\n{result.output}"
    return f"without a mutation: pytest ended with {result.exit_code}\n{result.output}" if result.exit_code else ""


def why_survived(mutation: Mutation, result: Run) -> str:
    """Return why a mutation is not noticed by its tests, nothing if each of them fails."""
    if blind := [test for test in mutation.tests if _dotted(test) not in result.failed]:
        return f"not noticed by {', '.join(blind)}\n{result.output}"
    # Anything else is a program that can't start or was stopped, which says nothing about the tests.
    return f"pytest ended with {result.exit_code}\n{result.output}" if result.exit_code != ONE_FAILED else ""


def _dotted(test: str) -> str:
    return test.replace(".py::", ".").replace("/", ".")
