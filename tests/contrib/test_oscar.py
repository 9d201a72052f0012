"""A shop of django-oscar: its tests, run in the shop's own project, and what its settings may be wrong in."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import CHROMIUM

pytestmark = [pytest.mark.sqlite, pytest.mark.once]

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = "tests.oscar_shop.settings"
IN_MEMORY = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
#: Warnings are errors, but those of what Oscar's own code calls, also in tags of its templates.
OSCARS = r"(oscar(\..*)?|django\.template\.library)"
FILTERS = ["error", f"ignore::DeprecationWarning:{OSCARS}", f"ignore::PendingDeprecationWarning:{OSCARS}"]


def run(folder: Path, *arguments: str, **changes: Any) -> subprocess.CompletedProcess[str]:
    """Run Python's module with these arguments in the shop's project, with settings changed."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    given = json.dumps({"folder": str(folder), "changes": changes})
    environment = kept | {"OSCAR_SHOP": given, "DJANGO_SETTINGS_MODULE": SETTINGS, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)


def run_tests(folder: Path, name: str) -> None:
    alone = ["--noconftest", "-p", "no:cacheprovider", "-p", "tests.browser.visiting", "-p", "tests.flushing"]
    filters = ["--override-ini", "filterwarnings=" + "\n".join(FILTERS)]
    done = run(folder, "pytest", *alone, "--nomigrations", *filters, "--ds", SETTINGS, f"tests/oscar_shop/{name}.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout.splitlines()[-1]


@pytest.mark.long
def test_the_shop_sells(tmp_path: Path) -> None:
    run_tests(tmp_path, "selling")


@pytest.mark.xdist_group("chromium")
@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
def test_the_shop_sells_in_a_browser(tmp_path: Path) -> None:
    run_tests(tmp_path, "selling_in_a_browser")


def test_the_shops_settings_are_faultless_and_nothing_is_to_migrate(tmp_path: Path) -> None:
    done = run(tmp_path, "django", "check")
    assert done.returncode == 0, done.stderr
    assert not re.findall(r"pagoefectivo\.[EW]\d+", done.stdout + done.stderr)
    made = run(tmp_path, "django", "makemigrations", "pagoefectivo", "--check", "--dry-run")
    assert made.returncode == 0, made.stdout + made.stderr


def of_apps(*, first: bool) -> list[str]:
    """The shop's apps, with the bridge before or behind all."""
    text = (ROOT / "tests/oscar_shop/settings.py").read_text()
    apps = ast.literal_eval(text.partition("INSTALLED_APPS = ")[2].partition("\n]\n")[0] + "]")
    bridge = "pagoefectivo_django.contrib.oscar"
    others = [app for app in apps if app != bridge]
    return [bridge, *others] if first else [*others, bridge]


@pytest.mark.parametrize(
    ("id", "changes"),
    [
        ("E040", {"DATABASE_ROUTERS": ["tests.oscar_shop.elsewhere.Elsewhere"], "DATABASES": {"ours": IN_MEMORY}}),
        ("E041", {"INSTALLED_APPS": of_apps(first=False)}),
        ("E042", {"PAGOEFECTIVO": {"OSCAR_STATUSES": {"payed": "Cancelled"}}}),
        ("E042", {"PAGOEFECTIVO": {"OSCAR_STATUSES": {"paid": "Being procesed"}}}),
        ("E042", {"PAGOEFECTIVO": {"OSCAR_STATUSES": "Cancelled"}}),
        ("W040", {"PAGOEFECTIVO": {"OSCAR_STATUSES": {}}}),
    ],
    ids=["E040", "E041", "E042-state", "E042-status", "E042-text", "W040"],
)
def test_a_setting_that_can_not_work_is_told(tmp_path: Path, id: str, changes: dict[str, Any]) -> None:
    assert f"pagoefectivo.{id}" in run(tmp_path, "django", "check", **changes).stderr


def test_a_start_without_oscars_apps_says_what_is_missing(tmp_path: Path) -> None:
    ours = ["django.contrib.contenttypes", "django.contrib.auth", "pagoefectivo_django"]
    changes: dict[str, Any] = {"INSTALLED_APPS": [*ours, "pagoefectivo_django.contrib.oscar"]}
    assert "add those that Oscar's manual lists" in run(tmp_path, "django", "check", **changes).stderr
