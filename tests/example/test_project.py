"""The example shop is what a developer outside could have written, and Django finds nothing to say about it."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pagoefectivo_django import errors, flows, models, signals

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "example_project"
FILES = sorted(path for path in EXAMPLE.rglob("*.py") if "var" not in path.parts)
#: What a shop may import, by module.
PUBLIC = {
    "pagoefectivo_django.flows": set(flows.__all__),
    "pagoefectivo_django.models": set(models.__all__),
    "pagoefectivo_django.signals": set(signals.SIGNALS),
    "pagoefectivo_django.errors": {name for name in vars(errors) if name[0].isupper()},
    "pagoefectivo_django.payer": {"Payer"},
    "pagoefectivo_django.forms": {"PayerForm"},
    "pagoefectivo_django.money": {"Money"},
    "pagoefectivo_django.conf": {"from_env"},
}
#: What it may name in its settings, its urls and on the command line.
NAMED = {
    *("pagoefectivo_django", "pagoefectivo_django.urls", "pagoefectivo_django.sandbox"),
    "pagoefectivo_django.channels.dlocal.DlocalChannel",
}


def taken_from_us(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Module and name of everything of ours that a file imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.startswith("pagoefectivo_django"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pagoefectivo_django"):
            yield from ((str(node.module), alias.name) for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(EXAMPLE)) for path in FILES])
def test_it_uses_public_names_only(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [each for each in taken_from_us(tree) if each[1] not in PUBLIC.get(each[0], set())] == []
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert {text for text in texts if text.startswith("pagoefectivo_django")} <= NAMED


def test_it_uses_what_the_readme_shows() -> None:
    taken = {each for path in FILES for each in taken_from_us(ast.parse(path.read_text(encoding="utf-8")))}
    assert {name for _, name in taken} >= {"create_order", "Payer", "payment_confirmed", "from_env"}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """No variable but where to write."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"SHOP_FOLDER": str(tmp_path)}


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "command",
    [
        ["check", "--fail-level", "WARNING"],
        ["makemigrations", "shop", "--check", "--dry-run"],
        ["migrate", "--verbosity", "0"],
    ],
    ids=["check", "makemigrations", "migrate"],
)
def test_django_has_nothing_to_say(command: list[str], environment: dict[str, str]) -> None:
    manage = [sys.executable, "-W", "error", "manage.py", *command]
    run = subprocess.run(manage, cwd=EXAMPLE, env=environment, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, ""), run.stdout


@pytest.mark.sqlite
def test_its_database_is_the_one_that_the_readme_asks_for(environment: dict[str, str]) -> None:
    look = (
        "from django.db import connection as c; k = c.cursor(); "
        "print(c.transaction_mode, *[k.execute(f'PRAGMA {n}').fetchone()[0] "
        "for n in ('journal_mode', 'busy_timeout', 'synchronous')])"
    )
    shell = [sys.executable, "-W", "error", "manage.py", "shell", "--no-imports", "--command", look]
    run = subprocess.run(shell, cwd=EXAMPLE, env=environment, capture_output=True, text=True, timeout=60)
    assert (run.stdout.strip(), run.stderr) == ("IMMEDIATE wal 20000 2", "")
