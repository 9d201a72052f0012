"""Kind 15: each shape that was refused whole, or read as something else, alone in a file that is plain otherwise."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from pagoefectivo_django.statements import Fault
from pagoefectivo_django.workdays import LIMA
from tests.factories.files import HEADINGS, NAMED, NUMBERED, lines, read, report, row

HEAD = ";".join(HEADINGS) + "\n"
NEXT = "70000002;SHOP-2;002;20.00;1.60;0.29;18.11;23/11/2026\n"
REFUNDS: dict[str, Any] = {"bank": NAMED["bank"] | {"REFUNDS": True}}
MIDNIGHT = datetime(2026, 11, 23, tzinfo=LIMA)


def one(**changes: str) -> str:
    """The first line, of which some cells are written in another way."""
    said = {
        "code": "70000001", "order": "SHOP-1", "number": "001", "gross": "1235.50", "fee": "1.60", "tax": "0.29",
        "net": "1233.61", "paid": "23/11/2026",
    }  # fmt: skip
    return ";".join((said | changes).values()) + "\n"


#: The whole file, and the formats that know it.
FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "a trailing separator": ((one() + NEXT).replace("\n", ";\n"), NUMBERED),
    "a heading above numbered columns": (HEAD + one() + NEXT, NUMBERED),
    "a heading on each page": (HEAD + one() + HEAD + NEXT, NAMED),
    "a heading on each page of numbered columns": (HEAD + one() + HEAD + NEXT, NUMBERED),
    "23.11.2026": (HEAD + one(paid="23.11.2026") + NEXT, NAMED),
    "2026/11/23": (HEAD + one(paid="2026/11/23") + NEXT, NAMED),
    "20261123": (HEAD + one(paid="20261123") + NEXT, NAMED),
    "23-nov-2026": (HEAD + one(paid="23-nov-2026") + NEXT, NAMED),
    "1 235.50": (HEAD + one(gross="1 235.50", net="1 233.61") + NEXT, NAMED),
    "U+202F": (HEAD + one(gross="1\u202f235.50", net="1\u202f233.61") + NEXT, NAMED),
    "'70000001": (HEAD + one(code="'70000001") + NEXT, NAMED),
    '="70000001"': (HEAD + one(code='="70000001"') + NEXT, NAMED),
    "TOTAL REGISTROS: 25": (f"{HEAD}{one()}{NEXT}TOTAL REGISTROS: 25\n", NAMED),
    "TOTAL REGISTROS: 25 of numbered columns": (f"{one()}{NEXT}TOTAL REGISTROS: 25\n", NUMBERED),
    "TOTAL REGISTROS: 25 among separators": (f"{HEAD}{one()}{NEXT}TOTAL REGISTROS: 25;;;;;;;\n", NAMED),
    "TOTAL REGISTROS: 25 in cells": (f"{HEAD}{one()}{NEXT}TOTAL REGISTROS:;25;;;;;;\n", NAMED),
    "TOTAL REGISTROS: 25 further right": (f"{HEAD}{one()}{NEXT};;TOTAL REGISTROS: 25;;;;;\n", NAMED),
    "*** Fin del reporte ***": (f"{HEAD}{one()}{NEXT}*** Fin del reporte ***\n", NAMED),
    "a net that is off by one cent": (HEAD + one(net="1233.60") + NEXT, NAMED),
}


def payments(data: str, formats: dict[str, Any]) -> list[tuple[Any, ...]]:
    found = [one for one in lines(read(data.encode(), formats=formats, format="bank")) if not one.ignored]
    return [(one.code, one.transaction_code, one.operation_number, one.gross, one.paid_at) for one in found]


@pytest.mark.parametrize(("data", "formats"), FILES.values(), ids=FILES)
def test_its_payments_are_those_of_the_plain_file(data: str, formats: dict[str, Any]) -> None:
    assert payments(data, formats) == [
        ("70000001", "SHOP-1", "001", Decimal("1235.50"), MIDNIGHT),
        ("70000002", "SHOP-2", "002", Decimal("20.00"), MIDNIGHT),
    ]


@pytest.mark.parametrize(
    ("said", "moment"),
    [
        ("1/2/26", datetime(2026, 2, 1, tzinfo=LIMA)),
        ("23/11/2026 03:15:00 p. m.", datetime(2026, 11, 23, 15, 15, tzinfo=LIMA)),
        ("23/11/2026 03:15:00 p.\u00a0m.", datetime(2026, 11, 23, 15, 15, tzinfo=LIMA)),
    ],
)
def test_its_moment_is_what_was_meant(said: str, moment: datetime) -> None:
    assert [payment[-1] for payment in payments(HEAD + one(paid=said) + NEXT, NAMED)] == [moment, MIDNIGHT]


def test_a_net_that_is_off_by_one_cent_stays_as_it_is_and_by_two_is_told() -> None:
    (first, _) = lines(read((HEAD + one(net="1233.60") + NEXT).encode(), formats=NAMED, format="bank"))
    assert first.net == Decimal("1233.60")
    found = list(read((HEAD + one(net="1233.59") + NEXT).encode(), formats=NAMED, format="bank").lines())
    assert isinstance(found[0], Fault)


def test_a_minus_of_typographers_is_one() -> None:
    """U+2212, which a word processor makes of a hyphen."""
    data = HEAD + one(gross="\u221235.50", fee="0.00", tax="0.00", net="\u221235.50") + NEXT
    assert [payment[3] for payment in payments(data, REFUNDS)] == [Decimal("-35.50"), Decimal("20.00")]


def test_an_adjustment_without_a_code_is_read_and_refuses_no_file() -> None:
    data = (
        HEAD + one() + one(code="Ajuste", order="", number="", gross="5.00", fee="0.00", tax="0.00", net="5.00") + NEXT
    )
    assert [payment[3] for payment in payments(data, NAMED)] == [Decimal("1235.50"), Decimal("5.00"), Decimal("20.00")]


@pytest.mark.parametrize("status", ["Cancelada.", "Liquidada", "Pago confirmado"])
def test_a_paid_line_is_never_ignored_for_its_status(status: str) -> None:
    """With an amount and a date it is a payment, or a person is asked."""
    (only,) = lines(read(report(row(status=status)), "r.xlsx"))
    assert (only.code, only.gross, only.ignored) == ("70000001", Decimal("1.50"), "")
