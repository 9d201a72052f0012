"""Kind 14: a small file can't ask for much work. Each of these is refused, soon, and within little memory."""

from __future__ import annotations

import io
import random
import re
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.core.management import CommandError, call_command

from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.models import Settlement
from pagoefectivo_django.statements.tables import LONGEST_CELL, MOST_COLUMNS
from pagoefectivo_django.statements.xlsx import MOST_SHEETS
from tests.factories.files import fault, lines, read, repacked, report, row, settlement

MIB = 1024**2


def changed(part: str, old: bytes, new: bytes) -> bytes:
    """A report of which one place in one part is another."""

    def change(name: str, content: bytes) -> bytes:
        if part not in name:
            return content
        assert old in content, (name, content[:300])
        return content.replace(old, new, 1)

    return repacked(report(row()), change)


def sheets(count: int) -> bytes:
    book = openpyxl.Workbook()
    for number in range(count - 1):
        book.create_sheet(f"S{number}").append(["CIP"])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def twins(count: int) -> bytes:
    """A workbook of which several sheets are one part."""

    def change(name: str, content: bytes) -> bytes:
        return (
            re.sub(rb"/?xl/worksheets/sheet\d+\.xml", b"/xl/worksheets/sheet1.xml", content)
            if "rels" in name
            else content
        )

    return repacked(sheets(count), change)


def shared(texts: bytes) -> bytes:
    """A report with shared texts, which openpyxl reads and does not write."""
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = b'<Override PartName="/xl/sharedStrings.xml" ContentType="' + kind + b'"/></Types>'
    file = io.BytesIO(changed("[Content_Types]", b"</Types>", override))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        space = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        archive.writestr("xl/sharedStrings.xml", space + texts + b"</sst>")
    return file.getvalue()


def text(inner: bytes) -> bytes:
    return b'<row r="12"><c r="A12" t="inlineStr"><is>' + inner + b"</is></c></row>"


ROW = b'<row r="12"'
SHEET, STYLES, BOOK = "sheet1", "styles", "xl/workbook.xml"
HOSTILE: dict[str, Callable[[], bytes]] = {
    "one cell": lambda: changed(SHEET, ROW, text(b"<t>" + b"a" * 60 * MIB + b"</t>") + ROW),
    "one cell in many runs": lambda: changed(SHEET, ROW, text(b"<r><t>aaaaaaaaaaaaaaa</t></r>" * MIB) + ROW),
    "one cell in references": lambda: changed(SHEET, ROW, text(b"<t>" + b"&#x61;" * 3 * MIB + b"</t>") + ROW),
    "one cell around comments": lambda: changed(
        SHEET, ROW, text(b"<t>" + (b"a" * 1000 + b"<!--<row >-->") * 3000 + b"</t>") + ROW
    ),
    "one cell around CDATA": lambda: changed(
        SHEET, ROW, text(b"<t>" + (b"a" * 1000 + b"<![CDATA[<row >]]>") * 3000 + b"</t>") + ROW
    ),
    "one number": lambda: changed(SHEET, ROW, b'<row r="12"><c r="A12"><v>' + b"9" * 3 * MIB + b"</v></c></row>" + ROW),
    "one formula": lambda: changed(SHEET, ROW, b'<row r="12"><c><f>' + b"1+" * 2 * MIB + b"1</f></c></row>" + ROW),
    "one attribute": lambda: changed(SHEET, ROW, b'<row r="12" x="' + b"9" * 3 * MIB + b'"/>' + ROW),
    "a text just above a cell's": lambda: changed(SHEET, ROW, text(b"<t>" + b"a" * (LONGEST_CELL + 1) + b"</t>") + ROW),
    "500,000 columns": lambda: changed(SHEET, ROW, b'<row r="12">' + b"<c/>" * 500_000 + b"</row>" + ROW),
    "a few too many columns": lambda: changed(
        SHEET, ROW, b'<row r="12">' + b"<c/>" * (MOST_COLUMNS + 1) + b"</row>" + ROW
    ),
    "the last column in each row": lambda: changed(SHEET, ROW, b'<row r="12"><c r="ZZZ12"><v>1</v></c></row>' + ROW),
    "styles": lambda: changed(STYLES, b"<cellXfs", b"<dxfs/>" * MIB + b"<cellXfs"),
    "names": lambda: changed(BOOK, b"<calcPr", b"<definedNames>" + b"<definedName/>" * MIB + b"</definedNames><calcPr"),
    "one shared text": lambda: shared(b"<si><t>" + b"a" * 60 * MIB + b"</t></si>"),
    "many shared texts": lambda: shared(b"<si/>" * 2_100_000),
    "300 sheets": lambda: sheets(300),
    "a few sheets too many": lambda: sheets(MOST_SHEETS + 1),
    "sheets that are one part": lambda: twins(5),
    "columns of a text": lambda: b"CIP," + b"," * 500_000 + b"\n",
    "columns in each line of a text": lambda: (b"CIP," + b"," * MOST_COLUMNS + b"\n") * 500,
    "a cell of a text": lambda: b"CIP;" + b"a" * (LONGEST_CELL + 1) + b";x\n",
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_little_work_before_a_refusal(make: Callable[[], bytes]) -> None:
    """Work is measured by memory, which a machine's load does not change, and by how few bytes are unpacked."""
    data = make()
    name = "file.xlsx" if data.startswith(b"PK") else "file.csv"
    unpacked = 0
    opened = zipfile.ZipExtFile.read

    def counted(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        nonlocal unpacked
        found = opened(self, n)
        unpacked += len(found)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zipfile.ZipExtFile, "read", counted)
        tracemalloc.start()
        try:
            with pytest.raises(InvalidRequest) as error:
                list(read(data, name).lines())
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert str(error.value).startswith(f"{name}: ")
    assert peak < 400 * MIB if "texts" in str(error.value) else peak < 64 * MIB, f"{peak / MIB:.0f} MiB: {error.value}"
    assert unpacked < 14 * MIB, f"{unpacked / MIB:.0f} MiB: {error.value}"


def test_a_workbook_is_loaded_once_however_many_sheets_it_has() -> None:
    opened: list[str] = []
    original = zipfile.ZipFile.open

    def counted(self: zipfile.ZipFile, name: Any, *args: Any, **named: Any) -> Any:
        opened.append(str(getattr(name, "filename", name)))
        return original(self, name, *args, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "open", counted)
        with pytest.raises(InvalidRequest, match="no format fits"):
            read(sheets(MOST_SHEETS), "file.xlsx")
    assert max(opened.count(name) for name in set(opened)) <= 4
    assert len(lines(read(report(row(), row(code=70000002)), "file.xlsx"))) == 2


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: sheets(MOST_SHEETS + 1), f"has {MOST_SHEETS + 1} sheets, at most {MOST_SHEETS} are looked at"),
        (lambda: twins(5), "has two sheets in one part"),
    ],
)
def test_the_refusal_says_which_limit(make: Callable[[], bytes], sentence: str) -> None:
    """The reader of workbooks packs a refusal into an error of its own."""
    with pytest.raises(InvalidRequest, match=sentence):
        list(read(make(), "file.xlsx").lines())


