"""Kind 15, shapes that nobody listed: read where they are plain, told or asked about where they are not."""

# ruff: noqa: E501

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.statements import Fault, Line
from pagoefectivo_django.workdays import LIMA
from tests.factories.files import HEAD, NAMED, SAMPLE, line, lines, read, report, row
from tests.factories.files import settlement as settled

AT = datetime(2026, 1, 2, 15, 4, 5, tzinfo=LIMA)


def of(said: str, name: str = "paid", **more: Any) -> Line:
    """The line of a file in which one cell is written in another way."""
    cells = {"gross": "1,235.50", "fee": "1.60", "tax": "0.29", "paid": "02/01/2026"} | {name: said}
    data = f"{HEAD}70000001;A;1;{cells['gross']};{cells['fee']};{cells['tax']};;{cells['paid']}\n".encode()
    (only,) = lines(read(data, formats=NAMED, **more))
    return only


@pytest.mark.parametrize(
    "said",
    [
        "2-ene.-26", "2 ene 2026", "2 de enero de 2026", "2 de enero del 2026", "02ENE2026", "2-Jan-2026", "Jan 2, 2026",
        "enero 2, 2026", "vie 02/01/2026", "viernes, 2 de enero de 2026", "Vie. 2 ene. 2026", "2026.01.02", "2/1/26",
        "02\u201101\u20112026", "\u200e02/01/2026\u200f", "02/01/2026\u00a0",
    ],
)  # fmt: skip
def test_a_day_as_programs_and_people_write_it(said: str) -> None:
    assert of(said).paid_at == AT.replace(hour=0, minute=0, second=0)


@pytest.mark.parametrize(
    "said",
    [
        "2 de enero del 2026 15:04:05", "02-ENE-26 03:04:05 PM", "January 2, 2026 3:04:05 PM", "02/01/2026 15:04:05 hrs",
        "02/01/2026 15:04:05 h", "02/01/2026 15:04:05 horas", "02/01/2026 - 15:04:05", "2 ene. 2026 | 3:04:05 p. m.",
        "02/01/2026 a las 15:04:05", "02/01/2026 3:04:05pm", "02/01/2026 03:04:05 P.M", "02/01/2026 03:04:05 p m",
        "Fri, 2 Jan 2026 15:04:05 -0500", "2026-01-02 15:04:05-05", "2026-01-02 20:04:05+00",
        "2026-01-02 15:04:05.123456-05", "2026-01-02T20:04:05Z", "2026-01-02 20:04:05 UTC",
        "2026-01-02 15:04:05 -05:00", "2026-01-02 15:04:05 GMT-05:00", "2026-01-03 01:34:05+05:30",
        "2026-01-02 15:04:05,5", "02/01/2026  15:04:05", "02/01/26,\u202f03:04:05\u202fp.\u00a0m.",
    ],
)  # fmt: skip
def test_a_moment_as_programs_and_people_write_it(said: str) -> None:
    assert of(said).paid_at == AT


@pytest.mark.parametrize(
    "said",
    ["46349", "46349.6278", "mar 31 feb 2026", "lunes", "02/01/2026 24:00:00", "02/01/2026 15:04:05+25:00", "2 eneros 2026",
     "\uff10\uff12/\uff10\uff11/2026", "2026-13-01", "ayer", "0/1/2026", "02/01/2026 15:04:05 zz", "martes 13"],
)  # fmt: skip
def test_what_is_no_date_is_told_for_its_line(said: str) -> None:
    data = f"{HEAD}1;A;1;35.50;1.60;0.29;;02/01/2026\n2;B;2;35.50;1.60;0.29;;{said}\n".encode()
    first, second = read(data, formats=NAMED).lines()
    assert (type(first), type(second)) == (Line, Fault)
    assert isinstance(second, Fault)
    assert second.column == "Fecha"


