"""Kind 12: a check that nobody saw speak is silence; each id stands in a test, and in the manual."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pagoefectivo_django"
IDS = sorted(
    {id for path in PACKAGE.rglob("*.py") for id in re.findall(r"\"pagoefectivo\.([EW]\d{3})\"", path.read_text())}
)
TESTS = {path: path.read_text() for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)}


def test_they_were_found() -> None:
    assert len(IDS) > 24
    assert {"E001", "W011", "W020"} <= set(IDS)


@pytest.mark.parametrize("id", IDS)
def test_a_test_sees_it(id: str) -> None:
    """A row of a table of settings, or an assertion; in words of code, so that a comment is no test."""
    named = re.compile(rf"[\"'](?:pagoefectivo\.)?{id}[\"']")
    assert [path.name for path, text in TESTS.items() if named.search(text)], f"no test names {id}"
