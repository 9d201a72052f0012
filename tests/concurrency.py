"""Two things at once, each on a connection of its own, and statements that fail."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import OperationalError, connections, transaction

from pagoefectivo_django.models import Order
from pagoefectivo_django.models.database import database
from tests import servers
from tests.factories.messages import post

WHO_WAITS = {
    "postgresql": "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
    "mariadb": "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
}


@contextmanager
def breaking(*parts: str, times: int = 1_000_000, lose_transaction: bool = False) -> Iterator[list[str]]:
    """Let statements that hold these texts fail in the database, and yield the list of those that did.

    ``lose_transaction``: as a deadlock on MariaDB does, which leaves nothing to go on with.
    """
    failed: list[str] = []
    gone: list[Any] = []

    def run(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        blocks = context["connection"].atomic_blocks
        if blocks and blocks[0] in gone:
            raise OperationalError("the transaction is gone")
        if len(failed) < times and all(part in sql for part in parts):
            failed.append(sql)
            gone.extend(blocks[:1] if lose_transaction else [])
            raise OperationalError("the test broke it")
        return execute(sql, params, many, context)

    with ExitStack() as stack:
        for connection in connections.all():
            stack.enter_context(connection.execute_wrapper(run))
        yield failed


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """Do each in a thread and on a connection of its own, begun together; return results and errors."""
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], Any]) -> Any:
        try:
            connections[database()].ensure_connection()
            barrier.wait(20)
            return action()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


@contextmanager
def observing() -> Iterator[Callable[[str], Any]]:
    """A connection of its own, outside of every transaction; yields a function that returns the first value found."""
    beside = connections[database()].copy()

    def ask(sql: str) -> Any:
        with beside.cursor() as cursor:
            cursor.execute(sql)
            found = cursor.fetchone() if cursor.description else None
        return found and found[0]

    try:
        yield ask
    finally:
        beside.close()


def who_waits(ask: Callable[[str], Any]) -> int:
    """Return the connection that waits for a lock, as soon as there is one."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if found := ask(WHO_WAITS[servers.kind()]):
            return int(found)
        time.sleep(0.15)  # InnoDB does not look again while it is asked more often
    raise AssertionError("nobody waits")


@contextmanager
def posting(body: bytes) -> Iterator[list[int]]:
    """Post in a thread on a connection of its own; yields a list that gets the answer's status."""
    statuses: list[int] = []

    def run() -> None:
        try:
            statuses.append(post(body).status_code)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield statuses
    finally:
        thread.join(30)


@contextmanager
def held(*orders: Order) -> Iterator[threading.Event]:
    """Hold the locks of orders on another connection; yields an event that says when they were let go, at last."""
    locked, release, over = threading.Event(), threading.Event(), threading.Event()

    def shop() -> None:
        try:
            with transaction.atomic():
                list(Order.objects.select_for_update().filter(pk__in=[order.pk for order in orders]))
                locked.set()
                release.wait(60)
            over.set()
        finally:
            connections.close_all()

    thread = threading.Thread(target=shop)
    thread.start()
    assert locked.wait(20)
    try:
        yield over
    finally:
        release.set()
        thread.join(30)