@pytest.mark.parametrize(
    "said",
    ["S/ 1,235.50", "S/.1,235.50", "s/. 1,235.50", "PEN 1,235.50", "1,235.50 PEN", "1,235.50 soles", "1,235.50 Soles",
     "+1,235.50", "S/ +1,235.50", "1,235.5000", "1,235.500000", "1\u00b4235.50", "1`235.50", "1\u2019235.50",
     "1\u202f235.50", "1\u2009235.50", "\u200e1,235.50\u200f", "S/\u00a01,235.50", "1,235.50\u00a0", "'1,235.50",
     '="1,235.50"'],
)  # fmt: skip
def test_an_amount_in_soles_as_it_is_written(said: str) -> None:
    quoted = '"' + said.replace('"', '""') + '"'
    assert of(quoted, "gross").gross == Decimal("1235.50")


@pytest.mark.parametrize(
    ("said", "fee"),
    [
        ("(1.60)", "1.60"), ("S/ (1.60)", "1.60"), ("(S/ 1.60)", "1.60"), ("-S/ 1.60", "1.60"), ("S/ -1.60", "1.60"),
        ("1.60-", "1.60"), ("- 1.60", "1.60"), ("\u22121.60", "1.60"), ("\u20131.60", "1.60"), (".60", ".60"),
    ],
)  # fmt: skip
def test_a_fee_as_accountants_write_it(said: str, fee: str) -> None:
    tax = "-0.29" if fee != ".60" else "0.29"
    data = f"{HEAD}1;A;1;35.50;{said};{tax};;23/11/2026\n".encode()
    (only,) = lines(read(data, formats=NAMED))
    assert (only.gross, only.fee, only.tax) == (Decimal("35.50"), Decimal(fee), Decimal("0.29"))


@pytest.mark.parametrize("said", ["-", "S/ -", "S/\u00a0-\u00a0\u00a0", "--", "0", "S/ 0.00"])
def test_nothing_as_a_spreadsheet_shows_it(said: str) -> None:
    data = f"{HEAD}1;A;1;35.50;{said};{said};;23/11/2026\n".encode()
    (only,) = lines(read(data, formats=NAMED))
    assert (only.gross, only.fee, only.tax) == (Decimal("35.50"), Decimal(0), Decimal(0))
    (refused,) = read(f"{HEAD}1;A;1;{said};0;0;;23/11/2026\n".encode(), formats=NAMED).lines()
    assert isinstance(refused, Fault)
    assert refused.problem == "is 0, which nobody paid."


@pytest.mark.parametrize("said", ["35.505", "35.5050", "1.235.50", "35,5,0", "3 5.50", "35.50 x", "35.50 EUR", "((35.50)", "35..50", ".", "S/", "1e2", "\uff13\uff15.50", "NaN"])  # fmt: skip
def test_what_is_no_amount_is_told(said: str) -> None:
    data = f"{HEAD}1;A;1;1.00;0.60;0.29;;02/01/2026\n2;B;2;{said};1.60;0.29;;02/01/2026\n".encode()
    first, second = read(data, formats=NAMED, decimal=".").lines()
    assert (type(first), type(second)) == (Line, Fault)


CURRENCY: dict[str, Any] = {
    "bank": NAMED["bank"]
    | {"COLUMNS": {"code": "CIP", "gross": "Monto", "commission": "Comisión", "currency": "Moneda"}}
}


@pytest.mark.parametrize(
    ("said", "found"),
    [
        *((said, "PEN") for said in ("S/", "S/.", "Soles", "SOL", "pen", "Nuevos Soles", "Sol peruano", "Soles (S/)", "PEN - Sol",
                                     "604", "Moneda nacional", "S/ Soles", "Nuevo Sol Peruano", "M.N.")),
        *((said, "USD") for said in ("US$", "usd", "Dólares", "DOLARES AMERICANOS", "Dólar", "US$ - Dólares", "840",
                                     "Dólares estadounidenses")),
    ],
)  # fmt: skip
def test_a_currency_in_its_own_column(said: str, found: str) -> None:
    data = f"CIP;Monto;Comisión;Moneda\n70000001;35.50;1.89;{said}\n".encode()
    assert read(data, formats=CURRENCY, currency="").currency == found
    assert len(lines(read(data, formats=CURRENCY, currency=""))) == 1


