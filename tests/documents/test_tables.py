"""Tables that spreadsheets open: what runs nothing, loses nothing, and is the same in LibreOffice."""

import csv
import io
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.template import engines
from django.utils.html import format_html

from pagoefectivo_django.documents.tables import Amount, Badge, Cell, Link, Table, csv_pieces, write_xlsx
from pagoefectivo_django.errors import Misconfigured

HEADINGS = ("order", "CIP", "paid", "day", "gross", "age")
DEBT = Decimal("-1234.5")
ROW = ("Ñu-1 €", "24592012", datetime(2026, 11, 3, 4, 59, 8, 77, tzinfo=UTC), date(2026, 11, 9), DEBT, 7)
#: What a reference, an operation number or a reason can be, and no spreadsheet may run or change.
TRICKY = (
    "=1+1", "+1", "-1", "@SUM(1)", "  =1+1", "\t=1", "\u200b=1", "＝1+1", "＋1", "－1", "＠x", "=", "#N/A", "#REF!",
    "00123", "1234567890123456", "24592012345678", "2.4592E+07", "12e5", "1,234", "10-11", "2026/11", "12:30", "1.10",
    "TRUE?", 'say "x"', "a;b,c", "'quoted", "line\nbreak",
)  # fmt: skip


def made(rows: Sequence[Sequence[Cell]], **named: Any) -> str:
    table = Table("paid", ("text",) if rows and len(rows[0]) == 1 else HEADINGS, rows)
    return b"".join(csv_pieces(table, **named)).decode(named.get("encoding", "utf-8-sig"))


def cells(text: str, separator: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))


def opened(rows: Sequence[Sequence[Cell]], **named: Any) -> Any:
    file = io.BytesIO()
    write_xlsx(file, Table("paid", HEADINGS, rows), **named)
    file.seek(0)
    return openpyxl.load_workbook(file)


# Pages.


def test_a_cell_of_a_page_is_html_in_which_a_text_stays_text() -> None:
    """By ``str()``, as a template shows a value, and by Django's escaping."""
    link, nowhere, badge = Link("<b>", "/list?a=1&b=2"), Link("<b>", ""), Badge("paid", "<paid>")
    for shown in (str, partial(format_html, "{}")):
        assert shown(link) == '<a href="/list?a=1&amp;b=2">&lt;b&gt;</a>'
        assert shown(nowhere) == "&lt;b&gt;"
        assert shown(badge) == '<span class="pagoefectivo-badge pagoefectivo-paid">&lt;paid&gt;</span>'
    html = (
        engines["django"].from_string("{{ link }} {{ amount }}").render({"link": link, "amount": Amount(DEBT, "USD")})
    )
    assert html == f"{link} US$\u00a0-1,234.50"


def test_what_a_table_holds_is_in_no_report_of_an_error() -> None:
    assert "ana@example.com" not in repr(Table("payers", ("e-mail",), [["ana@example.com"]]))


# CSV.


def test_a_csv_has_two_decimals_and_lima_s_clock() -> None:
    assert made([ROW, ("", None, None, None, Decimal(0), 0)]) == (
        "order,CIP,paid,day,gross,age\r\nÑu-1 €,24592012,2026-11-02 23:59:08,2026-11-09,-1234.50,7\r\n,,,,0.00,0\r\n"
    )


def test_utf_8_begins_with_its_mark_once() -> None:
    content = b"".join(csv_pieces(Table("paid", HEADINGS, [ROW] * 1200)))
    assert content.startswith(b"\xef\xbb\xbforder")
    assert content.count(b"\xef\xbb\xbf") == 1
    assert content.count(b"\r\n") == content.count(b"\n") == 1201


def test_windows_1252_has_a_discrepancy_mark_for_what_it_lacks() -> None:
    content = b"".join(csv_pieces(Table("paid", ("order",), [("Ñ € 电",)]), encoding="windows-1252"))
    assert content == b"order\r\n\xd1 \x80 ?\r\n"


@pytest.mark.parametrize("text", TRICKY[:12])
def test_no_cell_of_a_csv_is_a_formula(text: str) -> None:
    assert cells(made([(text,)]))[1][0].startswith("'")


@pytest.mark.parametrize("written", [",", ";"])
@pytest.mark.parametrize("read", [",", ";", "\t", "|"])
def test_nor_is_one_for_who_splits_by_another_mark(written: str, read: str) -> None:
    texts = ["a,=1", "a;=1", "a; @x", "a\t+1", "a|-1", 'a"=1', "a\n=1", "a\r\n＝1", ";=1"]
    for text in texts:
        for line in made([(text,)], separator=written).splitlines():
            for cell in line.replace('"', read).split(read):
                assert cell.strip()[:1] not in tuple("=+-@＝"), text


@pytest.mark.parametrize(
    "text",
    [
        "00123", "1234567890123456", "245920123456", "2.4592E+07", "12e5", "1,234", "10-11", "2026/11", " 012", ".5",
        "(5)", "5%", "$5", "3 PM", "10:30 am", "NOV-10", "Mar-2026", "11-nov", "1 ene 2026", "SET12", "DEC1", "march1",
        "2mayo",
    ],
)  # fmt: skip
def test_a_csv_marks_the_text_that_a_spreadsheet_would_change(text: str) -> None:
    assert cells(made([(text,)]))[1] == [f"'{text}"]


