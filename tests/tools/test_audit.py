"""Kind 12: the audit fails unless pip-audit looked at everything that is locked."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tools.audit import NOT_AUDITED, main
from tools.lock import FOLDER, locked

LOCKED = locked(FOLDER.glob("*.txt"))


@pytest.fixture
def reporting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Returns a program that stands where pip-audit would and prints the report; it ends with 0 like pip-audit."""
    monkeypatch.delenv("AUDIT", raising=False)

    def make(report: str) -> str:
        program = tmp_path / "pip-audit"
        program.write_text(f"#!{sys.executable}\nprint({report!r})\n")
        program.chmod(0o755)
        return str(program)

    return make


def clean() -> list[dict[str, Any]]:
    """What pip-audit says where it looked at everything and knows nothing."""
    return [{"name": name, "version": version, "vulns": []} for name, version in LOCKED.items()]


def report(dependencies: list[dict[str, Any]]) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_everything_was_looked_at(reporting, capsys: pytest.CaptureFixture[str]):
    assert main(reporting(report(clean()))) == 0
    assert f"looked at all {len(LOCKED)} packages" in capsys.readouterr().out


def test_nothing_was_looked_at(reporting, capsys: pytest.CaptureFixture[str]):
    """As pip-audit 2.10 answers without its service, and ends with 0."""
    skipped = [{"name": name, "skip_reason": "Dependency not found"} for name in LOCKED]
    assert main(reporting(report(skipped))) == 1
    assert f"Looked at 0 of {len(LOCKED)} locked packages" in capsys.readouterr().out


def test_one_was_left_out(reporting, capsys: pytest.CaptureFixture[str]):
    assert main(reporting(report([found for found in clean() if found["name"] != "django"]))) == 1
    assert f"not at django {LOCKED['django']}." in capsys.readouterr().out


def test_another_version_was_looked_at(reporting):
    found = clean()
    found[0]["version"] = "0.0.1"
    assert main(reporting(report(found))) == 1


def test_a_weakness_is_known(reporting, capsys: pytest.CaptureFixture[str]):
    found = clean()
    found[0]["vulns"] = [{"id": "CVE-2026-1", "fix_versions": ["99.1"], "aliases": [], "description": "bad"}]
    assert main(reporting(report(found))) == 1
    assert "CVE-2026-1, mended in 99.1" in capsys.readouterr().out


def test_no_report_at_all(reporting):
    assert main(reporting("")) == 1


def test_where_no_audit_is_possible_a_variable_says_so(reporting, monkeypatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("AUDIT", "no")
    assert main(reporting("")) == 0
    assert capsys.readouterr().out.strip() == NOT_AUDITED