@pytest.mark.parametrize("said", ["$", "EUR", "PEN/USD", "Soles y dólares", "1", "ME", "?"])
def test_a_currency_that_may_be_another_is_asked_for(said: str) -> None:
    data = f"CIP;Monto;Comisión;Moneda\n70000001;35.50;1.89;{said}\n".encode()
    with pytest.raises(InvalidRequest, match=r"line 2, column Moneda"):
        read(data, formats=CURRENCY, currency="")


def test_a_dollar_sign_is_dollars_where_a_person_says_so() -> None:
    data = b"CIP;Monto;Comisi\xc3\xb3n;Moneda\n70000001;$ 35.50;$ 1.89;$\n"
    assert lines(read(data, formats=CURRENCY, currency="USD"))[0].gross == Decimal("35.50")
    for said in ("", "PEN"):
        with pytest.raises(InvalidRequest, match="may be soles or dollars"):
            read(data, formats=CURRENCY, currency=said)


@pytest.mark.parametrize("code", ["70000001.0", "70000001.00", "0070000001", " 7000 0001 ", "\u200f70000001"])
def test_a_code_that_a_program_took_for_a_number(code: str) -> None:
    data = f"{HEAD}{code};A;{code};35.50;1.60;0.29;;23/11/2026\n".encode()
    (only,) = lines(read(data, formats=NAMED))
    assert only.code == "70000001"
    assert only.operation_number.lstrip("0").replace(" ", "") == "70000001"


@pytest.mark.parametrize(
    "code", ["70000001.5", "7.0000001E7", "70,000,001", "70.000.001", "x70000001", "7000000\uff11"]
)
def test_a_code_that_cannot_be_known_is_told(code: str) -> None:
    data = f'{HEAD}1;A;1;35.50;1.60;0.29;;23/11/2026\n"{code}";A;2;35.50;1.60;0.29;;23/11/2026\n'.encode()
    assert [type(one) for one in read(data, formats=NAMED).lines()] == [Line, Fault]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "windows-1252", "latin-1"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [";", ",", "\t", "|"])
def test_any_encoding_line_end_and_separator(encoding: str, end: str, mark: str) -> None:
    cells = [HEAD.strip().split(";"), ["70000001", "Peña", "1", '"1,235.50"', "1.60", "0.29", "", "02/01/2026"]]
    text = end.join(mark.join(row) for row in cells) + end
    data = text.encode(encoding)
    if encoding.endswith(("-le", "-be")):
        data = "\ufeff".encode(encoding) + data
    (only,) = lines(read(data, formats=NAMED))
    assert (only.code, only.transaction_code, only.gross) == ("70000001", "Peña", Decimal("1235.50"))


def test_headings_and_cells_may_have_line_ends_and_stand_in_any_order() -> None:
    data = '"Fecha";"Com\nisión";Pedido;"Código";"Im\r\nporte";IGV;Neto;Operación\n02/01/2026;1.60;"A\nB";70000001;35.50;0.29;;1\n'.encode()
    (only,) = lines(read(data, formats=NAMED))
    assert (only.code, only.transaction_code, only.fee) == ("70000001", "A B", Decimal("1.60"))