@pytest.mark.parametrize(
    "text",
    [
        "24592012",
        "SHOP-1001",
        "011-366-000100032542-21",
        "0",
        "7",
        "12-AB",
        "S/ 5",
        "x=1",
        "MAR-1001",
        "MARIA-10",
        "may",
        "12 a 5",
    ],
)
def test_a_csv_leaves_other_text_as_it_is(text: str) -> None:
    assert cells(made([(text,)]))[1] == [text]


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_csv_is_split_where_it_was_joined(separator: str) -> None:
    text = made([('a;b,c "d"\ne', *ROW[1:])], separator=separator)
    assert [len(line) for line in cells(text, separator)] == [6, 6]
    assert cells(text, separator)[1][0] == 'a;b,c "d"\ne'


def test_a_csv_is_made_while_it_is_read() -> None:
    read = 0

    def rows() -> Any:
        nonlocal read
        while read < 10_000:
            read += 1
            yield ("x",)

    pieces = csv_pieces(Table("paid", ("text",), rows()))
    assert read == 0
    next(pieces)
    assert 0 < read < 1000


# XLSX.


def test_a_workbook_has_numbers_days_and_texts() -> None:
    sheet = opened([ROW]).active
    assert sheet.title == "paid"
    assert [cell.value for cell in sheet[1]] == list(HEADINGS)
    order, cip, paid, day, gross, age = sheet[2]
    assert (order.value, order.data_type) == ("Ñu-1 €", "s")
    assert (cip.value, cip.data_type) == ("24592012", "s")
    assert (str(paid.value), paid.number_format, paid.is_date) == ("2026-11-02 23:59:08", "yyyy-mm-dd hh:mm:ss", True)
    assert (str(day.value), day.number_format, day.is_date) == ("2026-11-09 00:00:00", "yyyy-mm-dd", True)
    assert (gross.value, gross.number_format, gross.data_type) == (-1234.5, "#,##0.00", "n")
    assert (age.value, age.data_type) == (7, "n")


@pytest.mark.parametrize("text", TRICKY)
def test_text_in_a_workbook_stays_as_it_is(text: str) -> None:
    cell = opened([(text,)]).active["A2"]
    assert (cell.value, cell.data_type) == (text, "s")
    if not text[0].isalpha():
        assert cell.number_format == "@"


def test_what_no_workbook_can_hold_is_left_out() -> None:
    sheet = opened([("a\x00b\x0bc\ud800", ""), (None, "=\x01")]).active
    assert [[cell.value for cell in row] for row in sheet["A2:B3"]] == [["abc", None], [None, "="]]


def test_more_rows_than_a_sheet_takes_go_to_the_next() -> None:
    book = opened([(str(number),) for number in range(7)], most=3)
    assert book.sheetnames == ["paid", "paid 2", "paid 3"]
    for sheet in book:
        assert sheet["A1"].value == "order"
    assert [[row[0].value for row in sheet.iter_rows(min_row=2)] for sheet in book] == [
        ["0", "1", "2"], ["3", "4", "5"], ["6"],
    ]  # fmt: skip
    assert opened([("x",)] * 3, most=3).sheetnames == ["paid"]


def test_no_row_is_a_sheet_with_headings() -> None:
    assert [[cell.value for cell in row] for row in opened([]).active.rows] == [list(HEADINGS)]


def test_without_openpyxl_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(Misconfigured, match=r"pip install pagoefectivo-django\[xlsx\]"):
        write_xlsx(io.BytesIO(), Table("paid", HEADINGS, [ROW]))


# Another spreadsheet.


def converted(path: Path, reading: str = "") -> list[list[str]]:
    """Return a file as LibreOffice shows it."""
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if not office:
        pytest.skip("LibreOffice is NOT installed (Debian: libreoffice-calc): nobody else opened the exports")
    out = path.parent / "out"
    profile = f"-env:UserInstallation={(path.parent / 'profile').as_uri()}"
    command = [office, profile, "--headless", *([f"--infilter={reading}"] if reading else [])]
    command += ["--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76,1,,1033", "--outdir", str(out), str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return cells((out / f"{path.stem}.csv").read_text("utf-8"))


def test_libreoffice_opens_the_workbook(tmp_path: Path) -> None:
    path = tmp_path / "made.xlsx"
    with path.open("wb") as file:
        write_xlsx(file, Table("paid", HEADINGS, [ROW, *((text,) for text in TRICKY)]))
    shown = converted(path)
    assert shown[0] == list(HEADINGS)
    assert shown[1] == ["Ñu-1 €", "24592012", "2026-11-02 23:59:08", "2026-11-09", "-1,234.50", "7"]
    assert [row[0] for row in shown[2:]] == list(TRICKY)


@pytest.mark.parametrize(("encoding", "charset"), [("utf-8-sig", 76), ("windows-1252", 1)])
def test_libreoffice_opens_the_csv(tmp_path: Path, encoding: str, charset: int) -> None:
    """By its own guesses, numbers and dates among them: 44 is the comma, 34 the quote, 1033 American."""
    path = tmp_path / "made.csv"
    texts = [text for text in TRICKY if encoding == "utf-8-sig" or text.isascii()]
    table = Table("paid", HEADINGS, [ROW, *((text,) for text in texts)])
    path.write_bytes(b"".join(csv_pieces(table, encoding=encoding)))
    shown = converted(path, f"CSV:44,34,{charset},1,,1033,false,true")
    assert shown[0] == list(HEADINGS)
    assert shown[1][:2] == ["Ñu-1 €", "24592012"]
    assert shown[1][4:] == ["-1234.5", "7"]  # numbers, which it shows as it likes
    assert [row[0].removeprefix("'") for row in shown[2:]] == [text.removeprefix("'") for text in texts]
