"""The steps about the shop's own machines: the database, a cache shared by processes, the worker."""

from __future__ import annotations

import os
import subprocess  # nosec B404 # our own interpreter, with arguments of our own
import sys
import uuid
from collections.abc import Iterator

from django.conf import ENVIRONMENT_VARIABLE
from django.core.cache import cache
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.utils.timesince import timesince

from ..flows.reports.health import waiting
from ..models.clock import current_time
from ..models.database import database
from .finding import Finding, Verdict, well

#: The program of another process, which prints the value that this process put into the cache.
GLIMPSE = "import sys, django; django.setup(); from django.core.cache import cache; print(cache.get(sys.argv[1]))"
#: Seconds for that process to start and answer.
PATIENCE = 50


def examine_database() -> Iterator[Finding]:
    """Yield findings about the app's database: product and version, row locks, and migrations not applied."""
    connection = connections[database()]
    connection.ensure_connection()
    version = ".".join(map(str, connection.get_database_version()))
    locks = "row locks" if connection.features.has_select_for_update else "no row locks: writers take turns"
    yield well("database", f"{connection.display_name} {version}, {locks}.")
    if connection.vendor == "sqlite":
        hint = "Use PostgreSQL where more than one process writes."
        yield Finding("database", Verdict.WARNING, "SQLite is for one machine and few writers.", hint)
    executor = MigrationExecutor(connection)
    targets = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "pagoefectivo"]
    if plan := executor.migration_plan(targets):
        seen = f"{len(plan)} migration(s) are not applied."
        yield Finding("database", Verdict.FAILURE, seen, "Run manage.py migrate.")
    else:
        yield well("database", "All migrations are applied.")


def examine_cache() -> Iterator[Finding]:
    """Yield whether another process finds a value that this process puts into the default cache."""
    key, value = f"pagoefectivo:doctor:{uuid.uuid4().hex}", uuid.uuid4().hex
    cache.set(key, value, 60)
    try:
        if cache.get(key) != value:
            hint = "Each process asks for tokens of its own, and payers are not limited; mend CACHES['default']."
            yield Finding("cache", Verdict.FAILURE, "The default cache does not keep what is put into it.", hint)
            return
        if not os.environ.get(ENVIRONMENT_VARIABLE):
            hint = f"Set {ENVIRONMENT_VARIABLE}, so that another process can be started."
            yield Finding("cache", Verdict.WARNING, "Whether processes share it was not looked at.", hint)
            return
        command = [sys.executable, "-c", GLIMPSE, key]
        done = subprocess.run(  # nosec B603 # as above
            command, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=os.getcwd()
        )
        if done.stdout.strip().endswith(value):
            yield well("cache", "Another process finds what this one keeps.")
        else:
            hint = "Use Redis, Valkey, memcached or the database; each process asks for tokens of its own otherwise."
            yield Finding("cache", Verdict.WARNING, "Another process does not find what this one keeps.", hint)
    finally:
        cache.delete(key)


def examine_worker() -> Iterator[Finding]:
    """Yield when a worker last made a round, and the number of messages given up."""
    state, now = waiting(), current_time()
    if state.asleep(now):
        seen = "No worker has run yet." if state.beaten_at is None else f"None for {timesince(state.beaten_at, now)}."
        hint = "Start manage.py pagoefectivo_worker, and keep it running (systemd, supervisor, a container)."
        yield Finding("worker", Verdict.FAILURE, seen, hint)
    else:
        yield well("worker", f"The last round began {timesince(state.beaten_at or now, now)} ago.")
    if state.dead:
        hint = "Look at them in the admin: notifications, status dead."
        yield Finding("worker", Verdict.WARNING, f"{state.dead} message(s) were given up.", hint)
