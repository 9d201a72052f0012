"""What every test can use, and what a run says about the databases and the browser it did not see."""

import gc
import os
import re
import signal
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import django
import hypothesis
import pytest
from django.utils import translation

from tests import servers, writers
from tests.browser.chromium import CHROMIUM
from tests.contrib.webhooks.node_shop import NODE, NPM
from tests.ports import refusing

pytest_plugins = ["pagoefectivo_django.testing.pytest", "tests.browser.visiting", "tests.flushing"]

ROOT = Path(__file__).parent.parent
#: ``make storm``: everything that is too long for the suite.
FULL = os.environ.get("STORM") == "full"
#: Of all tests that are chosen only each n-th, beginning with the m-th: ``m/n``.
PART = os.environ.get("STORM_PART", "")

#: Folders of tests about our own logic, which stands above Django's pages and ORM: no version changes their results.
#: What a database can change is marked.
IN_ONE_RUN = {"flows", "statements", "documents", "providers", "carriers", "sandbox", "tools", "mutants"}

# A slow machine is not a wrong program. The suite tells the same stories each day, so that what fails has changed;
# ``make storm`` tells new ones. What Hypothesis sets for CI stays.
hypothesis.settings.register_profile("ours", deadline=None, derandomize=not FULL)
hypothesis.settings.load_profile("ours")

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # begun in the background by a shell; children would inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="show the thirty slowest tests and what each folder costs")


def pytest_report_header() -> str:
    return f"database: {servers.kind()}, {os.environ['TEST_DATABASE_URL']}"


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Collect without the garbage collector, which would search ten thousand tests again and again, then and later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, object, object]:
    """Mark each test by what it needs, before ``-m`` chooses; skip those for another database or ``make storm``.

    What takes long begins first, in the shuffled order too: a storm waits for seconds in which another worker works.
    """
    for item in items:
        wanted = [name for name in servers.ENGINES if item.get_closest_marker(name)]
        if wanted:
            item.add_marker(pytest.mark.every_database)
        if wanted and servers.kind() not in wanted:
            item.add_marker(pytest.mark.skip(reason=f"for {' and '.join(wanted)}, this is {servers.kind()}"))
        if item.get_closest_marker("storm") and not FULL:
            item.add_marker(pytest.mark.skip(reason="for make storm"))
        if item.path.relative_to(ROOT / "tests").parts[0] in IN_ONE_RUN and not item.get_closest_marker(
            "every_database"
        ):
            item.add_marker(pytest.mark.once)
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.once)
            item.add_marker(pytest.mark.xdist_group("chromium"))
    share_cases(items)
    if PART:
        part, parts = map(int, PART.split("/"))
        items[:] = sorted(items, key=lambda item: item.nodeid)[part - 1 :: parts]
    result = yield
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    return result


def share_cases(items: list[pytest.Item]) -> None:
    """Mark the cases of each test: the first for both ends of ``.ci/run``, each other for one.

    So both ends run every test, and together every case; what a database can change, each database runs whole. A
    case's end depends on its name among the collected ones.
    """
    cases: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if not item.get_closest_marker("once"):
            cases[item.nodeid.partition("[")[0]].append(item)
    for tests in cases.values():
        for number, item in enumerate(sorted(tests, key=lambda test: test.nodeid)[1:]):
            item.add_marker(pytest.mark.newest_end if number % 2 else pytest.mark.oldest_end)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Whoever runs the whole suite shall not believe that it saw MariaDB."""
    if config.getoption("slow"):
        show_costs(terminalreporter)
    whole = config.args_source is not pytest.Config.ArgsSource.ARGS
    if whole and servers.kind() == "sqlite" and not CHROMIUM:
        terminalreporter.write_sep(
            "!", "The payer's pages were NOT looked at: install Chromium (Debian: chromium)", yellow=True, bold=True
        )
    if whole and not (NODE and NPM):
        terminalreporter.write_sep("!", "No shop in Node was tried: install node and npm", yellow=True, bold=True)
    if whole and servers.kind() != "mariadb":
        why = "" if servers.mariadbd() else " (mariadbd is not installed here)"
        terminalreporter.write_sep(
            "!", f"MariaDB was NOT tested{why}; to do it: make test-mariadb", yellow=True, bold=True
        )


def show_costs(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the thirty slowest tests, and the sum of each folder, in seconds of one worker with setup and teardown."""
    tests: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                tests[report.nodeid] += report.duration
    folders: dict[str, float] = defaultdict(float)
    for nodeid, seconds in tests.items():
        folders["/".join(nodeid.partition("::")[0].split("/")[:2])] += seconds
    for title, costs in (("the slowest tests", tests), ("folders", folders)):
        terminalreporter.write_sep("-", f"{title}, in seconds of one worker")
        for name, seconds in sorted(costs.items(), key=itemgetter(1), reverse=True)[:30]:
            terminalreporter.write_line(f"{seconds:8.2f}  {name[:110]}")
    terminalreporter.write_line(f"{sum(tests.values()):8.2f}  in all, of {len(tests)} tests")


@pytest.fixture(scope="session")
def django_db_modify_db_settings_parallel_suffix() -> None:
    """Keep the database's name in a worker of pytest-xdist: each has a server of its own, and so have its children."""


@pytest.fixture(autouse=True)
def own_language() -> None:
    """Begin in the settings' language: ``LocaleMiddleware`` leaves a visitor's in the thread."""
    translation.deactivate()


@pytest.fixture(autouse=True)
def only_writer() -> Iterator[None]:
    """Fail a test at its end if a write was refused that is the ledger's, whoever caught the error."""
    writers.refused.clear()
    yield
    assert not writers.refused, "\n".join(writers.refused)


@pytest.fixture
def first_round(transactional_db: None) -> None:
    """Let the next round be a shop's first: the rare work of a round is due too."""
    from pagoefectivo_django.models import Heartbeat  # models can't be imported before Django is set up

    Heartbeat.objects.all().delete()


@pytest.fixture
def mailers(settings: Any) -> None:
    """Name the mailer that keeps mails in memory, where Django asks for a name (6.1)."""
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}


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
def no_deadlock(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test during which PostgreSQL saw a deadlock; MariaDB may give up a transaction, which is tried again."""
    if servers.kind() == "sqlite":
        yield
        return
    read: Callable[[], str] = request.getfixturevalue("server_log")
    yield
    log = read()
    found = re.search("deadlock detected", log)
    assert servers.kind() == "mariadb" or not found, log[max(0, found.start() - 500) : found.start() + 3000]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine that refuses connections."""
    with refusing() as port:
        yield port


@pytest.fixture
def child_environment() -> dict[str, str]:
    """For ``subprocess``: Django set up as here, on the same database. The test must really commit."""
    return dict(os.environ) | {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT)}
