"""Files of every notation, and what is wrong with the others."""

import io
import zipfile
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagoefectivo_django.errors import InvalidRequest, Misconfigured
from pagoefectivo_django.statements import Fault, Line, Statement, faults_of_formats, open_statement

SAMPLES = Path(__file__).parent / "samples"
LIMA = timezone(-timedelta(hours=5))
SHOP: dict[str, Any] = {
    "shop": {
        "KIND": "settlement",
        "COLUMNS": {"code": "Código", "gross": "Importe", "fee": "Comisión", "tax": "IGV", "paid_at": "Pagado"},
    }
}
REPORT = ["CIP", "Nro.Ord.Comercio", "Monto", "Estado", "Fec.Cancelación", "Cliente Email", "Canal"]
PAID_AT = datetime(2026, 11, 23, 10, 0, 5)  # noqa: DTZ001 (a workbook has no zones)


def read(data: bytes, name: str = "file.csv", **said: Any) -> Statement:
    return open_statement(io.BytesIO(data), name, **({"currency": "PEN", "formats": SHOP} | said))


def lines(statement: Statement) -> list[Line]:
    found = list(statement.lines())
    assert not [one for one in found if isinstance(one, Fault)]
    return [one for one in found if isinstance(one, Line)]


def fault(data: bytes, name: str = "file.csv") -> Fault:
    (found,) = [one for one in read(data, name).lines() if isinstance(one, Fault)]
    return found


def settlement(code: str = "70000009", gross: str = "35.50") -> bytes:
    line = f"1,x,{code},SHOP-9,x,1.89,{gross},20/11/2026 09:00:00,23/11/2026 10:00:05,x,x,x,BCP,x,Agente\n"
    return (SAMPLES / "settlement.txt").read_bytes() + line.encode()


def report(*rows: list[Any]) -> bytes:
    book = openpyxl.Workbook()
    for number in range(10):
        book.worksheets[0].append([f"Reporte {number}"])
    for row in (REPORT, *rows):
        book.worksheets[0].append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_the_settlement_text_is_recognised_by_its_columns() -> None:
    statement = read((SAMPLES / "settlement.txt").read_bytes(), "T-77.txt")
    first, second = lines(statement)
    assert (first.code, first.transaction_code, first.gross) == ("70000001", "SHOP-1", Decimal("35.50"))
    assert (first.commission, first.collector) == (Decimal("1.89"), "BCP Agente")
    assert first.paid_at == PAID_AT.replace(tzinfo=LIMA)
    assert second.gross == Decimal("1234.50")
    assert statement.reading["separator"] == "comma"
    assert list(statement.lines()) == [first, second]


def test_the_report_is_found_by_its_headings_below_a_preamble() -> None:
    statement = read(
        report(
            [70000001, "A-1", 35.499999999999996, "Cancelada", PAID_AT, "ana@example.com", "BCP"],
            ["070000002", 12, "S/ 1,234.50", "Expirada", None, "ana@example.com", "BCP"],
        ),
        "r.xlsx",
    )
    first, second = lines(statement)
    assert (first.number, first.code, first.gross, first.payer) == (12, "70000001", Decimal("35.50"), "ana@example.com")
    assert (second.code, second.transaction_code, second.ignored) == ("70000002", "12", "not paid: Expirada")
    assert statement.reading["header"] == "row 11"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "windows-1252", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("gross", ["S/ 1,234.50", "1,234.50", "1.234,50", "1234.5"])
@pytest.mark.parametrize("paid", ["23/11/2026 10:00:05", "23-11-2026 10:00:05", "2026-11-23T15:00:05Z"])
def test_every_notation_means_the_same(encoding: str, separator: str, gross: str, paid: str) -> None:
    rows = [["IGV", "CODIGO", "Importe", "Comisión", "Pagado"], ["0", "070000001", gross, "2", paid]]
    data = "\r\n".join(separator.join(f'"{cell}"' for cell in row) for row in rows).encode(encoding)
    statement = read(data)
    (line,) = lines(statement)
    assert (line.code, line.gross, line.fee) == ("70000001", Decimal("1234.50"), Decimal("2.00"))
    assert line.paid_at == PAID_AT.replace(tzinfo=LIMA)
    assert statement.reading["encoding"] == encoding