@pytest.mark.parametrize(
    "said",
    [
        "Nota: los montos incluyen IGV 18%", "TOTAL REGISTROS,25", "Total de operaciones:,,25", "Página,2,de,3",
        "Observación: 3 pagos extornados", "RUC 20512333797", "Empresa: Tienda Quipu 2", "Fecha de emisión,23/11/2026",
        "Impreso por,rosa,el 23", "https://pagoefectivo.pe/reporte/1", "Moneda: 1 - Soles", "Elaborado por Rosa, 2026",
        "Cantidad,2", "Periodo del 01/11/2026 al 30/11/2026", ",,,Registros: 2",
    ],
)  # fmt: skip
def test_a_note_is_no_line_in_one_cell_or_several(said: str) -> None:
    found = lines(read(SAMPLE + said.encode() + b"\n"))
    assert len([one for one in found if not one.ignored]) == 2
    assert found[-1].ignored in ("remark", "total")


@pytest.mark.parametrize("total", ["Suma", "SUMATORIA", "Importe total", "Monto Total S/", "T O T A L", "Suma total", "Total acumulado", "Acumulado", "Sub Total:", "Totales generales"])  # fmt: skip
@pytest.mark.parametrize("dated", [True, False])
def test_a_total_in_other_words(total: str, dated: bool) -> None:
    said = {"code": "", "order": "", "first": total} | ({} if dated else {"paid": ""})
    *_, last = lines(read(settled(**said)))
    assert (last.gross, last.ignored) == (Decimal(0), "total")


@pytest.mark.parametrize("word", ["Saldo anterior", "Neto a pagar", "Diferencia", "Detracción", "Devolución"])
def test_an_amount_with_words_and_no_code_is_asked_about(word: str) -> None:
    *_, last = lines(read(settled(code=word, order="", paid="")))
    assert (last.ignored, bool(last.doubt), last.gross) == ("", True, Decimal("35.50"))


@pytest.mark.parametrize(
    "status",
    ["Cancelled", "Canceled", "Paid", "CANCELADO (PAGADO)", "Pagada parcialmente", "Cobrado", "Confirmada", "Devuelta",
     "Extornado", "Abonada", "OK", "Procesado", "Conciliado", "1", "C"],
)  # fmt: skip
def test_a_dated_amount_of_any_other_status_is_asked_about(status: str) -> None:
    (only,) = lines(read(report(row(status=status)), "r.xlsx"))
    assert (only.ignored, only.gross) == ("", Decimal("1.50"))
    assert only.doubt == "status_unknown"


@pytest.mark.parametrize(
    "status", ["IMPAGA", "Sin pagar", "no cancelado", "Pendiente de pago", "En proceso", "vencida."]
)
def test_nobody_paid_a_line_without_a_date(status: str) -> None:
    (only,) = lines(read(report(row(status=status, paid=None)), "r.xlsx"))
    assert only.ignored == "not_paid"


