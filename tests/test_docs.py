"""What the front door (README) and the manual (docs) say is what the code does."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from django.apps import apps
from docutils import nodes

from pagoefectivo_django import flows, models, signals
from pagoefectivo_django.channels.base import COMMON_OPTIONS, Channel
from pagoefectivo_django.channels.built_in import built_in
from pagoefectivo_django.conf import SETTINGS
from pagoefectivo_django.states import Fact, OrderState
from pagoefectivo_django.transitions import ORDER_TABLE
from tests.manual import PAGES, README, ROOT, document, leads_to, table
from tests.sandbox.running import running, wait_for

PACKAGE = ROOT / "pagoefectivo_django"
SOURCES = {path: path.read_text() for path in PACKAGE.rglob("*.py") if not path.is_relative_to(PACKAGE / "sandbox")}


def test_the_front_door_is_short() -> None:
    assert len(README.splitlines()) <= 150


def test_each_page_is_led_to_once() -> None:
    """Sphinx warns of a page that none leads to, and of one that is not there; here without Sphinx."""
    listed = [led for page in PAGES for led in leads_to(page)]
    assert sorted(listed) == sorted(set(PAGES) - {"index"})


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_faultless(page: str) -> None:
    """It has a title, and docutils warns of nothing; what only Sphinx knows, ``make docs`` looks at."""
    assert next(document(page).findall(nodes.title)).astext()


def test_hints_name_pages() -> None:
    named = {name for text in SOURCES.values() for name in re.findall(r"[Ss]ee '([\w ]+)' in the manual", text)}
    assert "When the money arrives" in named
    assert named <= {next(document(page).findall(nodes.title)).astext() for page in PAGES}


def test_the_front_door_leads_to_pages() -> None:
    named = re.findall(r"<docs/([\w/-]+)\.rst>`_", README)
    assert {"start/index", "how-to/index", "going-live/index", "reference/index", "explanation/index"} <= set(named)
    assert set(named) <= set(PAGES)
    shown = re.findall(r"^\.\. image:: (\S+)$", README, re.MULTILINE)
    assert len(shown) == 2
    assert all((ROOT / path).is_file() for path in shown)


def test_the_transition_table() -> None:
    head, *rows = table("reference/states", "transitions")
    assert head == ["fact", *OrderState.values]
    assert [row[0] for row in rows] == [fact.value.replace("_", " ") for fact in Fact]
    for row, fact in zip(rows, Fact, strict=True):
        for cell, state in zip(row[1:], OrderState, strict=True):
            assert cell == str(ORDER_TABLE[state][fact]), f"{fact} in state {state}"
    assert set(ORDER_TABLE) == set(OrderState)
    assert all(set(columns) == set(Fact) for columns in ORDER_TABLE.values())


def test_settings() -> None:
    assert [row[0] for row in table("reference/settings", "settings")] == list(SETTINGS)


@pytest.mark.parametrize("channel", built_in(), ids=lambda channel: channel.__name__)
def test_each_channel_has_a_page_with_its_options(channel: type[Channel]) -> None:
    page = PAGES[f"how-to/providers/{channel.__module__.split('.')[2]}"]
    assert f"{channel.__module__.rpartition('.')[0]}.{channel.__name__}" in page
    for name in channel.option_names or ():
        assert f"``{name}``" in page, name
    for name in COMMON_OPTIONS:
        assert f"``{name}``" in PAGES["reference/options"], name


def test_every_folder_of_a_channel_is_in_the_table() -> None:
    folders = {path.parent.name for path in (PACKAGE / "channels").glob("*/__init__.py")}
    assert {channel.__module__.split(".")[2] for channel in built_in()} == folders


def test_environment_variables() -> None:
    read = set(re.findall(r"PAGOEFECTIVO_[A-Z_]+", SOURCES[PACKAGE / "conf.py"])) - {"PAGOEFECTIVO_BACKEND"}
    assert {name for name in read if name in PAGES["reference/settings"]} == read - {"PAGOEFECTIVO_"}


def test_signals() -> None:
    told = [name for row in table("reference/signals", "signals") for name in row[0].split(", ")]
    assert told == list(signals.SIGNALS)


def test_flows() -> None:
    told = {name for row in table("reference/flows", "flows") for name in re.findall(r"(\w+)\(", row[0])}
    assert told == set(flows.__all__)


def test_checks() -> None:
    used = {id for text in SOURCES.values() for id in re.findall(r"pagoefectivo\.[EW]\d{3}", text)}
    assert [row[0] for row in table("reference/checks", "checks")] == sorted(used)


def test_models_commands_and_loggers() -> None:
    for name in set(models.__all__) - {"NotificationStatus", "Heartbeat"}:
        assert f"``{name}``" in PAGES["reference/models"]
    for path in (PACKAGE / "management/commands").glob("[a-z]*.py"):
        assert path.stem in PAGES["reference/commands"]
    used = {name for text in SOURCES.values() for name in re.findall(r'getLogger\("([\w.]+)"\)', text)}
    for name in used:
        assert f"``{name}``" in PAGES["reference/loggers"]


def test_commands_are_read_from_the_code() -> None:
    told = document("reference/commands").astext()
    for path in (PACKAGE / "management/commands").glob("[a-z]*.py"):
        options = re.findall(r'add_argument\(\s*"([\w-]+)"', path.read_text())
        assert options
        for option in options:
            usage = option if option.startswith("-") else option.upper()
            assert re.search(rf"^{re.escape(usage)}( [A-Z]+)?: \w", told, re.MULTILINE), f"{path.stem} {option}"
    assert "--settings" not in told


def test_permissions_are_read_from_the_code() -> None:
    told = document("reference/permissions").astext()
    granted = re.findall(r'^ {12}\("(\w+)", _\("', "".join(SOURCES.values()), re.MULTILINE)
    assert {"mark_paid", "send_refund", "export_settlement"} <= set(granted)
    assert re.findall(r"^pagoefectivo\.(\w+)", told, re.MULTILINE) == [
        name for model in apps.get_app_config("pagoefectivo").get_models() for name, _title in model._meta.permissions
    ]
    assert set(re.findall(r"^pagoefectivo\.(\w+)", told, re.MULTILINE)) <= set(granted)


def test_the_seven_functions() -> None:
    named = re.findall(r"^\d\. ``([\w/.]+): (\w+)``", PAGES["explanation/journey"], re.MULTILINE)
    assert 1 <= len(named) <= 7
    for place, function in named:
        path = PACKAGE / place
        text = (path / "__init__.py" if path.is_dir() else path).read_text()
        assert f"\ndef {function}(" in text, f"{place}: {function}"


# The smallest shop.


def snippets(page: str) -> dict[str, str]:
    """Return the Python files of a page by their names, as the page's reader would write them."""
    blocks = re.findall(r"\.\. code-block:: python\n    :name: (\S+)\n\n((?:    .*\n|\n)+)", page)
    return {name: re.sub(r"^    ", "", text, flags=re.MULTILINE).strip() + "\n" for name, text in blocks}