# Files whose ratio is no bomb's, so that nothing but a limit on the work refuses them.


def letters(size: int) -> bytes:
    """Return letters that are packed about as well as an ordinary sheet is."""
    chosen = random.Random(7)
    return b"".join(b"%08x" % chosen.getrandbits(32) + b"a" * 192 for _ in range(size // 200))


def numbered(what: bytes, count: int) -> bytes:
    chosen = random.Random(7)
    return b"".join(what % chosen.getrandbits(32) for _ in range(count))


FILES: dict[str, Callable[[], bytes]] = {
    "one cell": lambda: changed(SHEET, ROW, text(b"<t>" + letters(60 * MIB) + b"</t>") + ROW),
    "styles": lambda: changed(STYLES, b"<cellXfs", numbered(b'<dxf x="%08x"/>' + b" " * 64, 120_000) + b"<cellXfs"),
    "names": lambda: changed(
        BOOK,
        b"<calcPr",
        b"<definedNames>" + numbered(b'<definedName name="n%08x"/>', 200_000) + b"</definedNames><calcPr",
    ),
    "500,000 columns": lambda: changed(
        SHEET, ROW, b'<row r="12">' + numbered(b"<c><v>%08x</v></c>", 500_000) + b"</row>" + ROW
    ),
}


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes came out of the archive."""
    total, original = [0], zipfile.ZipExtFile.read

    def counted(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        found = original(self, n)
        total[0] += len(found)
        return found

    monkeypatch.setattr(zipfile.ZipExtFile, "read", counted)
    return total


@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
def test_little_work_before_an_ordinary_file_is_refused(make: Callable[[], bytes], unpacked: list[int]) -> None:
    data = make()
    unpacked[0] = 0
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequest) as error:
            list(read(data, "file.xlsx").lines())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "bomb" not in str(error.value)
    assert peak < 64 * MIB, f"{peak / MIB:.0f} MiB: {error.value}"
    assert unpacked[0] < 14 * MIB, f"{unpacked[0] / MIB:.0f} MiB: {error.value}"


# A date at the end of all dates is refused when it is read, and breaks nothing later.


@pytest.mark.parametrize("written", ["31/12/9999 23:59:59", "31/12/2200 10:00:00"])
def test_in_a_text_it_is_a_bad_line(written: str) -> None:
    """It was read, and its statement could be neither kept nor matched: a day later is none."""
    assert "2199" in fault(settlement(paid=written))[2]
    assert len(lines(read(settlement(paid="31/12/2199 10:00:00")))) == 3


@pytest.mark.parametrize("paid", [datetime(9999, 12, 31, 23), datetime(2200, 1, 1)])  # noqa: DTZ001 (of a workbook)
def test_in_a_workbook_too(paid: datetime) -> None:
    assert "2199" in fault(report(row(), row(code=70000002, paid=paid)), "file.xlsx")[2]


@pytest.mark.django_db
@pytest.mark.parametrize("dated", [date.min, date(1999, 12, 31), date(2200, 1, 1), date.max])
def test_no_settlement_is_of_that_day(tmp_path: Path, dated: date) -> None:
    file = tmp_path / "liq.txt"
    file.write_bytes(settlement())
    with pytest.raises(CommandError, match="from 2000 to 2199"):
        call_command("pagoefectivo_settle", str(file), f"--date={dated}", "--currency=PEN")
    assert not Settlement.objects.exists()
