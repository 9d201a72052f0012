"""A site of Wagtail that sells from its pages: its tests, run in the site's own project."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.sqlite, pytest.mark.once]

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = "tests.wagtail_shop.settings"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python's module with these arguments in the site's project, where a warning is an error."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = kept | {"DJANGO_SETTINGS_MODULE": SETTINGS, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)


@pytest.mark.long
def test_the_site_sells() -> None:
    alone = ["--noconftest", "-p", "no:cacheprovider", "-p", "tests.flushing", "--nomigrations"]
    done = run("pytest", *alone, "--ds", SETTINGS, "tests/wagtail_shop/selling.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout.splitlines()[-1]


def test_the_sites_settings_are_faultless_and_nothing_is_to_migrate() -> None:
    done = run("django", "check", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stdout + done.stderr
    made = run("django", "makemigrations", "--check", "--dry-run", "wagtail_shop", "pagoefectivo")
    assert made.returncode == 0, made.stdout + made.stderr
