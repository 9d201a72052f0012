"""Barcode and QR as pages have them, drawn as their path says and read back by an independent reader."""

import re
from xml.etree import ElementTree

import PIL.Image
import PIL.ImageDraw
import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st

from pagoefectivo_django.codes import groups
from pagoefectivo_django.documents.barcode import barcode_svg
from pagoefectivo_django.documents.languages import known_language
from pagoefectivo_django.documents.qr import qr_svg
from pagoefectivo_django.documents.voucher import LONGEST_QR

SCALE = 4


def drawn(svg: str) -> PIL.Image.Image:
    """Draw what the path of an SVG says, and nothing else."""
    root = ElementTree.fromstring(svg)
    _, _, width, height = (int(number) for number in root.attrib["viewBox"].split())
    picture = PIL.Image.new("L", (width * SCALE, height * SCALE), 255)
    pen = PIL.ImageDraw.Draw(picture)
    (path,) = root.findall("path")
    steps = re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h-(\d+)z", path.attrib["d"])
    assert "".join(f"M{x} {y}h{w}v{h}h-{b}z" for x, y, w, h, b in steps) == path.attrib["d"]
    for x, y, across, down, back in (map(int, step) for step in steps):
        assert across == back
        pen.rectangle((x * SCALE, y * SCALE, (x + across) * SCALE - 1, (y + down) * SCALE - 1), fill=0)
    return picture


def read(svg: str) -> list[tuple[zxingcpp.BarcodeFormat, str]]:
    return [(one.format, one.text) for one in zxingcpp.read_barcodes(drawn(svg))]


@given(code=st.from_regex(r"[0-9]{1,14}", fullmatch=True))
def test_a_barcode_says_exactly_the_code(code: str) -> None:
    assert read(barcode_svg(code, "made up")) == [(zxingcpp.BarcodeFormat.Code128, code)]


@given(text=st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), min_size=1, max_size=300))
def test_a_qr_says_exactly_the_text(text: str) -> None:
    assert [said for _, said in read(qr_svg(text, "made up"))] == [text]


@pytest.mark.parametrize("letter", ["9", "é", "订"])
def test_the_longest_qr_is_drawn(letter: str) -> None:
    text = letter * (LONGEST_QR // len(letter.encode()))
    assert [said for _, said in read(qr_svg(text, "made up"))] == [text]


def test_letters_outside_of_ascii_say_how_they_are_written() -> None:
    assert [said for _, said in read(qr_svg("¡", "made up"))] == ["¡"]


@pytest.mark.parametrize("draw", [barcode_svg, qr_svg])
def test_a_strict_policy_and_a_screen_reader_are_content(draw: object) -> None:
    assert callable(draw)
    root = ElementTree.fromstring(draw("24591983", 'A "label" <b>'))
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == 'A "label" <b>'
    for element in root.iter():
        assert not {"style", "id"} & element.attrib.keys()
        assert element.tag in ("svg", "rect", "path")


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("24591983", ["2459", "1983"]),
        ("245919837", ["245", "919", "837"]),
        ("2459198", ["245", "9198"]),
        ("12345678901234", ["12", "3456", "7890", "1234"]),
        ("123456789012", ["1234", "5678", "9012"]),
        ("", []),
    ],
)
def test_a_code_is_read_in_groups(code: str, parts: list[str]) -> None:
    assert groups(code) == parts


@pytest.mark.parametrize(
    ("wanted", "known"),
    [
        ("es", "es"),
        ("es-PE", "es"),
        ("en-us", "en"),
        ("zh_Hans", "zh-hans"),
        ("zh-cn", "zh-hans"),
        ("zh", "zh-hans"),
        ("qu", "es"),
        ("", "es"),
    ],
)
def test_every_language_is_served_by_one_of_ours(wanted: str, known: str) -> None:
    assert known_language(wanted) == known
