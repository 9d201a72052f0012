"""What every test can use, and what a run says about the databases and the browser it did not see."""

import os
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
from django.utils import translation

from tests import servers
from tests.browser.chromium import CHROMIUM

pytest_plugins = ["pagoefectivo_django.testing"]

ROOT = Path(__file__).parent.parent

# A slow machine is not a wrong program. What Hypothesis sets for CI stays.
hypothesis.settings.register_profile("ours", deadline=None)
hypothesis.settings.load_profile("ours")


def pytest_report_header() -> str:
    return f"database: {servers.kind()}, {os.environ['TEST_DATABASE_URL']}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test marked with databases runs on those only."""
    for item in items:
        wanted = [name for name in servers.ENGINES if item.get_closest_marker(name)]
        if wanted and servers.kind() not in wanted:
            item.add_marker(pytest.mark.skip(reason=f"for {' and '.join(wanted)}, this is {servers.kind()}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Whoever runs the whole suite shall not believe that it saw MariaDB."""
    whole = config.args_source is not pytest.Config.ArgsSource.ARGS
    if whole and servers.kind() == "sqlite" and not CHROMIUM:
        terminalreporter.write_sep(
            "!", "The payer's pages were NOT looked at: install Chromium (Debian: chromium)", yellow=True, bold=True
        )
    if whole and servers.kind() != "mariadb":
        why = "" if servers.mariadbd() else " (mariadbd is not installed here)"
        terminalreporter.write_sep(
            "!", f"MariaDB was NOT tested{why}; to do it: make test-mariadb", yellow=True, bold=True
        )


@pytest.fixture(autouse=True)
def own_language() -> None:
    """Begin in the settings' language: ``LocaleMiddleware`` leaves a visitor's in the thread."""
    translation.deactivate()


@pytest.fixture
def server_log() -> Callable[[], str]:
    """A function that returns what the database server has logged since the test began."""
    path = servers.log()
    if path is None:
        pytest.skip("no database server of ours, so no log of it")
    begin = path.stat().st_size

    def read() -> str:
        with path.open("rb") as file:
            file.seek(begin)
            return file.read().decode(errors="replace")

    return read


@pytest.fixture
def child_environment() -> dict[str, str]:
    """For ``subprocess``: Django set up as here, on the same database. The test must really commit."""
    return dict(os.environ) | {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT)}
