"""Workbooks as tables, read by the optional openpyxl; a file that could exhaust memory or time is refused first."""

from __future__ import annotations

import importlib
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO, TypeVar

from django.utils.translation import gettext_noop as _

from ..errors import InvalidRequest, Misconfigured
from .tables import Table, measured, refused

T = TypeVar("T")

LARGEST_UNPACKED = 1024**3
LARGEST_PART = 100 * 1024**2
#: Bytes of a part that openpyxl reads into a tree (workbook, styles, relations, properties): about a second of work.
LARGEST_TREE = 1024**2
#: Bytes of one row or shared text, markup included.
LONGEST_ROW = 1024**2
MOST_TEXTS = 2_000_000
MOST_SHEETS = 50
MOST_PARTS = 1_000
HIGHEST_RATIO = 200
#: The number of rows in a sheet of Excel.
LAST_ROW = 1_048_576
_AT_ONCE = 100
#: The beginning of a row or a shared text. Then comments and CDATA, refused because a hidden row could begin inside; no
#: workbook has any.
_BEGINNING = re.compile(rb"<(?:[\w.-]+:)?(?:row|(si))(?=[\s/>])")
_HIDING = re.compile(rb"<![-\[]")
#: XML that begins with its root: no DOCTYPE, and no comment that could hide a DOCTYPE.
_PLAIN_XML = re.compile(rb"(\xef\xbb\xbf|\xff\xfe|\xfe\xff)?\s*(<\?xml[^>]*>)?\s*<[A-Za-z]")


def open_sheets(source: BinaryIO, name: str) -> Iterator[Table]:
    """Yield the visible sheets of a workbook in order.

    Raises ``InvalidRequest`` for a file that is no workbook or too large, and ``Misconfigured`` without openpyxl.
    """
    _refuse_harm(source, name)
    sheets = _guarded(name, lambda: [each for each in _load(source, name) if each.sheet_state == "visible"])
    if not sheets:
        raise refused(name, _("%(file)s: has no visible sheet."), code="no_visible_sheet")
    for sheet in sheets:
        yield Table({"encoding": "xlsx", "sheet": sheet.title}, _rows(sheet, name), has_letters=True)


def _load(source: BinaryIO, name: str) -> list[Any]:
    """Return the sheets of a workbook, each of which may be read repeatedly; the workbook itself is loaded once."""
    source.seek(0)
    reader = _openpyxl().reader.excel.ExcelReader(source, read_only=True, keep_links=False)
    reader.archive = _Bounded(source, name)
    read_worksheets = reader.read_worksheets

    def counted() -> None:
        parts = [relation.target for _, relation in reader.parser.find_sheets()]
        if len(parts) > MOST_SHEETS:
            raise refused(
                name,
                _("%(file)s: has %(count)d sheets, at most %(most)d are looked at; save one alone."),
                code="too_many_sheets",
                count=len(parts),
                most=MOST_SHEETS,
            )
        if len(set(parts)) < len(parts):
            raise refused(
                name, _("%(file)s: has two sheets in one part; save it again as XLSX."), code="sheets_in_one_part"
            )
        read_worksheets()

    reader.read_worksheets = counted
    # A chart sheet has no rows, and openpyxl raises for a chart sheet whose relations it does not read.
    reader.read_chartsheet = lambda sheet, relation: None
    reader.read()
    return list(reader.wb.worksheets)


class _Bounded(zipfile.ZipFile):
    """A ZIP archive for openpyxl that limits the size of trees, rows and texts while openpyxl reads."""

    def __init__(self, source: BinaryIO, name: str) -> None:
        super().__init__(source)
        self._name = name

    def open(self, name: Any, *args: Any, **named: Any) -> Any:
        return _Stream(super().open(name, *args, **named), self._name)


class _Stream:
    """A part of a workbook, measured while being read."""

    def __init__(self, part: Any, name: str) -> None:
        self.part, self.name, self.close = part, name, part.close
        self.texts = self.long = 0
        self.end = b""

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def read(self, size: int = -1) -> bytes:
        if size is None or size < 0:
            whole: bytes = self.part.read(LARGEST_TREE + 1)
            if len(whole) > LARGEST_TREE:
                raise refused(
                    self.name,
                    _("%(file)s: has more than 1 MiB of styles or names; export it as CSV."),
                    code="styles_too_large",
                )
            return whole
        piece: bytes = self.part.read(size)
        self._measure(self.end + piece.replace(b"\0", b""))
        return piece

    def _measure(self, text: bytes) -> None:
        """Measure the rows and count the shared texts in a piece of a part; raises ``InvalidRequest`` above a limit.

        ``text`` begins with the last bytes of the piece before, because a name may be cut in the middle.
        """
        if _HIDING.search(text):
            raise refused(
                self.name,
                _("%(file)s: has a comment or CDATA among its rows; save it again as XLSX."),
                code="comment_among_rows",
            )
        last, done = None, len(self.end)
        for last in _BEGINNING.finditer(text):
            self.texts += last.end() > done and last[1] is not None
        self.long = len(text) - last.start() if last else self.long + len(text) - done
        if self.long > LONGEST_ROW:
            raise refused(
                self.name,
                _("%(file)s: has a row or text of more than 1 MiB; this is no statement."),
                code="row_too_large",
            )
        if self.texts > MOST_TEXTS:
            raise refused(
                self.name,
                _("%(file)s: has more than %(most)d texts; export it as CSV."),
                code="too_many_texts",
                most=MOST_TEXTS,
            )
        self.end = text[-64:]


