"""Kind 15: statements in the shapes of real files give the lines of the plain one; what isn't plain is asked about."""

# ruff: noqa: E501

import io
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.statements import Fault, Line, faults_of_formats
from pagoefectivo_django.workdays import LIMA
from tests.factories.files import (
    HEAD,
    HEADINGS,
    NAMED,
    NUMBERED,
    PAID_AT,
    REPORT,
    SAMPLE,
    line,
    lines,
    read,
    report,
    row,
)
from tests.factories.files import settlement as settled

SHORT = ["", "ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "set", "oct", "nov", "dic"]
LONG = ["", "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"]  # fmt: skip

#: How one date is written: what ``strftime`` makes of it, and what is not plain without ``DATES``.
DATES: dict[str, Callable[[datetime], str]] = {
    "23/11/2026 15:04:05": lambda at: at.strftime("%d/%m/%Y %H:%M:%S"),
    "23/11/2026": lambda at: at.strftime("%d/%m/%Y"),
    "1/2/26": lambda at: f"{at.day}/{at.month}/{at:%y}",
    "1/2/2026 3:04": lambda at: f"{at.day}/{at.month}/{at:%Y} {at.hour}:{at:%M}",
    "23.11.2026": lambda at: at.strftime("%d.%m.%Y"),
    "23.11.26 15:04": lambda at: at.strftime("%d.%m.%y %H:%M"),
    "23-11-2026": lambda at: at.strftime("%d-%m-%Y"),
    "2026/11/23": lambda at: at.strftime("%Y/%m/%d"),
    "2026/11/23 15:04:05": lambda at: at.strftime("%Y/%m/%d %H:%M:%S"),
    "2026-11-23T15:04:05-05:00": lambda at: at.strftime("%Y-%m-%dT%H:%M:%S-05:00"),
    "20261123": lambda at: at.strftime("%Y%m%d"),
    "20261123 15:04:05": lambda at: at.strftime("%Y%m%d %H:%M:%S"),
    "03:15:00 p. m.": lambda at: at.strftime("%d/%m/%Y %I:%M:%S ") + ("a. m." if at.hour < 12 else "p.\u00a0m."),
    "03:15:00 p. m. after a comma": lambda at: at.strftime("%d/%m/%Y, %I:%M:%S\u202f") + ("a.\u202fm." if at.hour < 12 else "p.\u202fm."),
    "3:15 PM": lambda at: at.strftime("%d/%m/%Y %I:%M ") + ("AM" if at.hour < 12 else "PM"),
    "23-nov-2026": lambda at: f"{at.day}-{SHORT[at.month]}-{at.year}",
    "23-Nov-26": lambda at: f"{at.day}-{SHORT[at.month].title()}-{at:%y}",
    "23 nov. 2026 15:04": lambda at: f"{at:%d} {SHORT[at.month]}. {at:%Y %H:%M}",
    "23 de noviembre de 2026": lambda at: f"{at.day} de {LONG[at.month]} de {at.year}",
}  # fmt: skip
AMOUNTS: dict[str, Callable[[Decimal], str]] = {
    "1235.50": lambda value: f"{value:.2f}",
    "1,235.50": lambda value: f"{value:,.2f}",
    "1.235,50": lambda value: f"{value:,.2f}".translate({44: 46, 46: 44}),
    "1235,50": lambda value: f"{value:.2f}".replace(".", ","),
    "1 235.50": lambda value: f"{value:,.2f}".replace(",", " "),
    "1 235,50": lambda value: f"{value:,.2f}".translate({44: 32, 46: 44}),
    "1\u202f235.50": lambda value: f"{value:,.2f}".replace(",", "\u202f"),
    "1\u00a0235,50": lambda value: f"{value:,.2f}".translate({44: 160, 46: 44}),
    "1'235,000.50": lambda value: f"{value:,.2f}".replace(",", "'", 1),
    "S/\u00a01,235.50": lambda value: f"S/\u00a0{value:,.2f}",
}
CODES: dict[str, Callable[[str], str]] = {
    "70000001": lambda code: code,
    "padded": lambda code: code.zfill(14),
    "'70000001": lambda code: f"'{code}",
    '="70000001"': lambda code: f'="{code}"',
    "in groups": lambda code: f"{code[:3]} {code[3:]}",
    "with something invisible": lambda code: f"\u200e{code}\ufeff",
}


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def written(cells: list[str], mark: str, end: str) -> str:
    return mark.join(quoted(cell) if mark in cell or '"' in cell else cell for cell in cells) + end + "\n"


@given(
    said=st.lists(
        st.tuples(
            st.integers(10_000_000, 10**14 - 1),
            st.decimals(Decimal("2.00"), Decimal("9999999.99"), places=2, allow_nan=False),
            st.sampled_from([Decimal("0.00"), Decimal("0.01"), Decimal("-0.01")]),
            st.datetimes(datetime(2001, 1, 1), datetime(2068, 12, 31)),  # noqa: DTZ001 (Lima's clock comes below)
        ),
        min_size=1, max_size=6, unique_by=lambda one: one[0],
    ),
    date=st.sampled_from(sorted(DATES)),
    amount=st.sampled_from(sorted(AMOUNTS)),
    code=st.sampled_from(sorted(CODES)),
    mark=st.sampled_from(";\t|"),
    end=st.sampled_from(["", "{mark}", "{mark}{mark}"]),
    headings=st.sampled_from(["named", "none", "above numbers", "on each page"]),
    negative=st.booleans(),
    minus=st.sampled_from("-\u2212"),
    frame=st.booleans(),
)  # fmt: skip
def test_every_listed_shape_gives_the_lines_of_the_plain_one(
    said: list[Any], date: str, amount: str, code: str, mark: str, end: str, headings: str, negative: bool, minus: str,
    frame: bool,
) -> None:  # fmt: skip
    fee, tax = Decimal("1.60"), Decimal("0.29")
    expected, rows = [], []
    for number, gross, cent, at in said:
        at = at.replace(microsecond=0)
        day = DATES[date](at)
        shown = (
            at.replace(second=at.second if day.count(":") >= 2 else 0)
            if ":" in day
            else at.replace(hour=0, minute=0, second=0)
        )
        taken = [f"{minus}{AMOUNTS[amount](part)}" if negative else AMOUNTS[amount](part) for part in (fee, tax)]
        net = AMOUNTS[amount](gross - fee - tax + cent)
        rows.append(
            [CODES[code](str(number)), f"SHOP-{number}", f"0{number}", AMOUNTS[amount](gross), *taken, net, day]
        )
        expected.append(
            (str(number), f"SHOP-{number}", f"0{number}", gross, fee - cent, tax, shown.replace(tzinfo=LIMA))
        )
    end = end.format(mark=mark)
    table = [written(one, mark, end) for one in rows]
    head = written(HEADINGS, mark, end)
    if headings == "on each page":
        table = [part for one in table for part in ("Página 2 de 3" + mark + "\n", head, one)][1:]
    elif headings != "none":
        table = [head, *table]
    if frame:
        last = written(
            ["Subtotal del día", "", "", AMOUNTS[amount](Decimal("71.00")), "", "", "", DATES[date](said[0][3])],
            mark,
            end,
        )
        table = [*table, last, f"TOTAL REGISTROS: {len(rows)}\n", "*** Fin del reporte ***" + end + "\n"]
    formats = NAMED if headings in ("named", "on each page") else NUMBERED
    statement = read("".join(table).encode(), formats=formats, format="bank")
    found = list(statement.lines())
    assert not [one for one in found if isinstance(one, Fault)]
    real = [one for one in found if isinstance(one, Line) and not one.ignored]
    assert [
        (one.code, one.transaction_code, one.operation_number, one.gross, one.fee, one.tax, one.paid_at) for one in real
    ] == expected
    assert not any(one.doubt for one in real)


@pytest.mark.parametrize("status", ["Cancelada.", "CANCELADA", "  cancelado ", "Pagada;", "PAGADO!"])
def test_a_status_that_is_known_is_known_with_its_punctuation(status: str) -> None:
    (only,) = lines(read(report(row(status=status)), "r.xlsx"))
    assert (only.gross, only.ignored, only.doubt) == (Decimal("1.50"), "", "")


@pytest.mark.parametrize(
    "status",
    ["Liquidada", "Pago confirmado", "Extornada", "Pendiente de liquidar", "Retenida por fraude", "PAID", "Abonado"],
)
def test_a_paid_line_of_an_unknown_status_is_asked_about(status: str) -> None:
    (only,) = lines(read(report(row(status=status)), "r.xlsx"))
    assert (only.code, only.gross, only.ignored) == ("70000001", Decimal("1.50"), "")
    assert (only.doubt, only.said) == ("status_unknown", status)
    (unpaid,) = lines(read(report(row(status=status, paid=None)), "r.xlsx"))
    assert (unpaid.ignored, unpaid.said) == ("not_paid", status)


@pytest.mark.parametrize(
    "status", ["Expirada", "Vencido", "Pendiente", "Por pagar", "Eliminada", "ANULADA.", "No pagado", "Generada"]
)
def test_what_is_known_to_be_unpaid_stays_ignored(status: str) -> None:
    (only,) = lines(read(report(row(status=status)), "r.xlsx"))
    assert (only.ignored, only.said) == ("not_paid", status)


@pytest.mark.parametrize(
    "total", ["Subtotal del día", "SUB-TOTAL", "Total general", "*** TOTAL ***", "Gran total:", "Totales"]
)
def test_a_dated_total_is_no_payment(total: str) -> None:
    for place in ("first", "code", "order"):
        said = {"code": "", "order": ""} | {place: total}
        *_, last = lines(read(settled(**said)))
        assert (last.gross, last.ignored) == (Decimal(0), "total")


def test_a_dated_line_that_a_bank_may_have_called_total_is_asked_about() -> None:
    *_, last = lines(read(settled(code="", order="", bank="Total")))
    assert (last.gross, last.ignored, last.doubt) == (Decimal("35.50"), "", "may_be_total")


REFUNDING: dict[str, Any] = {"bank": NAMED["bank"] | {"REFUNDS": True}}


@pytest.mark.parametrize("formats", [NAMED, REFUNDING])
@pytest.mark.parametrize("net", ["33.61", ""])
def test_a_commission_written_negative_is_taken_off(formats: Any, net: str) -> None:
    data = f"{HEAD}1;A;1;35.50;-1.60;-0.29;{net};23/11/2026\n".encode()
    (only,) = lines(read(data, formats=formats))
    assert (only.gross, only.fee, only.tax) == (Decimal("35.50"), Decimal("1.60"), Decimal("0.29"))


def test_a_fee_of_another_sign_than_the_others_is_no_guess() -> None:
    data = f"{HEAD}1;A;1;35.50;-1.60;-0.29;;23/11/2026\n2;B;2;35.50;1.60;0.29;;23/11/2026\n".encode()
    found = list(read(data, formats=REFUNDING).lines())
    assert [type(one) for one in found] == [Fault, Line]
    assert "another sign" in found[0].problem  # type: ignore[union-attr]


def test_a_refund_gives_its_commission_back_as_the_file_writes_it() -> None:
    data = f"{HEAD}1;A;1;35.50;-1.60;-0.29;33.61;23/11/2026\n1;A;2;-35.50;1.60;0.29;-33.61;23/11/2026\n".encode()
    _, back = lines(read(data, formats=REFUNDING))
    assert (back.gross, back.fee, back.tax, back.net) == (
        Decimal("-35.50"),
        Decimal("-1.60"),
        Decimal("-0.29"),
        Decimal("-33.61"),
    )


@pytest.mark.parametrize("word", ["Ajuste", "Ajuste por contracargo", "Mantenimiento mensual", "AJUSTE (CRÉDITO)"])
@pytest.mark.parametrize("gross", ["-5.00", "5.00", "\u22125.00"])
def test_an_adjustment_without_a_code_is_asked_about(word: str, gross: str) -> None:
    for data in (
        settled(code=word, order="", paid="", commission="0.00", gross=gross),
        settled(first=word, code="", order="", paid="", commission="", gross=gross),
    ):
        *_, last = lines(read(data))
        assert (last.code, last.gross, last.ignored) == ("", Decimal(gross.replace("\u2212", "-")), "")
        assert last.doubt == "may_be_adjustment"


@pytest.mark.parametrize(
    "said",
    ["TOTAL REGISTROS: 25", "*** Fin del reporte ***", "Página 2 de 3", "Generado el 23/11/2026 10:00", "---", "sep=;"],
)
def test_a_remark_is_no_line(said: str) -> None:
    *_, last = lines(read(SAMPLE + said.encode() + b"\n"))
    assert (last.gross, last.ignored in ("remark", "total")) == (Decimal(0), True)


def test_half_a_line_is_still_told() -> None:
    (_, _, cut) = read(SAMPLE + b"1,x,70000009\n").lines()
    assert isinstance(cut, Fault)


def test_a_heading_stands_above_numbered_columns_and_again_on_each_page() -> None:
    head = (
        ",".join(
            ["Nº", "Tipo", "CIP", "Pedido", "x", "Comisión", "Monto", "Emisión", "Pago", *"xxx", "Banco", "x", "Canal"]
        )
        + "\n"
    )
    found = lines(read(head.encode() + line() + head.encode() + line(code="70000010")))
    assert [(one.code, one.ignored) for one in found] == [
        ("", "headings"),
        ("70000009", ""),
        ("", "headings"),
        ("70000010", ""),
    ]
    again = report(row(), REPORT, row(code=70000002))
    assert [one.ignored for one in lines(read(again, "r.xlsx"))] == ["", "headings", ""]


def test_a_workbook_has_the_shapes_too() -> None:
    rows = [
        row(code="'70000001", gross="1\u202f235.50", paid="23-nov-2026 10:00:05 a. m."),
        row(code='="70000002"', order=12, paid="23-nov-2026 10:00:05 a.\u00a0m."),
    ]
    first, second = lines(read(report(*rows), "r.xlsx"))
    assert (first.code, first.gross, first.paid_at) == ("70000001", Decimal("1235.50"), PAID_AT.replace(tzinfo=LIMA))
    assert (second.code, second.paid_at) == ("70000002", PAID_AT.replace(tzinfo=LIMA))
    book = openpyxl.load_workbook(io.BytesIO(report(row(paid=20261123))))
    assert book is not None
    assert lines(read(report(row(paid=20261123)), "r.xlsx"))[0].paid_at == datetime(2026, 11, 23, tzinfo=LIMA)


@pytest.mark.parametrize(
    ("order", "said", "right"),
    [
        ("dmy", "1/2/26", (2026, 2, 1)),
        ("mdy", "1/2/26", (2026, 1, 2)),
        ("ymd", "26/2/1", (2026, 2, 1)),
        ("MM/DD/YYYY", "1/2/2026", (2026, 1, 2)),
        ("%m/%d/%Y", "11/23/2026 3:15 PM", (2026, 11, 23)),
        ("mdy", "2026-11-23", (2026, 11, 23)),
        ("mdy", "20261123", (2026, 11, 23)),
        ("mdy", "23-nov-2026", (2026, 11, 23)),
    ],
)
def test_a_format_says_the_order_of_day_month_and_year(order: str, said: str, right: Any) -> None:
    formats = {"bank": NAMED["bank"] | {"DATES": order}}
    assert faults_of_formats(formats) == []
    data = f"{HEAD}1;A;1;35.50;1.60;0.29;;{said}\n".encode()
    (only,) = lines(read(data, formats=formats))
    assert only.paid_at
    assert (only.paid_at.year, only.paid_at.month, only.paid_at.day) == right


@pytest.mark.parametrize(("order", "said", "first"), [("dmy", "11/23/26", "month"), ("mdy", "23.11.2026", "day")])
def test_an_order_that_can_only_be_the_other_refuses_the_file(order: str, said: str, first: str) -> None:
    data = f"{HEAD}1;A;1;35.50;1.60;0.29;;{said}\n".encode()
    with pytest.raises(InvalidRequest, match=rf"has the {first} before .*DATES"):
        list(read(data, formats={"bank": NAMED["bank"] | {"DATES": order}}).lines())


@pytest.mark.parametrize("said", ["", "dm", "dmyy d", "d/m", 1, None, ["dmy"], "ydm"])
def test_another_order_is_a_mistake_in_the_settings(said: Any) -> None:
    faults = faults_of_formats({"bank": NAMED["bank"] | {"DATES": said}})
    assert faults == (
        []
        if said == "dmyy d"
        else ["STATEMENTS['bank']: DATES must be 'dmy', 'mdy' or 'ymd': the order of day, month and year."]
    )


@pytest.mark.parametrize(
    "said", ["31/02/2026", "23-xyz-2026", "20261332", "13:00 p. m.", "23/11/2026 13:00 a. m.", "23/11/2026 25:00"]
)
def test_what_is_no_date_is_still_told(said: str) -> None:
    data = f"{HEAD}1;A;1;35.50;1.60;0.29;;23/11/2026\n2;A;1;35.50;1.60;0.29;;{said}\n".encode()
    assert [type(one) for one in read(data, formats=NAMED).lines()] == [Line, Fault]
