"""What the README says is what the code does."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from docutils import nodes
from docutils.core import publish_doctree

from pagoefectivo_django import flows, models, signals
from pagoefectivo_django.conf import SETTINGS
from pagoefectivo_django.states import TABLE, Fact, OrderState
from tests.sandbox.running import running, wait_for

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.rst").read_text()
PACKAGE = ROOT / "pagoefectivo_django"
SOURCES = {path: path.read_text() for path in PACKAGE.rglob("*.py") if not path.is_relative_to(PACKAGE / "sandbox")}


@pytest.fixture(scope="module")
def tree() -> nodes.document:
    return publish_doctree(README, settings_overrides={"report_level": 2, "halt_level": 2})


def table(tree: nodes.document, name: str) -> list[list[str]]:
    found = next(one for one in tree.findall(nodes.table) if name in one["names"])
    return [[cell.astext() for cell in row.findall(nodes.entry)] for row in found.findall(nodes.row)]


def words(cell: str) -> set[str]:
    return set(re.findall(r"[\w.]+", cell))


def test_the_transition_table(tree: nodes.document) -> None:
    head, *rows = table(tree, "transitions")
    assert head == ["fact", *OrderState.values]
    assert [row[0] for row in rows] == [fact.value.replace("_", " ") for fact in Fact]
    for row, fact in zip(rows, Fact, strict=True):
        for cell, state in zip(row[1:], OrderState, strict=True):
            assert cell == str(TABLE[state][fact]), f"{fact} in state {state}"
    assert set(TABLE) == set(OrderState)
    assert all(set(columns) == set(Fact) for columns in TABLE.values())


def test_settings(tree: nodes.document) -> None:
    assert [row[0] for row in table(tree, "settings")] == list(SETTINGS)


def test_environment_variables() -> None:
    read = set(re.findall(r"PAGOEFECTIVO_[A-Z_]+", SOURCES[PACKAGE / "conf.py"])) - {"PAGOEFECTIVO_BACKEND"}
    assert {name for name in read if name in README} == read - {"PAGOEFECTIVO_"}


def test_signals(tree: nodes.document) -> None:
    told = [name for row in table(tree, "signals") for name in row[0].split(", ")]
    assert told == list(signals.SIGNALS)


def test_flows(tree: nodes.document) -> None:
    told = {name for row in table(tree, "flows") for name in re.findall(r"(\w+)\(", row[0])}
    assert told == set(flows.__all__)


def test_checks(tree: nodes.document) -> None:
    used = {id for text in SOURCES.values() for id in re.findall(r"pagoefectivo\.[EW]\d{3}", text)}
    assert [row[0] for row in table(tree, "checks")] == sorted(used)


def test_models_commands_and_loggers() -> None:
    for name in set(models.__all__) - {"NotificationStatus", "Heartbeat"}:
        assert f"``{name}``" in README
    for path in (PACKAGE / "management/commands").glob("[a-z]*.py"):
        assert path.stem in README
    used = {name for text in SOURCES.values() for name in re.findall(r'getLogger\("([\w.]+)"\)', text)}
    for name in used:
        assert f"``{name}``" in README


def test_the_seven_functions() -> None:
    named = re.findall(r"^\d\. ``([\w/.]+): (\w+)``", README, re.MULTILINE)
    assert 1 <= len(named) <= 7
    for place, function in named:
        path = PACKAGE / place
        text = (path / "__init__.py" if path.is_dir() else path).read_text()
        assert f"\ndef {function}(" in text, f"{place}: {function}"


# The quick start.


def snippets() -> dict[str, str]:
    """The quick start's files, by name."""
    start = README.split("Quick start\n", 1)[1].split("\nHow a payment travels", 1)[0]
    blocks = re.findall(r"\.\. code-block:: python\n    :name: (\S+)\n\n((?:    .*\n|\n)+)", start)
    return {name: re.sub(r"^    ", "", text, flags=re.MULTILINE) for name, text in blocks}


def test_the_quick_start_is_short() -> None:
    start = README.split("Quick start\n", 1)[1].split("\nHow a payment travels", 1)[0]
    assert len([line for line in start.splitlines() if line.strip()]) < 80
    assert sum(len(text.strip().splitlines()) for text in snippets().values()) < 60


class Shop:
    """The quick start's project, in a folder of its own."""

    def __init__(self, folder: Path, keys: dict[str, str], base: str) -> None:
        self.folder = folder
        variables = {f"PAGOEFECTIVO_{name}": value for name, value in keys.items() if name != "WEBHOOK_URL"}
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TEST_")},
            **variables,
            "PAGOEFECTIVO_BASE_URL": base,
            "DJANGO_SETTINGS_MODULE": "settings",
            "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
        }
        # What a new project has anyway.
        around = 'SECRET_KEY = "made-up"\nDEBUG = True\nROOT_URLCONF = "urls"\nTEMPLATES = [{"BACKEND": '
        around += (
            '"django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {"context_processors": '
        )
        around += (
            '["django.contrib.auth.context_processors.auth", "django.contrib.messages.context_processors.messages", '
        )
        around += '"django.template.context_processors.request"]}}]\nMIDDLEWARE = ["django.contrib.sessions.middleware.'
        around += 'SessionMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware", '
        around += '"django.contrib.messages.middleware.MessageMiddleware"]\n'
        for name, text in snippets().items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text((around if name == "settings.py" else "") + text)
        (folder / "shop/__init__.py").touch()
        urls = (folder / "urls.py").read_text() + "\nfrom shop.checkout import checkout\n"
        (folder / "urls.py").write_text(urls + 'urlpatterns.append(path("checkout/", checkout))\n')

    def manage(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "django", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def serve(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-u", "-m", "django", "runserver", "--noreload", "127.0.0.1:0"]
        with (self.folder / "out.txt").open("w") as out:
            return subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=out, stderr=out, text=True)


#: The address that runserver tells when it listens.
SERVED = re.compile(r"(http://127\.0\.0\.1:[1-9]\d*)/")


@pytest.mark.sqlite
def test_the_quick_start_sells(tmp_path: Path) -> None:
    with running() as sandbox:
        shop = Shop(tmp_path, sandbox.keys, sandbox.base)
        shop.manage("check", "--fail-level", "WARNING")
        shop.manage("migrate", "--verbosity", "0")
        server = shop.serve()
        try:
            served = wait_for(lambda: SERVED.search((tmp_path / "out.txt").read_text()))
            assert served is not None
            site = served[1]
            sandbox.tell("webhook", url=f"{site}/pay/webhooks/default/")
            voucher = requests.get(f"{site}/checkout/", timeout=20)
            state: dict[str, Any] = requests.get(f"{voucher.url}status/", timeout=20).json()
            assert state["state"] == "pending"
            assert state["code"] in voucher.text
            sandbox.tell("pay", cip=state["code"], operationNumber="7001")
            said = "ship SHOP-1001: PEN 120.50 came, operation 7001"
            wait_for(lambda: said in (tmp_path / "out.txt").read_text())
            assert requests.get(f"{voucher.url}status/", timeout=20).json()["state"] == "paid"
        finally:
            server.terminate()
            server.wait()
        shop.manage("pagoefectivo_worker", "--once")
        assert (tmp_path / "out.txt").read_text().count(said) == 1
