"""Kind 14: files whose ratio is no bomb's, so that nothing but a limit on the work refuses them."""

from __future__ import annotations

import random
import tracemalloc
import zipfile
from collections.abc import Callable

import pytest

from pagoefectivo_django.errors import InvalidRequest
from tests.factories.files import read

from .test_kind_14_a_limit_on_the_work import BOOK, MIB, ROW, SHEET, STYLES, changed, text


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
def test_little_work_before_a_refusal(make: Callable[[], bytes], unpacked: list[int]) -> None:
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