@pytest.mark.parametrize(
    ("data", "name", "problem"),
    [
        (b"", "a.csv", "a.csv: is empty."),
        (b"\x89PNG\r\n\x1a\n", "a.xlsx", "a.xlsx: is a PNG picture."),
        (b"a,b\n1,2\n", "a.xlsx", "a.xlsx: is no workbook"),
        (b"Banco,Saldo\nX,1\n", "bank.csv", "bank.csv: no format fits"),
        (b"PK\x03\x04broken", "a.xlsx", "a.xlsx: is a broken ZIP file"),
        (b"a\0b", "a.csv", "a.csv: is no text"),
        (settlement(gross="US$ 35.50"), "a.txt", "a.txt: line 3, column 7 is in USD"),
    ],
)
def test_another_file_is_refused_whole(data: bytes, name: str, problem: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        list(read(data, name).lines())
    assert str(refused.value).startswith(problem)


def test_a_zip_bomb_is_not_unpacked() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * 20_000_000)
    with pytest.raises(InvalidRequest, match="ZIP bomb"):
        read(file.getvalue(), "a.xlsx")


def test_two_gigabytes_are_refused_by_their_size(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(2 * 1024**3)
    with path.open("rb") as source, pytest.raises(InvalidRequest, match="2147483648 bytes"):
        open_statement(source, "large.csv")


@pytest.mark.parametrize(
    ("data", "column", "problem"),
    [
        (settlement(code="2.45920E+07"), "3", "a spreadsheet rounded the code"),
        (settlement(gross="0.00"), "7", "is 0, which"),
        (settlement(gross="-35.50"), "7", "is negative"),
        (settlement(gross="35.505"), "7", "more than two decimals"),
        (settlement(gross="35.50,"), "", "has 16 columns, not 15"),
        (settlement(gross="ana@example.com"), "7", "is a text of 15 characters, not an amount."),
    ],
)
def test_a_bad_line_is_named_with_its_column(data: bytes, column: str, problem: str) -> None:
    found = fault(data)
    assert (found.number, found.column) == (3, column)
    assert problem in found.problem


@pytest.mark.parametrize(
    ("gross", "problem"), [("=1+1", "C13 is a formula"), (35.4987, "two decimals"), (None, "C13 is empty; if it is merged")]
)
def test_a_bad_cell_of_a_workbook_is_named(gross: object, problem: str) -> None:
    good: list[Any] = [1, "A", 1.5, "Cancelada", PAID_AT, "ana@example.com", "BCP"]
    found = fault(report(good, [1, "A", gross, "Cancelada", PAID_AT, "ana@example.com", "BCP"]), "r.xlsx")
    assert found.number == 13
    assert problem in found.problem


def test_a_total_is_ignored() -> None:
    *_, last = lines(read(settlement() + b"TOTAL GENERAL,,,,,4.00,71.00,,,,,,,,\n"))
    assert last.ignored == "a total"


def test_what_the_file_does_not_say_is_asked_for() -> None:
    with pytest.raises(InvalidRequest, match="say its currency"):
        read(settlement(), currency="")
    ambiguous = "Código;Importe;Comisión;IGV;Pagado\n1;1,234;0;0;23/11/2026\n".encode()
    with pytest.raises(InvalidRequest, match="line 2, column Importe: the amount may be thousands"):
        read(ambiguous)
    assert lines(read(ambiguous, decimal="."))[0].gross == Decimal("1234.00")


def test_a_faulty_format_is_told() -> None:
    assert faults_of_formats(SHOP) == []
    assert faults_of_formats({"x": {"KIND": "tax", "COLUMNS": {"code": 1}, "OTHER": 1}}) == [
        "STATEMENTS['x']: 'OTHER' is unknown; use KIND, COLUMNS, PAID, REFUNDS or WIDTH.",
        "STATEMENTS['x']: KIND must be 'settlement' or 'sales'.",
        "STATEMENTS['x']: COLUMNS needs gross.",
    ]


@given(st.one_of(st.binary(max_size=400), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for whole in (data, settlement() + data, b"PK\x03\x04" + data):
        with suppress(InvalidRequest, Misconfigured):
            list(read(whole).lines())
