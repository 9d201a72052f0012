"""``.ci/run`` leaves no test out: which of its runs choose a test, by its marks; ``make test`` hides no failure."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
#: Each run of the suite: its end, its database, and which marks it chooses.
RUNS = re.findall(
    r"^step .* make_(oldest|newest) test-(\w+)(?: CHOICE='?([^'\n]*)'?)?$", (ROOT / ".ci/run").read_text(), re.MULTILINE
)
DEFAULT = {"sqlite": "True", "postgresql": "every_database", "mariadb": "every_database"}
DATABASES = set(DEFAULT)
MARKS = {"every_database", "once", "smoke", "oldest_end", "newest_end", *DATABASES}
EVERYWHERE = {f"{end} {database}" for end in ("oldest", "newest") for database in DATABASES}


def runs_of(*marks: str) -> set[str]:
    """Return the runs that choose a test with these marks (``tests/conftest.py`` adds to them) and do not skip it."""
    databases = DATABASES & set(marks)
    given = {*marks, *(["every_database"] if databases else [])}
    return {
        f"{end} {database}"
        for end, database, choice in RUNS
        if database in (databases or DATABASES)
        # An expression of marks is one of Python, too.
        and eval(choice or DEFAULT[database], {}, {mark: mark in given for mark in MARKS})
    }


@pytest.mark.parametrize(
    ("marks", "runs"),
    [
        ((), {"oldest postgresql", "newest sqlite"}),
        (("every_database",), EVERYWHERE - {"oldest sqlite", "newest mariadb"}),
        (("every_database", "smoke"), EVERYWHERE),
        (("oldest_end",), {"oldest postgresql"}),
        (("newest_end",), {"newest sqlite"}),
        (("every_database", "oldest_end"), {"oldest postgresql", "oldest mariadb", "newest sqlite"}),
        (("every_database", "newest_end"), {"newest postgresql", "oldest mariadb", "newest sqlite"}),
        (("once",), {"newest sqlite"}),
        (("sqlite",), {"oldest sqlite", "newest sqlite"}),
        (("sqlite", "once"), {"newest sqlite"}),
        (("postgresql",), {"oldest postgresql", "newest postgresql"}),
        (("postgresql", "once"), {"oldest postgresql"}),
        (("mariadb",), {"oldest mariadb"}),
        (("postgresql", "mariadb"), {"oldest postgresql", "newest postgresql", "oldest mariadb"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_every_test_runs_where_it_is_meant_to(marks: tuple[str, ...], runs: set[str]) -> None:
    assert runs_of(*marks) == runs


@pytest.mark.parametrize(("case", "ends"), [(0, []), (1, ["oldest_end"]), (2, ["newest_end"]), (3, ["oldest_end"])])
def test_both_ends_run_the_first_case_and_each_other_case_runs_at_one(
    request: pytest.FixtureRequest, case: int, ends: list[str]
) -> None:
    """Where a person chose one case by its name, this case is the first."""
    marks = [mark.name for mark in request.node.iter_markers() if mark.name.endswith("_end")]
    assert marks == ends or request.config.args_source is pytest.Config.ArgsSource.ARGS


def test_the_runs_were_read() -> None:
    assert {f"{end} {database}" for end, database, _ in RUNS} == EVERYWHERE


@pytest.mark.once
@pytest.mark.parametrize("failing", ["none", "sqlite", "postgresql"])
def test_make_test_fails_where_one_of_its_databases_does(tmp_path: Path, failing: str) -> None:
    """A program in the place of pytest fails on one database; both databases are tried, and both speak."""
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\necho "tried $TEST_DATABASE"\ntest "$TEST_DATABASE" != "$FAILING"\n')
    program.chmod(0o700)
    command = ["make", "test", "READY=", f"VENV={tmp_path}", f"PYTEST={program}"]
    # Without what a make above this test says to a make below.
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    done = subprocess.run(
        command, cwd=ROOT, env=environment | {"FAILING": failing}, capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) == (failing == "none"), done.stdout + done.stderr
    assert {"tried sqlite", "tried postgresql"} <= set(done.stdout.splitlines())