SHOP = snippets(README)


def test_the_smallest_shop_is_short() -> None:
    start = README.split("The smallest shop\n", 1)[1].split("\nWhat it can do", 1)[0]
    assert len([line for line in start.splitlines() if line.strip()]) < 80
    assert sum(len(text.splitlines()) for text in SHOP.values()) < 60


def test_the_first_ten_minutes_build_the_same_shop() -> None:
    assert snippets(PAGES["start/index"]) == SHOP


class Shop:
    """The smallest shop's project, in a folder of its own."""

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
        for name, text in SHOP.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text((around if name == "settings.py" else "") + text)
        (folder / "shop/__init__.py").touch()

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


@pytest.mark.long
@pytest.mark.sqlite
def test_the_smallest_shop_sells(tmp_path: Path) -> None:
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


def test_the_minimal_channel_is_short_and_the_page_shows_all_of_it() -> None:
    minimal = (ROOT / "tests/providers/minimal.py").read_text()
    assert len(minimal.splitlines()) < 100
    shown = {text.astext() for text in document("how-to/adding-channels").findall(nodes.literal_block)}
    assert shown == {minimal}
    page, methods = PAGES["how-to/adding-channels"], re.findall(r"    def (\w+)\(self", minimal)
    assert [name for name in methods if f":pyobject: MinimalChannel.{name}\n" not in page] == ["account_id"]
