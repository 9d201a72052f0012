"""Workbooks, by openpyxl, which a shop may not have; refused before parsing where they could do harm."""

from __future__ import annotations

import importlib
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO, TypeVar

from ..errors import InvalidRequest, Misconfigured
from .tables import Table, refused

T = TypeVar("T")

LARGEST_UNPACKED = 1024**3
LARGEST_PART = 100 * 1024**2
MOST_PARTS = 1_000
HIGHEST_RATIO = 200
#: The last row that Excel has.
LAST_ROW = 1_048_576
_AT_ONCE = 100
#: XML whose root comes first: no DOCTYPE, and no comment for one to hide behind.
_PLAIN_XML = re.compile(rb"(\xef\xbb\xbf|\xff\xfe|\xfe\xff)?\s*(<\?xml[^>]*>)?\s*<[A-Za-z]")


def open_sheets(source: BinaryIO, name: str) -> Iterator[Table]:
    """Return the visible sheets of a workbook, in their order."""
    _refuse_harm(source, name)
    openpyxl = _openpyxl()

    def workbook() -> Any:
        source.seek(0)
        return openpyxl.load_workbook(source, read_only=True, keep_links=False)

    sheets = _guarded(name, lambda: [sheet.title for sheet in workbook().worksheets if sheet.sheet_state == "visible"])
    if not sheets:
        raise refused(name, "has no visible sheet.")
    for title in sheets:
        yield Table({"encoding": "xlsx", "sheet": title}, _rows(workbook, title, name), has_letters=True)


def _rows(workbook: Callable[[], Any], title: str, name: str) -> Callable[[], Iterator[tuple[int, Sequence[Any]]]]:
    def opened() -> Iterator[Sequence[Any]]:
        sheet = workbook()[title]
        sheet.reset_dimensions()  # what the file says of its size may be wrong, and would cut rows
        return iter(sheet.iter_rows(values_only=True))

    def rows() -> Iterator[tuple[int, Sequence[Any]]]:
        found = _guarded(name, opened)
        number = 0
        while batch := _guarded(name, lambda: list(islice(found, _AT_ONCE))):
            for row in batch:
                number += 1
                yield number, row
            if number > LAST_ROW:
                raise refused(name, f"sheet {title!r} has more than {LAST_ROW} rows; this is no workbook of Excel.")

    return rows


def _guarded(name: str, call: Callable[[], T]) -> T:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as "no default style", which most portals' files lack
            return call()
    except InvalidRequest:
        raise
    except Exception as error:  # a broken workbook makes openpyxl, zipfile and the XML parser raise anything
        raise refused(name, f"can't be read as a workbook ({type(error).__name__}); save it again as XLSX.") from None


def _openpyxl() -> Any:
    try:
        return importlib.import_module("openpyxl")
    except ImportError:
        raise Misconfigured("Workbooks need openpyxl: pip install pagoefectivo-django[xlsx]") from None


def _refuse_harm(source: BinaryIO, name: str) -> None:
    try:
        source.seek(0)
        with zipfile.ZipFile(source) as archive:
            parts = archive.infolist()
            if len(parts) > MOST_PARTS:
                raise refused(name, f"has {len(parts)} parts, more than any workbook; nothing of it is unpacked.")
            if sum(part.file_size for part in parts) > LARGEST_UNPACKED:
                raise refused(name, "would unpack to more than 1 GiB; nothing of it is unpacked.")
            for part in parts:
                _refuse_part(archive, part, name)
    except InvalidRequest:
        raise
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, RuntimeError, LookupError, OverflowError):
        raise refused(name, "is a broken ZIP file, no workbook; save it again as XLSX.") from None


def _refuse_part(archive: zipfile.ZipFile, part: zipfile.ZipInfo, name: str) -> None:
    if part.flag_bits & 1:
        raise refused(name, "is encrypted; save it without a password.")
    if part.file_size > 1024**2 and part.file_size > HIGHEST_RATIO * max(part.compress_size, 1):
        raise refused(name, "is packed like a ZIP bomb; nothing of it is unpacked.")
    if "/worksheets/" not in part.filename and part.file_size > LARGEST_PART:  # those that are parsed as a whole
        raise refused(name, "has more than 100 MiB of texts or styles; export it as CSV.")
    with archive.open(part) as opened:
        head = opened.read(4096).replace(b"\0", b"")
    start = head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")[:1]
    if head and start in (b"", b"<") and not _PLAIN_XML.match(head):
        raise refused(name, "has a part that begins with a DOCTYPE or a comment; save it again as XLSX.")
