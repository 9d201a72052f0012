"""Text files as tables: encoding, separators and rows; a file is read in pieces, never as a whole."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from django.utils.translation import gettext_noop as _

from .tables import Table, measured, refused

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
LONGEST_LINE = 1024**2
_PIECE = 1024**2


def open_texts(source: BinaryIO, name: str) -> list[Table]:
    """Return the file as a table for each separator found in the first 64 KiB."""
    encoding = _encoding(source, name)
    source.seek(0)
    beginning = codecs.getincrementaldecoder(encoding)().decode(source.read(64 * 1024))
    quoting = "double quotes" if '"' in beginning else "none"
    return [
        Table({"encoding": encoding, "separator": word, "quoting": quoting}, _rows(source, name, encoding, separator))
        for separator, word in SEPARATORS.items()
        if separator in beginning
    ]


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    source.seek(0)
    while piece := source.read(_PIECE):
        yield piece


def _encoding(source: BinaryIO, name: str) -> str:
    """Return the encoding in which the whole file is valid; a test of the first bytes alone would be a guess."""
    source.seek(0)
    first = source.read(4)
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        tried = ["utf-16"]
    else:
        tried = ["utf-8-sig"] if first.startswith(codecs.BOM_UTF8) else ["utf-8", "windows-1252"]
        if any(b"\0" in piece for piece in _pieces(source)):
            raise refused(
                name,
                _("%(file)s: is no text (it has NUL bytes); export it as CSV or XLSX."),
                code="file_with_nul_bytes",
            )
    for encoding in tried:
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            for piece in _pieces(source):
                if "\0" in decoder.decode(piece):  # UTF-32 too: its byte order mark begins with UTF-16's
                    raise refused(
                        name,
                        _("%(file)s: is no text (it has NUL characters); export it as CSV in UTF-8, or as XLSX."),
                        code="file_with_nul_characters",
                    )
            decoder.decode(b"", final=True)
        except UnicodeError:
            continue
        return encoding
    if len(tried) > 1:
        raise refused(
            name,
            _("%(file)s: is no text in %(one)s or %(other)s; export it as CSV in UTF-8."),
            code="file_in_no_encoding",
            one=tried[0],
            other=tried[1],
        )
    raise refused(
        name,
        _("%(file)s: is no text in %(encoding)s; export it as CSV in UTF-8."),
        code="file_in_another_encoding",
        encoding=tried[0],
    )


class _Lines:
    """The lines of a file, which stays open; a line over ``LONGEST_LINE`` characters raises ``InvalidRequest``."""

    def __init__(self, source: BinaryIO, name: str, encoding: str) -> None:
        source.seek(0)
        self.name = name
        self.decoder = codecs.getincrementaldecoder(encoding)()
        self.source = source

    def __iter__(self) -> Iterator[str]:
        rest, number = "", 1
        while True:
            piece = self.source.read(_PIECE // 4)
            text = rest + self.decoder.decode(piece, not piece)
            lines = io.StringIO(text, newline="").readlines()
            # The last line, or a line end of two characters, may continue in the next piece.
            rest = lines.pop() if piece and lines else ""
            yield from lines
            number += len(lines)
            if len(rest) > LONGEST_LINE:
                raise refused(
                    self.name,
                    _("%(file)s: line %(line)d has over %(most)d characters; this is no statement."),
                    code="line_too_long",
                    line=number,
                    most=LONGEST_LINE,
                )
            if not piece:
                return


def _rows(
    source: BinaryIO, name: str, encoding: str, separator: str
) -> Callable[[], Iterator[tuple[int, Sequence[str]]]]:
    def rows() -> Iterator[tuple[int, Sequence[str]]]:
        # strict=True: without, an unclosed quote would silently swallow the lines that follow.
        reader = csv.reader(_Lines(source, name, encoding), delimiter=separator, strict=True)
        number = 1
        try:
            for row in reader:
                if reader.line_num > number and any(_swallows(cell, separator, len(row)) for cell in row):
                    raise refused(
                        name,
                        _("%(file)s: line %(line)d: a text there has quotes around other lines; export it again."),
                        code="quotes_around_lines",
                        line=number,
                    )
                yield number, measured(name, number, row)
                number = reader.line_num + 1
        except csv.Error as error:
            raise refused(
                name,
                _("%(file)s: line %(line)d: the quoting is broken (%(said)s); export it again."),
                code="quoting_broken",
                line=number,
                said=str(error),
            ) from None

    return rows


def _swallows(cell: str, separator: str, width: int) -> bool:
    """Return whether a cell has a line end and all separators of a row, as after a stray quote."""
    return width > 2 and cell.count(separator) >= width - 1 and not cell.isprintable()