@pytest.mark.parametrize(
    "data",
    [b"<html><table><tr><td>CIP</td></tr></table>", b"\xef\xbb\xbf<!DOCTYPE html><html>", b"\r\n <table>", b"<?xml version='1.0'?><Workbook/>"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["reporte.xls", "reporte.csv", "reporte.xlsx"])
def test_a_web_page_that_is_called_a_workbook_is_told_as_one(data: bytes, name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"is a web page or XML.*save it as XLSX"):
        read(data, name)


def test_half_a_line_and_a_payment_without_an_amount_are_told() -> None:
    for cut in (b"1,x,70000009\n", line(gross=""), b"1\n", b"70000009,x\n"):
        *_, last = read(SAMPLE + cut).lines()
        assert isinstance(last, Fault), cut


@pytest.mark.parametrize(
    ("amount", "fee", "currency"),
    [
        ("Importe (S/)", "Comisión (S/)", "PEN"), ("Importe S/", "Comisión", "PEN"), ("IMPORTE S/.", "COMISIÓN S/.", "PEN"),
        ("Importe PEN", "Comisión PEN", "PEN"), ("Importe en soles".replace(" en", ""), "Comisión", "PEN"),
        ("Importe US$", "Comisión [USD]", "USD"), ("Importe (dólares)", "Comisión", "USD"),
    ],
)  # fmt: skip
def test_a_heading_may_say_the_currency(amount: str, fee: str, currency: str) -> None:
    data = (
        f"{HEAD}70000001;A;1;35.50;1.60;0.29;;23/11/2026\n".replace("Importe", amount).replace("Comisión", fee).encode()
    )
    statement = read(data, formats=NAMED, currency="")
    assert (statement.currency, lines(statement)[0].gross) == (currency, Decimal("35.50"))
    other = {"PEN": "USD", "USD": "PEN"}[currency]
    with pytest.raises(InvalidRequest, match=f"is in {currency}, but you say {other}"):
        read(data, formats=NAMED, currency=other)


def test_two_columns_that_differ_by_their_currency_only_are_not_chosen_from() -> None:
    data = f"{HEAD}70000001;A;1;35.50;1.60;0.29;;23/11/2026\n".replace("Importe", "Importe S/").replace(
        "Neto", "Importe US$"
    )
    with pytest.raises(InvalidRequest, match=r"Importe \(1×\)"):
        read(data.encode(), formats=NAMED)


@pytest.mark.parametrize(
    "total",
    ["Total al 02/01/2026", "TOTAL (2 operaciones)", "Subtotal 02/01/2026", "Total: 2", "Gran total 2026", "Sub-total día 2"],
)  # fmt: skip
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("dated", ["", "02/01/2026"])
def test_a_total_with_a_count_or_a_day_is_a_total_in_the_place_of_any_number(
    total: str, place: int, dated: str
) -> None:
    """In the middle of a file, where it would double what came, or have the whole file refused."""
    names = ["", "", ""]
    names[place] = total
    rows = ["1;A;1;35.50;1.60;0.29;;02/01/2026", f"{';'.join(names)};71.00;3.20;0.58;;{dated}"]
    rows.append("2;TOTAL-9;;35.50;1.60;0.29;;02/01/2026")
    found = lines(read((HEAD + "\n".join([*rows, ";TOTAL-9;;35.50;1.60;0.29;;"])).encode(), formats=NAMED))
    assert [(one.gross, one.ignored) for one in found] == [
        (Decimal("35.50"), ""),
        (Decimal(0), "total"),
        (Decimal("35.50"), ""),
        (Decimal("35.50"), ""),
    ]


@pytest.mark.parametrize("blanks", ["   ", " ; ;\u00a0", "; ; ; ; ; ; ;\t", "\u3000;;;;;;;"])
def test_a_row_of_blanks_is_no_line(blanks: str) -> None:
    data = f"{HEAD}1;A;1;35.50;1.60;0.29;;02/01/2026\n{blanks}\n2;B;2;35.50;1.60;0.29;;02/01/2026\n{blanks}"
    assert [one.code for one in lines(read(data.encode(), formats=NAMED))] == ["1", "2"]
    book = report(row(), [" ", None, "\u00a0", None, None, None, ""], row(code=70000002))
    assert [one.code for one in lines(read(book, "r.xlsx"))] == ["70000001", "70000002"]


@pytest.mark.parametrize("heading", ["Ped\0ido", "Pedido\0", "Pedido"])
def test_a_file_that_no_database_holds_is_no_text(heading: str) -> None:
    """PostgreSQL refuses NUL in a text, and its preview would be a 500."""
    text = HEAD.replace("Pedido", heading) + "1;A;1;35.50;1.60;0.29;;02/01/2026\n"
    for encoding in ("utf-16", "utf-32") if "\0" in heading else ("utf-32",):
        with pytest.raises(InvalidRequest, match="is no text"):
            read(text.encode(encoding), formats=NAMED)


def test_a_chart_beside_the_rows_of_a_workbook_is_not_looked_at() -> None:
    book = report(row(), change=lambda sheet: sheet.parent.create_chartsheet("Gráfico"))
    assert [one.code for one in lines(read(book, "r.xlsx"))] == ["70000001"]
