"""The moments at which a process can die: counted, and at one of them it is killed."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import requests
from django.db import connection

#: The sandbox's own header, by which a request asks for a fault.
FAULT = "X-Sandbox-Fault"


class Points:
    """Every statement and commit, every question to the provider and its answer, both ends of every receiver."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._counting = False
        self._fatal = 0
        self._faults: list[tuple[str, str, str]] = []

    def reach(self, name: str) -> None:
        """Count a moment; nothing after the fatal one happens in this process."""
        if self._counting:
            self.names.append(name)
            if len(self.names) == self._fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def counted(self, fatal: int) -> Iterator[list[str]]:
        """Count what happens from here, and die at this one, counted from 1."""
        connection.ensure_connection()
        commit = connection._commit  # type: ignore[attr-defined]

        def commit_and_count() -> None:
            self.reach("before COMMIT")
            commit()
            self.reach("after COMMIT")

        with connection.execute_wrapper(self._execute):
            connection._commit = commit_and_count  # type: ignore[attr-defined]
            self._counting, self._fatal = True, fatal
            try:
                yield self.names
                self.reach("the end")
            finally:
                self._counting = False
                connection._commit = commit  # type: ignore[attr-defined]

    @contextmanager
    def misbehaving(self, method: str, path: str, fault: str, times: int = 1) -> Iterator[None]:
        """Let the provider do so at this process's next calls to a path that matches."""
        self._faults += [(method, path, fault)] * times
        try:
            yield
        finally:
            self._faults.clear()

    def watch(self, *ignored: requests.Session) -> None:
        """See all that this process asks by HTTP, but for some sessions: the test's own."""
        request = requests.Session.request

        def ask(session: requests.Session, method: str, url: str, **options: Any) -> requests.Response:
            if session in ignored:
                return request(session, method, url, **options)
            path = urlsplit(url).path
            wanted = next((each for each in self._faults if each[0] == method and re.search(each[1], path)), None)
            if wanted:
                self._faults.remove(wanted)
                options["headers"] = {**options["headers"], FAULT: wanted[2]}
            self.reach(f"before {method} {path}")
            try:
                return request(session, method, url, **options)
            finally:
                self.reach(f"after {method} {path}")

        requests.Session.request = ask  # type: ignore[assignment,method-assign]

    def _execute(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        words = sql.replace('"', "").split()
        with suppress(ValueError):
            words = [words[0], words[words.index("FROM") + 1]]
        self.reach(f"before {' '.join(words[:3])}")
        return execute(sql, params, many, context)


points = Points()