def _rows(sheet: Any, name: str) -> Callable[[], Iterator[tuple[int, Sequence[Any]]]]:
    def opened() -> Iterator[Sequence[Any]]:
        sheet.reset_dimensions()  # the declared dimensions may be wrong, and would cut rows
        return iter(sheet.iter_rows(values_only=True))

    def rows() -> Iterator[tuple[int, Sequence[Any]]]:
        found = _guarded(name, opened)
        number = 0
        while batch := _guarded(name, lambda: list(islice(found, _AT_ONCE))):
            for row in batch:
                number += 1
                yield number, measured(name, number, row)
            if number > LAST_ROW:
                raise refused(
                    name,
                    _("%(file)s: sheet '%(sheet)s' has more than %(most)d rows; this is no workbook of Excel."),
                    code="too_many_rows",
                    sheet=sheet.title,
                    most=LAST_ROW,
                )

    return rows


def _guarded(name: str, call: Callable[[], T]) -> T:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as "no default style", which most portals' files cause
            return call()
    except (InvalidRequest, Misconfigured):
        raise
    except Exception as error:  # for a broken workbook openpyxl, zipfile and the XML parser raise anything
        if isinstance(error.__cause__, InvalidRequest):
            raise error.__cause__ from None  # a refusal of ours, which openpyxl packs into a ValueError of its own
        raise refused(
            name,
            _("%(file)s: can't be read as a workbook (%(kind)s); save it again as XLSX."),
            code="workbook_broken",
            kind=type(error).__name__,
        ) from None


def _openpyxl() -> Any:
    try:
        return importlib.import_module("openpyxl.reader.excel") and importlib.import_module("openpyxl")
    except ImportError:
        raise Misconfigured(
            _("Workbooks need openpyxl: pip install pagoefectivo-django[xlsx]"), code="openpyxl_missing"
        ) from None


def _refuse_harm(source: BinaryIO, name: str) -> None:
    try:
        source.seek(0)
        with zipfile.ZipFile(source) as archive:
            parts = archive.infolist()
            if len(parts) > MOST_PARTS:
                raise refused(
                    name,
                    _("%(file)s: has %(count)d parts, more than any workbook; nothing of it is unpacked."),
                    code="too_many_parts",
                    count=len(parts),
                )
            if sum(part.file_size for part in parts) > LARGEST_UNPACKED:
                raise refused(
                    name,
                    _("%(file)s: would unpack to more than 1 GiB; nothing of it is unpacked."),
                    code="unpacked_too_large",
                )
            for part in parts:
                _refuse_part(archive, part, name)
    except InvalidRequest:
        raise
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, RuntimeError, LookupError, OverflowError):
        raise refused(
            name, _("%(file)s: is a broken ZIP file, no workbook; save it again as XLSX."), code="zip_broken"
        ) from None


def _refuse_part(archive: zipfile.ZipFile, part: zipfile.ZipInfo, name: str) -> None:
    if part.flag_bits & 1:
        raise refused(name, _("%(file)s: is encrypted; save it without a password."), code="file_encrypted")
    if part.file_size > 1024**2 and part.file_size > HIGHEST_RATIO * max(part.compress_size, 1):
        raise refused(name, _("%(file)s: is packed like a ZIP bomb; nothing of it is unpacked."), code="zip_bomb")
    if "/worksheets/" not in part.filename and part.file_size > LARGEST_PART:  # read as a whole
        raise refused(
            name, _("%(file)s: has more than 100 MiB of texts or styles; export it as CSV."), code="part_too_large"
        )
    with archive.open(part) as opened:
        head = opened.read(4096).replace(b"\0", b"")
    start = head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")[:1]
    if head and start in (b"", b"<") and not _PLAIN_XML.match(head):
        raise refused(
            name,
            _("%(file)s: has a part that begins with a DOCTYPE or a comment; save it again as XLSX."),
            code="part_with_doctype",
        )
