"""Statements in every shape, of orders that nobody has, and a short way to read them."""

import io
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl

from pagoefectivo_django.channels.pagoefectivo.statements import FORMATS
from pagoefectivo_django.statements import Fault, Line, Statement, open_statement

SAMPLE = (Path(__file__).parent.parent / "statements/samples" / "settlement.txt").read_bytes()
SHOP: dict[str, Any] = {
    "shop": {
        "KIND": "settlement",
        "COLUMNS": {"code": "Código", "gross": "Importe", "fee": "Comisión", "tax": "IGV", "paid_at": "Pagado"},
    }
}
#: The report's columns, in another order than the portal's.
REPORT = ["CIP", "Nro.Ord.Comercio", "Monto", "Estado", "Fec.Cancelación", "Cliente Email", "Canal"]
PREAMBLE = [[f"Reporte {number}"] for number in range(10)]
PAID_AT = datetime(2026, 11, 23, 10, 0, 5)  # noqa: DTZ001 (a workbook has no zones)

#: A bank's file with headings, and the same without: the columns of both in the order of ``COLUMNS``.
COLUMNS = ("code", "transaction_code", "operation_number", "gross", "fee", "tax", "net", "paid_at")
HEADINGS = ["Código", "Pedido", "Operación", "Importe", "Comisión", "IGV", "Neto", "Fecha"]
HEAD = ";".join(HEADINGS) + "\n"
NAMED: dict[str, Any] = {"bank": {"KIND": "settlement", "COLUMNS": dict(zip(COLUMNS, HEADINGS, strict=True))}}
NUMBERED: dict[str, Any] = {
    "bank": {"KIND": "settlement", "WIDTH": 8, "COLUMNS": {ours: at for at, ours in enumerate(COLUMNS, 1)}}
}


def read(data: bytes, name: str = "file.csv", *, formats: dict[str, Any] = SHOP, **said: Any) -> Statement:
    """Return a statement in soles, read with the formats of PagoEfectivo and of a shop."""
    return open_statement(io.BytesIO(data), name, **{"currency": "PEN", "formats": FORMATS | formats} | said)


def lines(statement: Statement) -> list[Line]:
    found = list(statement.lines())
    assert not [one for one in found if isinstance(one, Fault)]
    return [one for one in found if isinstance(one, Line)]


def fault(data: bytes, name: str = "file.csv", **said: Any) -> tuple[int, str, str]:
    """Return the line, the column and the problem of the only bad line."""
    (found,) = [one for one in read(data, name, **said).lines() if isinstance(one, Fault)]
    return found.number, found.column, found.problem


def line(**changes: str) -> bytes:
    """Return a line of a settlement text."""
    said = {"code": "70000009", "order": "SHOP-9", "commission": "1.89", "gross": "35.50", "bank": "BCP"}
    said |= {"paid": "23/11/2026 10:00:05", "first": "1"} | changes
    return (
        f"{said['first']},x,{said['code']},{said['order']},x,{said['commission']},{said['gross']},20/11/2026 09:00:00,"
        f"{said['paid']},x,x,x,{said['bank']},x,Agente\n"
    ).encode()


def settlement(**changes: str) -> bytes:
    """Return a settlement text of two good lines and one."""
    return SAMPLE + line(**changes)


def row(**changes: Any) -> list[Any]:
    """Return a row of the report."""
    said = {"code": 70000001, "order": "A-1", "gross": 1.5, "status": "Cancelada", "paid": PAID_AT} | changes
    return [said["code"], said["order"], said["gross"], said["status"], said["paid"], "ana@example.com", "BCP"]


def report(*rows: list[Any], change: Callable[[Any], object] = lambda sheet: None) -> bytes:
    """Return the report as a workbook; its heading is in row 11."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for cells in (*PREAMBLE, REPORT, *rows):
        sheet.append(cells)
    change(sheet)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def repacked(data: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """Return a workbook of which each part went through a function."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return file.getvalue()


def in_sheet(data: bytes, old: bytes, new: bytes) -> bytes:
    """Return a workbook with other bytes in its first sheet."""

    def change(name: str, part: bytes) -> bytes:
        if name != "xl/worksheets/sheet1.xml":
            return part
        assert old in part
        return part.replace(old, new)

    return repacked(data, change)
