"""Files and lines that are refused: each with what is wrong, where, and what to do."""

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pagoefectivo_django.errors import InvalidRequest, Misconfigured
from pagoefectivo_django.statements import open_statement
from tests.factories.files import (
    PREAMBLE,
    REPORT,
    SAMPLE,
    SHOP,
    fault,
    in_sheet,
    line,
    lines,
    read,
    repacked,
    report,
    row,
)
from tests.factories.files import settlement as settled

HEAD = "Código;Importe;Comisión;IGV;Pagado\n"
WITH_CURRENCY: dict[str, Any] = {
    "shop": SHOP["shop"] | {"COLUMNS": SHOP["shop"]["COLUMNS"] | {"currency": "Moneda"}},
}


def refusal(data: bytes, name: str = "file.csv", **said: Any) -> str:
    with pytest.raises(InvalidRequest) as refused:
        list(read(data, name, **said).lines())
    return str(refused.value)


@pytest.mark.parametrize(
    ("data", "name", "problem"),
    [
        (b"", "a.csv", "is empty."),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "a.xlsx", "is a PNG picture."),
        (b"\xff\xd8\xff\xe0", "a.xlsx", "is a JPEG picture."),
        (b"%PDF-1.7", "a.csv", "is a PDF."),
        (
            b"\xd0\xcf\x11\xe0",
            "a.xlsx",
            "is an old .xls workbook, or one with a password; save it as .xlsx without a password.",
        ),
        (b"a,b\n1,2\n", "a.xlsx", "is no workbook, whatever its name says; export it again as XLSX or CSV."),
        (b"PK\x03\x04broken", "a.xlsx", "is a broken ZIP file, no workbook; save it again as XLSX."),
        (b"a\0b", "a.csv", "is no text (it has NUL bytes); export it as CSV or XLSX."),
        (b"a,\x81,b\n", "a.csv", "is no text in utf-8 or windows-1252; export it as CSV in UTF-8."),
        (b"\xff\xfea", "a.csv", "is no text in utf-16; export it as CSV in UTF-8."),
        (
            b"a,b\n" + b"x" * (1024**2 + 1),
            "a.csv",
            "line 2 has over 1048576 characters; this is no statement.",
        ),
        (
            ("a,b\n" + "x" * (1024**2 + 9)).encode("utf-16"),
            "a.csv",
            "line 2 has over 1048576 characters; this is no statement.",
        ),
        (
            SAMPLE + b'1,"never closed\n' + line(),
            "a.txt",
            "line 3: the quoting is broken (unexpected end of data); export it again.",
        ),
        (
            SAMPLE + line(first='"1') + line(first='1"'),
            "a.txt",
            "line 3: a text there has quotes around other lines; export it again.",
        ),
        (
            "Fecha,Concepto,Cargo,Abono,Saldo\n23/11/2026,Depósito,,3.00,4.00\n".encode(),
            "bank.csv",
            "no format fits (cip_report: no row of the first 50 has CIP, Nro.Ord.Comercio, Monto, Estado, "
            "Fec.Cancelación; settlement_text: a line has 5 columns, not 15; shop: no row of the first 50 has Código, "
            "Importe, Comisión, IGV, Pagado). Pass the right file, or describe it in PAGOEFECTIVO['STATEMENTS'].",
        ),
        (
            settled(gross="US$ 35.50"),
            "a.txt",
            "line 3, column 7 is in USD, but you say PEN; import each alone.",
        ),
        (
            SAMPLE + line() * 1_000 + line(gross="US$ 35.50"),
            "a.txt",
            "line 1003, column 7 is in USD, but the file is read as PEN; import each alone.",
        ),
        (
            SAMPLE + line() * 1_000 + b"Total,,,,,,US$ 71.00,,,,,,,,",
            "a.txt",
            "line 1003, column 7 is in USD, but the file is read as PEN; import each alone.",
        ),
        (
            settled(gross="$ 35.50"),
            "a.txt",
            "line 3, column 7 is '$', which may be soles or dollars; write PEN or USD.",
        ),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_file_that_is_no_statement_is_refused_whole(data: bytes, name: str, problem: str) -> None:
    assert refusal(data, name) == f"{name}: {problem}"


def test_another_banks_file_of_as_many_columns_is_refused() -> None:
    bank = b"2026-11-23,ABONO,191,Juan,x,y,35.50,z,OK,1,2,3,4,5,6\n"
    assert "don't hold code, transaction_code, commission, gross, paid_at, collector" in refusal(bank)


def test_a_file_of_one_bad_line_is_told_what_is_wrong_with_it() -> None:
    assert fault(line(gross="thirty")) == (1, "7", "is '******', not an amount.")
    assert fault(line(code="2.45920E+07"))[:2] == (1, "3")
    assert fault(line(paid="yesterday"))[:2] == (1, "9")


@pytest.mark.parametrize(
    ("said", "column", "problem"),
    [
        (
            {"code": "2.45920E+07"},
            "3",
            "is '2.45920E+07': a spreadsheet rounded the code; export it again as text.",
        ),
        ({"code": "7" * 41}, "3", "has 41 digits; a code has at most 40."),
        ({"code": "ana@example.com"}, "3", "is '***************', not the digits of a code."),
        ({"order": "7" * 65}, "4", "has 65 characters; at most 64 can be read."),
        ({"order": "2.4E+07"}, "4", "is '2.4E+07', which a spreadsheet rounded; export it again as text."),
        ({"order": "A\x01"}, "4", "has a control character; export it again."),
        ({"first": "A\x01"}, "1", "has a control character; export it again."),
        ({"first": "A" * 1_001}, "1", "has 1001 characters; at most 1000 can be read."),
        ({"gross": "0.00"}, "7", "is 0, which nobody paid."),
        ({"gross": ""}, "7", "is empty."),
        ({"gross": "-35.50"}, "7", "is negative; a format with refunds says so (REFUNDS)."),
        ({"gross": "(35.50)"}, "7", "is negative; a format with refunds says so (REFUNDS)."),
        ({"gross": "S/ 35.50-"}, "7", "is negative; a format with refunds says so (REFUNDS)."),
        ({"gross": "35.505"}, "7", "is '35.505', which has more than two decimals."),
        ({"gross": "10000000000000000.00"}, "7", "is more than can be paid."),
        ({"gross": '"35,50"'}, "7", "is '35,50', but the file's amounts are written with decimal mark '.'."),
        ({"gross": "35.50,"}, "", "has 16 columns, not 15; a separator in a text needs quotes."),
        ({"gross": "ana@example.com"}, "7", "is '***************', not an amount."),
        ({"commission": "35.51"}, "6", "makes fee and tax more than was paid, or negative."),
        ({"commission": ""}, "6", "is empty."),
        ({"paid": "31/11/2026 10:00:05"}, "9", "is '31/11/2026 10:00:05', which is no date; the day comes first."),
        ({"paid": "23/11/2026 10:60:05"}, "9", "is '23/11/2026 10:60:05', which is no date; the day comes first."),
        ({"paid": "23/11/2026 24:00:05"}, "9", "is '23/11/2026 24:00:05', which is no date; the day comes first."),
        (
            {"paid": "2026-11-23 10:00:05"},
            "9",
            "is '2026-11-23 10:00:05'; dates of this file are written: dd/mm/yyyy.",
        ),
        (
            {"code": "", "order": "", "paid": ""},
            "7",
            "stands alone: the line has no code, number or payment date.",
        ),
    ],
    ids=str,
)  # fmt: skip
def test_a_bad_line_is_named_with_its_column(said: dict[str, str], column: str, problem: str) -> None:
    # So long that it is beyond what the notation is told by.
    found = fault(SAMPLE + line() * 1_000 + line(**said), decimal=".")
    assert found == (1003, column, problem)


@pytest.mark.parametrize("said", [{"code": "7" * 40, "order": "A" * 64, "gross": "9999999999999999.99"}], ids=str)
def test_amounts_that_the_database_can_hold_are_read(said: dict[str, str]) -> None:
    assert lines(read(settled(**said)))[-1][1:3] == (said["code"], said["order"])


@pytest.mark.parametrize(
    ("said", "column", "problem"),
    [
        ({"gross": "=1+1"}, "Monto", "C13 is a formula; save the file with values only."),
        ({"gross": 35.4987}, "Monto", "C13 is '35.4987', which has more than two decimals."),
        ({"gross": True}, "Monto", "C13 is no amount."),
        ({"gross": 1e300}, "Monto", "C13 is no amount that can be paid."),
        (
            {"code": "2.45920E+07"},
            "CIP",
            "A13 is '2.45920E+07': a spreadsheet rounded the code; export it again as text.",
        ),
        (
            {"code": 2.4592012345678e20},
            "CIP",
            "A13 is no text, or a rounded number; format the column as text and export again.",
        ),
        ({"code": 1.5}, "CIP", "A13 is a number with a fraction; format the column as text and export again."),
        (
            {"paid": 46349.5},
            "Fec.Cancelación",
            "E13 is a number, not a date; format the column as a date and export again.",
        ),
        ({"order": "x" * 1_001}, "Nro.Ord.Comercio", "B13 has 1001 characters; at most 1000 can be read."),
    ],
    ids=str,
)
def test_a_bad_cell_of_a_workbook_is_named(said: dict[str, Any], column: str, problem: str) -> None:
    assert fault(report(row(), row(**said)), "r.xlsx") == (13, column, problem)


def test_true_is_no_amount_even_after_a_one() -> None:
    data = in_sheet(report(row(gross=1.5), row(gross=True)), b"<v>1.5</v>", b"<v>1.0</v>")
    assert fault(data, "r.xlsx") == (13, "Monto", "C13 is no amount.")


def test_merged_cells_are_told() -> None:
    found = fault(report(row(), row(), row(), change=lambda sheet: sheet.merge_cells("C13:C14")), "r.xlsx")
    assert found == (14, "Monto", "C14 is empty; if it is merged with others, split and save again.")
    found = fault(report(row(), row(), change=lambda sheet: sheet.merge_cells("D12:D13")), "r.xlsx")
    assert found[:2] == (13, "Estado")
    headings = report(row(), change=lambda sheet: sheet.merge_cells("B11:C11"))
    assert "no row of the first 50 has Monto" in refusal(headings, "r.xlsx")


@pytest.mark.parametrize(
    ("first", "second", "said", "problem"),
    [
        ("Soles", "Dólares", "", "line 3, column Moneda is in USD, but other lines are in PEN; import each alone."),
        ("Soles", "Dólares", "PEN", "line 3, column Moneda is in USD, but you say PEN; import each alone."),
        ("PEN", "EUR", "", "line 3, column Moneda is no currency that is known; use PEN or USD."),
        ("PEN", "$", "", "line 3, column Moneda is '$', which may be soles or dollars; write PEN or USD."),
    ],
)
def test_a_file_has_one_currency(first: str, second: str, said: str, problem: str) -> None:
    data = f"{HEAD.strip()};Moneda\n1;1.00;0;0;23/11/2026;{first}\n2;1.00;0;0;23/11/2026;{second}\n".encode()
    assert refusal(data, currency=said, formats=WITH_CURRENCY) == f"file.csv: {problem}"
    same = data.replace(second.encode(), b"S/.").replace(first.encode(), b"PEN")
    assert read(same, currency="", formats=WITH_CURRENCY).currency == "PEN"


def test_what_the_file_does_not_say_is_asked_for() -> None:
    assert refusal(settled(), currency="") == "file.csv: doesn't say its currency; say it (currency: PEN or USD)."
    ambiguous = f"{HEAD}1;1,234;0;0;23/11/2026\n".encode()
    assert refusal(ambiguous) == (
        "file.csv: line 2, column Importe: the amount may be thousands or thousandths; say the decimal mark (decimal)."
    )
    assert lines(read(ambiguous, decimal="."))[0].gross == 1234
    both = f"{HEAD}1;1,23;0;0;23/11/2026\n1;1.23;0;0;23/11/2026\n".encode()
    assert refusal(both) == (
        "file.csv: line 3, column Importe has a decimal point, line 2, column Importe a decimal comma; say which it is "
        "(decimal)."
    )


def test_a_file_that_several_formats_fit_is_asked_about() -> None:
    formats = {**SHOP, "other": SHOP["shop"] | {"KIND": "sales"}}
    data = f"{HEAD}1;1.23;0;0;23/11/2026\n".encode()
    assert refusal(data, formats=formats) == ("file.csv: several formats fit: shop, other; say which it is (format).")
    assert read(data, formats=formats, format="other").kind == "sales"


def test_two_sheets_that_fit_are_not_chosen_from() -> None:
    def again(sheet: Any) -> None:
        sheet.parent.copy_worksheet(sheet).title = "More"

    assert refusal(report(row(), change=again), "r.xlsx") == (
        "r.xlsx: may be read in several ways (Sheet, More); save one sheet alone, or export it with quotes."
    )


def test_unknown_choices_are_told() -> None:
    assert refusal(SAMPLE, format="x") == "file.csv: format is 'x'; use one of cip_report, settlement_text, shop."
    assert "currency is PEN, USD or empty" in refusal(SAMPLE, currency="EUR")


FULL: dict[str, Any] = {
    "full": {
        "KIND": "settlement",
        "REFUNDS": True,
        "COLUMNS": {"operation_number": 1, "gross": 2, "fee": 3, "tax": 4, "commission": 5, "net": 6},
    },
}
LARGEST = "9999999999999999.99"


@pytest.mark.parametrize(
    ("bad", "column", "problem"),
    [
        ("9,1.18,0.10,0.02,0.10,1.06", "5", "is not fee and tax together."),
        ("9,1.18,0.10,0.02,0.12,1.08", "6", "is not gross without fee and tax."),
        ("9,1.18,,,0.12,1.08", "6", "is not gross without fee and tax."),
        ("9,1.18,,0.02,,", "3", "is empty."),
        ("9,1.18,0.10,,,", "4", "is empty."),
        (f"9,-{LARGEST},,,{LARGEST},", "5", "makes fee and tax more than was paid, or negative."),
        (f"{'9' * 41},1.18,0.10,0.02,,", "1", "has 41 characters; at most 40 can be read."),
    ],
)
def test_amounts_of_a_line_fit_each_other(bad: str, column: str, problem: str) -> None:
    good = f"{'9' * 40},1.18,0.10,0.02,0.12,1.06\n2,1.18,,,,1.06\n3,-1.18,,,0.00,\n"
    assert len(lines(read(good.encode(), formats=FULL))) == 3
    assert fault((good + bad).encode(), formats=FULL) == (4, column, problem)


def test_two_gigabytes_are_refused_by_their_size(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(2 * 1024**3)
    with path.open("rb") as source, pytest.raises(InvalidRequest) as refused:
        open_statement(source, "large.csv", formats={})
    assert str(refused.value) == (
        "large.csv: has 2147483648 bytes; at most 536870912 are read. Export a shorter period."
    )


def packed(*parts: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts:
            archive.writestr(name, data)
    return file.getvalue()


def encrypted() -> bytes:
    data = bytearray(report(row()))
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def doctype(before: bytes) -> bytes:
    whole = before + b'<!DOCTYPE x [<!ENTITY a "b">]><worksheet/>'
    return repacked(report(row()), lambda name, part: whole if "sheet1" in name else part)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (
            packed(("xl/worksheets/sheet1.xml", bytes(20_000_000))),
            "is packed like a ZIP bomb; nothing of it is unpacked.",
        ),
        (
            packed(*((f"{number}.xml", b"") for number in range(1_001))),
            "has 1001 parts, more than any workbook; nothing of it is unpacked.",
        ),
        (encrypted(), "is encrypted; save it without a password."),
        (doctype(b""), "has a part that begins with a DOCTYPE or a comment; save it again as XLSX."),
        (doctype(b"<!-- -->"), "has a part that begins with a DOCTYPE or a comment; save it again as XLSX."),
        (doctype(b" " * 5_000), "has a part that begins with a DOCTYPE or a comment; save it again as XLSX."),
        (packed(("x", b"y")), "can't be read as a workbook (KeyError); save it again as XLSX."),
        (
            in_sheet(report(row()), b'<row r="12"', b'<row r="twelve"'),
            "can't be read as a workbook (ValueError); save it again as XLSX.",
        ),
        (
            in_sheet(report(row()), b'<row r="12"', b'<row r="99999999999999"'),
            "sheet 'Sheet' has more than 1048576 rows; this is no workbook of Excel.",
        ),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_harmful_workbook_is_refused(data: bytes, problem: str) -> None:
    assert refusal(data, "a.xlsx") == f"a.xlsx: {problem}"


def test_a_workbook_that_unpacks_to_more_than_a_gibibyte_is_refused_by_its_own_word() -> None:
    data = bytearray(packed(("a.xml", b"<a/>"), ("b.xml", b"<a/>")))
    data[data.index(b"PK\x01\x02") + 24 : data.index(b"PK\x01\x02") + 28] = (2**30).to_bytes(4, "little")
    assert refusal(bytes(data), "a.xlsx") == "a.xlsx: would unpack to more than 1 GiB; nothing of it is unpacked."


def test_without_openpyxl_a_workbook_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(Misconfigured, match=r"pip install pagoefectivo-django\[xlsx\]"):
        read(report(row()), "r.xlsx")


def test_a_report_without_its_columns_says_which_are_missing() -> None:
    data = "\n".join([*(cells[0] for cells in PREAMBLE), ";".join(REPORT[1:]), "A-1;1.50;Cancelada;;;BCP"]).encode()
    assert "cip_report: no row of the first 50 has CIP;" in refusal(data)
