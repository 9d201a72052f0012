"""Importing a settlement of any size, against the SQL that somebody would write who knows that all of it is right."""

import multiprocessing
import resource
import time
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path

from django.db import connection, transaction
from django.utils import timezone

from benchmarks import books
from benchmarks.channels import ACCOUNT
from pagoefectivo_django.flows import import_settlement
from pagoefectivo_django.flows.reports.balance import balance
from pagoefectivo_django.models import Match, Order
from pagoefectivo_django.workdays import lima_day

_FLOOR = """
INSERT INTO pagoefectivo_settlement (
    kind, account, reference, dated, currency, status, file_name, digest, once, reading, faults, fault_count,
    line_count, open_amount, imported_by, created_at, attempts, last_error)
VALUES ('settlement', '{account}', 'floor', now(), 'PEN', 'done', 'floor', 'floor', true, '{{}}', '[]', 0,
    0, 0, 'bench', now(), 0, '');
INSERT INTO pagoefectivo_settlementline (
    settlement_id, number, code, transaction_code, operation_number, currency, gross, fee, tax, net, paid_at, payer,
    collector, digest, first, status, about, data, reason)
SELECT (SELECT max(id) FROM pagoefectivo_settlement), number, ltrim(c3, '0'), c4, '', 'PEN', c7::numeric,
    round(c6::numeric / 1.18, 2), c6::numeric - round(c6::numeric / 1.18, 2), c7::numeric - c6::numeric,
    to_timestamp(c9, 'DD/MM/YYYY HH24:MI:SS'), '', c13 || ' ' || c15, md5(c3 || c4 || c6 || c7 || c9),
    NULL, 'new', '', '{{}}', ''
FROM floor;
INSERT INTO pagoefectivo_match (line_id, payment_id, kind, amount, rule, author, reason, created_at, stands, part)
SELECT l.id, p.id, 'settlement', l.gross, 'code', 'bench', '', now(), true, 0
FROM pagoefectivo_settlementline l
JOIN pagoefectivo_cip c ON c.account = '{account}' AND c.code = l.code
JOIN pagoefectivo_payment p ON p.cip_id = c.id AND p.amount = l.gross AND p.currency = l.currency
WHERE p.status = 'applied';
UPDATE pagoefectivo_settlementline l SET status = 'matched', first = true
FROM pagoefectivo_match m WHERE m.line_id = l.id;
UPDATE pagoefectivo_order o SET settled_at = now(), event_count = event_count + 1
FROM pagoefectivo_match m
JOIN pagoefectivo_payment p ON p.id = m.payment_id
JOIN pagoefectivo_cip c ON c.id = p.cip_id
WHERE c.order_id = o.id AND o.state = 'paid';
INSERT INTO pagoefectivo_orderevent (
    id, order_id, number, kind, fact, state_before, state_after, actor_kind, actor_name, data, reason, cip_id, trace,
    created_at)
SELECT gen_random_uuid(), id, event_count, 'payment_settled', '', 'paid', 'paid', 'import', '', '{{}}', '', cip_id,
    '', now()
FROM pagoefectivo_order WHERE settled_at IS NOT NULL
"""


def write_file(path: Path, count: int) -> None:
    """Write a settlement text that has every order of ``books.write``."""
    today = lima_day(timezone.now())
    with path.open("w") as file:
        for number in range(1, count + 1):
            day = today - timedelta(days=number % 28)
            moment = f"{day:%d/%m/%Y} {number % 24:02}:{number % 60:02}:{number % 59:02}"
            code = str(70_000_000 + number).zfill(14)
            file.write(f"1,x,{code},BENCH-{number},x,1.89,35.50,{moment},{moment},x,x,x,BCP,x,Agente\n")


def floor(path: Path) -> float:
    """Return the seconds that the plain SQL takes."""
    columns = ", ".join(f"c{place} text" for place in range(1, 16))
    named = ", ".join(f"c{place}" for place in range(1, 16))
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS floor; CREATE TABLE floor (number serial, {columns})")
        begin = time.perf_counter()
        copying = f"COPY floor ({named}) FROM STDIN (FORMAT csv)"
        with path.open("rb") as file, transaction.atomic(), cursor.copy(copying) as copy:
            while piece := file.read(1 << 20):
                copy.write(piece)
        with transaction.atomic():
            cursor.execute(_FLOOR.format(account=ACCOUNT))
        return time.perf_counter() - begin


def _ours(path: Path, count: int, answer: Connection) -> None:
    begin = time.perf_counter()
    with path.open("rb") as file:
        import_settlement(file, path.name, actor="bench", currency="PEN")
    took = time.perf_counter() - begin
    assert Match.objects.filter(stands=True).count() == Order.objects.filter(settled_at__isnull=False).count() == count
    assert balance("PEN").holds
    answer.send((took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))


def ours(path: Path, count: int) -> tuple[float, int]:
    """Return the seconds that the import takes, and the most MiB that its own process had."""
    connection.close()
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_ours, args=(path, count, there))
    child.start()
    child.join()
    assert child.exitcode == 0
    found: tuple[float, int] = here.recv()
    return found


def settling(count: int, folder: Path) -> tuple[float, int, float]:
    """Return seconds and MiB of ours, and seconds of the floor, for so many lines and orders."""
    path = folder / f"settlement-{count}.txt"
    write_file(path, count)
    books.empty()
    books.write(count, account=ACCOUNT, mixed=False, state=books.PAID)
    took, most = ours(path, count)
    books.empty()
    books.write(count, account=ACCOUNT, mixed=False, state=books.PAID)
    return took, most, floor(path)
