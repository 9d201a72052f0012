"""``.ci/run`` leaves no test out: which of its runs choose a test, by the marks of the test."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
#: Each run of the suite: its end, its database, and which marks it chooses.
RUNS = re.findall(
    r"^step .* make_(oldest|newest) test-(\w+)(?: CHOICE='?([^'\n]*)'?)?$", (ROOT / ".ci/run").read_text(), re.MULTILINE
)
DEFAULT = {"sqlite": "True", "postgresql": "every_database", "mariadb": "every_database"}
DATABASES = set(DEFAULT)
MARKS = {"every_database", "once", "smoke", *DATABASES}
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


def test_the_runs_were_read() -> None:
    assert {f"{end} {database}" for end, database, _ in RUNS} == EVERYWHERE
