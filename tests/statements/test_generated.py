"""Generated files: what is written is what is read, and what is no statement never breaks the reader."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagoefectivo_django.errors import InvalidRequest, Misconfigured
from pagoefectivo_django.statements import Fault, Line
from pagoefectivo_django.workdays import LIMA
from tests.factories.files import SHOP, read, repacked, report, row
from tests.factories.files import settlement as settled

FORMAT: dict[str, Any] = {
    "shop": SHOP["shop"] | {"COLUMNS": SHOP["shop"]["COLUMNS"] | {"transaction_code": "Pedido", "payer": "Quién"}},
}
HEADINGS = ["IGV", "PEDIDO", "codigo", "Importe", "Otro", "Comisión", "Pagado", "Quién"]
GOOD = {"a.txt": settled(), "a.csv": "Código;Importe;Comisión;IGV;Pagado\n1;1,23;0;0;23/11/2026\n".encode() * 2}
GOOD["a.xlsx"] = report(row(), row(gross="S/ 1,234.50"))

payments = st.tuples(
    st.integers(1, 10**14),
    st.from_regex(r"[A-Z]{1,4}-[0-9]{1,9}", fullmatch=True),
    st.decimals(Decimal("0.02"), Decimal("9999999999999999.99"), places=2, allow_nan=False),
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)),  # noqa: DTZ001 (Lima's clock comes below)
    st.text("abcñáÑ ,;|'\"éß/=", max_size=20),
)


def amount(value: Decimal, style: str) -> str:
    """Return an amount as it is written in a style, of which these are examples."""
    grouped = f"{value:,.2f}" if "1,234" in style or "1.234" in style else f"{value:.2f}"
    if style[-3] == ",":
        grouped = grouped.translate({ord("."): ",", ord(","): "."})
    return f"S/ {grouped}" if style.startswith("S/") else grouped


def moment(value: datetime, style: str) -> str:
    if style.endswith("Z"):
        return value.astimezone(UTC).strftime(style)
    return value.strftime(style)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "windows-1252", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@settings(max_examples=15)
@given(
    st.lists(payments, min_size=1, max_size=8, unique_by=lambda one: one[0]),
    st.sampled_from(["S/ 1,234.50", "1,234.50", "1.234,50", "1234.50", "1234,50"]),
    st.sampled_from(["%d/%m/%Y %H:%M:%S", "%d-%m-%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_is_read(
    encoding: str, separator: str, said: list[Any], money: str, dates: str, quoting: Any, end: str
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, quoting=quoting, lineterminator=end)
    writer.writerow(HEADINGS)
    expected = []
    for number, (code, order, gross, paid, who) in enumerate(said, 2):
        paid = paid.replace(microsecond=0, tzinfo=LIMA)
        fee = Decimal("0.01")
        cells = [amount(Decimal("0.00"), money), order, f"{code:014}", amount(gross, money), "ñ", amount(fee, money)]
        writer.writerow([*cells, moment(paid, dates), who])
        expected.append(
            Line(
                number,
                str(code),
                order,
                "",
                gross,
                fee,
                Decimal("0.00"),
                None,
                None,
                paid,
                " ".join(who.split()),
                "",
                "",
            )
        )
    statement = read(file.getvalue().encode(encoding), formats=FORMAT)
    assert list(statement.lines()) == expected
    assert statement.reading["encoding"] == encoding


def end(data: bytes, name: str) -> None:
    """Read it all, or be refused."""
    try:
        found = list(read(data, name).lines())
    except (InvalidRequest, Misconfigured):
        return
    assert all(isinstance(one, Line | Fault) for one in found)
    numbers = [one.number for one in found]
    assert numbers == sorted(set(numbers))


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=400), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for whole in (data, settled() + data, b"PK\x03\x04" + data):
        end(whole, "file.csv")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(GOOD)), st.data())
def test_no_damage_to_a_good_file_breaks_the_reader(name: str, data: st.DataObject) -> None:
    whole = bytearray(GOOD[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole)))
        length = data.draw(st.integers(0, 30))
        how = data.draw(st.sampled_from(["flip", "cut", "repeat", "put"]))
        if how == "flip" and at < len(whole):
            whole[at] ^= data.draw(st.integers(1, 255))
        elif how == "cut":
            del whole[at : at + length]
        elif how == "repeat":
            whole[at:at] = whole[at : at + length] * data.draw(st.integers(1, 50))
        else:
            whole[at:at] = data.draw(st.binary(max_size=9))
    end(bytes(whole), name)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_to_a_sheets_xml_breaks_the_reader(data: st.DataObject) -> None:
    """Packed anew, so that the checksums of the ZIP are right."""

    def damage(name: str, part: bytes) -> bytes:
        if not name.endswith(chosen):
            return part
        at, length = data.draw(st.integers(0, len(part))), data.draw(st.integers(0, 20))
        middle = data.draw(
            st.one_of(st.binary(max_size=6), st.sampled_from([b'r="99999999"', b"1e999", b"<", b'"', b"-1"]))
        )
        return part[:at] + middle + part[at + length :]

    chosen = data.draw(
        st.sampled_from(["sheet1.xml", "workbook.xml", "styles.xml", "sharedStrings.xml", "[Content_Types].xml"])
    )
    end(repacked(GOOD["a.xlsx"], damage), "a.xlsx")
