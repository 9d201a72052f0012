"""Files that are statements: what is found out about them, and what their lines say."""

from decimal import Decimal
from typing import Any

import pytest

from pagoefectivo_django.statements import faults_of_formats
from pagoefectivo_django.statements.values import rates
from pagoefectivo_django.workdays import LIMA
from tests.factories.files import PAID_AT, PREAMBLE, REPORT, SAMPLE, SHOP, in_sheet, line, lines, read, report, row
from tests.factories.files import settlement as settled

BY_NUMBERS: dict[str, Any] = {
    "kiosk": {
        "KIND": "settlement",
        "WIDTH": 5,
        "COLUMNS": {"operation_number": 1, "gross": 2, "net": 3, "paid_at": 4, "payer": 5},
        "REFUNDS": True,
    }
}


def test_the_settlement_text_is_recognised_by_its_columns() -> None:
    statement = read(SAMPLE, "folder/T-77.txt")
    first, second = lines(statement)
    assert (first.number, first.code, first.transaction_code, first.gross) == (
        1,
        "70000001",
        "SHOP-1",
        Decimal("35.50"),
    )
    assert (first.commission, first.fee, first.net, first.collector) == (Decimal("1.89"), None, None, "BCP Agente")
    assert first.paid_at == PAID_AT.replace(tzinfo=LIMA)
    assert second.gross == Decimal("1234.50")
    assert (statement.name, statement.kind, statement.currency) == ("T-77.txt", "settlement", "PEN")
    assert statement.reading == {
        "format": "settlement_text",
        "encoding": "utf-8",
        "separator": "comma",
        "quoting": "double quotes",
        "header": "none",
        "decimal": ".",
        "dates": "dd/mm/yyyy",
        "columns": {
            "code": "3",
            "transaction_code": "4",
            "commission": "6",
            "gross": "7",
            "paid_at": "9",
            "collector": "13 + 15",
        },
    }
    assert list(statement.lines()) == [first, second]


def test_the_report_is_found_by_its_headings_below_a_preamble() -> None:
    statement = read(
        report(
            row(gross=35.499999999999996),
            row(code="070000002", order=12, gross="S/ 1,234.50", status="Expirada", paid=None),
        ),
        "r.xlsx",
        currency="",
    )
    first, second = lines(statement)
    assert (first.number, first.code, first.gross, first.payer) == (12, "70000001", Decimal("35.50"), "ana@example.com")
    assert first.paid_at == PAID_AT.replace(tzinfo=LIMA)
    assert (second.code, second.transaction_code, second.ignored, second.said) == (
        "70000002",
        "12",
        "not_paid",
        "Expirada",
    )
    assert (statement.kind, statement.currency, statement.reading["header"]) == ("sales", "PEN", "11")


def test_the_report_as_csv_has_its_columns_in_any_order() -> None:
    cells = dict(zip(REPORT, ["70000001", "A-1", "35,50", "Cancelada", "23/11/2026 10:00:05", "", "Peña"], strict=True))
    shuffled = sorted(REPORT)
    table = [*PREAMBLE, shuffled, [cells[heading] for heading in shuffled]]
    statement = read("\n".join(";".join(cells) for cells in table).encode("windows-1252"))
    (only,) = lines(statement)
    assert (only.number, only.code, only.transaction_code, only.gross) == (12, "70000001", "A-1", Decimal("35.50"))
    assert (only.paid_at, only.collector, only.ignored) == (PAID_AT.replace(tzinfo=LIMA), "Peña", "")
    assert {key: statement.reading[key] for key in ("encoding", "separator", "header", "decimal")} == {
        "encoding": "windows-1252",
        "separator": "semicolon",
        "header": "11",
        "decimal": ",",
    }


def test_texts_that_are_numbers_and_numbers_that_are_texts_are_the_same() -> None:
    as_texts = row(code="70000001", order="12", gross="1.50", paid="23/11/2026 10:00:05")
    first, second = lines(read(report(as_texts, row(order=12.0)), "r.xlsx"))
    assert first[1:] == second[1:]


def test_leading_zeros_are_no_part_of_a_code() -> None:
    eaten, padded, grouped = lines(read(line() + line(code="00000070000009") + line(code="7000 0009")))
    assert eaten.code == padded.code == grouped.code == "70000009"
    assert read(settled()).notes[0] == "codes_of_different_lengths"


@pytest.mark.parametrize(
    "total",
    [
        "TOTAL GENERAL,,,,,4.00,71.00,,,,,,,,",
        ",,Total:,,,4.00,S/ 71.00,,,,,,,,",
        "Total,71.00",
        ",,,,,,71.00,,,,,,Sub-total,,",
        "Gran total,,,,,,?,,,,,,,,",
    ],
)
def test_a_total_is_ignored(total: str) -> None:
    *_, last = lines(read(settled() + total.encode()))
    assert (last.number, last.gross, last.ignored) == (4, Decimal("0.00"), "total")


def test_a_payment_is_no_total_whatever_its_texts_say() -> None:
    *_, named, dated = lines(read(settled(order="TOTAL-9", bank="Total") + line(code="", order="", bank="Total")))
    assert (named.transaction_code, named.ignored, dated.gross, dated.ignored) == ("TOTAL-9", "", Decimal("35.50"), "")


@pytest.mark.parametrize(
    "paid",
    [
        "23/11/2026 10:00:05",
        "23/11/2026  10:00:05.125",
        "23-11-2026T10:00:05",
        "2026-11-23 10:00:05",
        "2026-11-23T10:00:05.125-05:00",
        "2026-11-23T16:00:05+0100",
        "2026-11-23T15:00:05Z",
    ],
)
def test_moments_are_by_limas_clock(paid: str) -> None:
    (only,) = lines(read(line(paid=paid)))
    assert only.paid_at == PAID_AT.replace(tzinfo=LIMA)
    assert only.paid_at.tzinfo is LIMA


@pytest.mark.parametrize("said", ["1900-01-01T00:00:00-05:00", "01/01/1900 00:00:00", ""])
def test_the_year_1900_is_no_date(said: str) -> None:
    assert lines(read(line(paid=said)))[0].paid_at is None
    assert lines(read(report(row(paid=PAID_AT.replace(year=1900))), "r.xlsx"))[0].paid_at is None


def test_a_format_by_numbers_may_have_refunds() -> None:
    data = b"900|35.50|33.61|23/11/2026|\n901|-35.50|-35.50|1900-01-01T00:00:00-05:00|ana\n"
    data += b"902|-1.00|-2.00|2026-11-23|\n"
    paid, refund, _ = lines(read(data, formats=BY_NUMBERS))
    assert (paid.operation_number, paid.gross, paid.net) == ("900", Decimal("35.50"), Decimal("33.61"))
    assert paid.paid_at == PAID_AT.replace(hour=0, minute=0, second=0, tzinfo=LIMA)
    assert (refund.gross, refund.paid_at, refund.payer) == (Decimal("-35.50"), None, "ana")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_file_is_read_in_pieces_that_letters_and_lines_may_cross(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = settled(bank='"Peña\n\rBanco"').decode().replace("\n", "\r\n").encode(encoding)
    whole = lines(read(data))
    monkeypatch.setattr("pagoefectivo_django.statements.text._PIECE", 12)
    assert lines(read(data)) == whole
    assert [(one.number, one.collector) for one in whole][2] == (3, "Peña Banco Agente")


def test_what_a_workbook_says_of_its_size_is_not_believed() -> None:
    assert len(lines(read(in_sheet(report(row(), row()), b'ref="A1:G13"', b'ref="A1:A1"'), "r.xlsx"))) == 2


def test_a_row_may_stand_far_below() -> None:
    (only,) = lines(read(in_sheet(report(row()), b'r="12"', b'r="1048576"'), "r.xlsx"))
    assert only.number == 1_048_576


def test_a_hidden_sheet_is_not_read() -> None:
    def hide(sheet: Any) -> None:
        hidden = sheet.parent.create_sheet("old", 0)
        for cells in (REPORT, row(code=1), row(code=2)):
            hidden.append(cells)
        hidden.sheet_state = "hidden"

    statement = read(report(row(), change=hide), "r.xlsx")
    assert [one.code for one in lines(statement)] == ["70000001"]
    assert statement.reading["sheet"] == "Sheet"


def test_a_faulty_format_is_told() -> None:
    assert faults_of_formats({**SHOP, **BY_NUMBERS}) == []
    assert faults_of_formats([]) == ["STATEMENTS is no dict of name and format."]
    wrong = {"KIND": "tax", "COLUMNS": {"code": 1, "gros": 0, "net": ("A", 2)}, "OTHER": 1, "REFUNDS": 1, "PAID": ["x"]}
    wrong["DATES"] = "dm"
    assert faults_of_formats({"x": wrong}) == [
        "STATEMENTS['x']: 'OTHER' is unknown; use KIND, COLUMNS, DATES, PAID, REFUNDS or WIDTH.",
        "STATEMENTS['x']: COLUMNS has 'gros'; use code, transaction_code, operation_number, currency, gross, fee, tax, "
        "commission, net, paid_at, status, payer, collector, payment_amount, payment_currency, rate.",
        "STATEMENTS['x']: KIND must be 'settlement' or 'sales'.",
        "STATEMENTS['x']: COLUMNS needs gross.",
        "STATEMENTS['x']: COLUMNS are headings or numbers from 1.",
        "STATEMENTS['x']: COLUMNS names one place for net.",
        "STATEMENTS['x']: PAID and the column status need each other.",
        "STATEMENTS['x']: REFUNDS must be True or False.",
        "STATEMENTS['x']: DATES must be 'dmy', 'mdy' or 'ymd': the order of day, month and year.",
    ]


@pytest.mark.parametrize(
    ("kind", "columns", "fault"),
    [
        ("settlement", {"payment_amount": "Pagado"}, "COLUMNS with payment_amount need payment_currency too."),
        ("settlement", {"rate": "Tasa"}, "COLUMNS with rate need payment_amount too."),
        ("settlement", {"payment_currency": "Moneda"}, "COLUMNS with payment_currency need payment_amount too."),
        ("sales", {"rate": "Tasa"}, "COLUMNS of sales have no rate: gross is what the payer paid."),
    ],
    ids=["amount", "rate", "currency", "sales"],
)
def test_a_format_of_exchanged_payments_names_amount_and_currency(kind: str, columns: Any, fault: str) -> None:
    form = {"KIND": kind, "COLUMNS": {"code": "CIP", "gross": "Monto", "commission": "Comisión"} | columns}
    assert faults_of_formats({"abroad": form}) == [f"STATEMENTS['abroad']: {fault}"]


@pytest.mark.parametrize(
    ("mark", "cell", "rate"),
    [
        (".", "3.75", "3.75"),
        (",", "3,7500", "3.7500"),
        (",", 3.75, "3.75"),
        ("", "4", "4"),
        (".", "1,234.5", "1234.5"),
        (".", "0.266666666666666", "0.2666666667"),
    ],
)
def test_a_rate_has_its_own_decimals(mark: str, cell: object, rate: str) -> None:
    assert str(rates(mark)(cell)) == rate


def test_no_rate_is_none() -> None:
    assert rates(".")(None) is rates(".")("  ") is None
