"""Data in words: each code and key that a flow writes has words, in each language, and the manual lists them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import translation

import pagoefectivo_django
from pagoefectivo_django.actors import POLL
from pagoefectivo_django.errors import InvalidRequest, Refused
from pagoefectivo_django.facts import error_in, money, of_error, utc
from pagoefectivo_django.states import Kind, OrderState, PendingAction
from pagoefectivo_django.wording.data import in_words, value_of
from pagoefectivo_django.wording.evidence import closing_words, evidence_table
from pagoefectivo_django.wording.sentences import ANSWERS, CLOSED, NAMES, SENTENCES
from tests.manual import PAGES

PACKAGE = Path(pagoefectivo_django.__file__).parent
FLOWS = [ast.parse(path.read_text(encoding="utf-8")) for path in (PACKAGE / "flows").rglob("*.py")]


def values(key: str) -> Iterator[str]:
    """Yield the constants that flows give a key of data, in dictionaries and as arguments."""
    for tree in FLOWS:
        for node in ast.walk(tree):
            pairs: list[tuple[object, ast.expr]] = []
            if isinstance(node, ast.Dict):
                pairs = [(name.value, value) for name, value in zip(node.keys, node.values, strict=True)
                         if isinstance(name, ast.Constant)]  # fmt: skip
            elif isinstance(node, ast.Call):
                pairs = [(word.arg, word.value) for word in node.keywords]
                if isinstance(node.func, ast.Attribute) and node.func.attr == "end_action":
                    pairs.append(("about", node.args[0]))
            for name, value in pairs:
                if name == key:
                    yield from (
                        one.value
                        for one in ast.walk(value)
                        if isinstance(one, ast.Constant) and isinstance(one.value, str)
                    )


def test_what_flows_write_has_words() -> None:
    assert set(values("about")) - {"", "about", "expiry:"} <= set(SENTENCES)
    assert set(values("answer")) <= set(ANSWERS)


def test_the_manual_lists_every_key() -> None:
    listed = set(re.findall(r"``(\w+)``", PAGES["reference/events"].partition("Codes\n-----")[0]))
    assert set(NAMES) <= listed


def test_moments_are_told_in_utc_and_amounts_as_text() -> None:
    lima = datetime.fromisoformat("2026-11-30T20:15:00-05:00")
    assert utc(lima) == "2026-12-01T01:15:00+00:00"
    assert money(Decimal("120.5"), "PEN") == {"amount": "120.50", "currency": "PEN"}


def test_an_error_is_kept_as_data_and_shown_in_the_reader_s_language() -> None:
    inner = Refused("No funds.")
    error = InvalidRequest(
        "%(order)s is %(state)s by %(who)s: %(said)s", code="made_up", order="A-1", state=OrderState.PAID, who=POLL,
        said=inner,
    )  # fmt: skip
    kept = json.loads(json.dumps(of_error(error)))
    again = error_in(kept)
    assert again
    assert (again.code, str(again.params["state"])) == ("made_up", "paid")
    for language in ("en", "es", "zh-hans"):
        with translation.override(language):
            assert in_words(kept) == again.sentence == error.sentence
    assert of_error(inner) == {"said": "No funds."}
    assert in_words(of_error(ZeroDivisionError("x"))).startswith("A mistake of a program (ZeroDivisionError)")
    assert error_in({}) is None


@pytest.mark.parametrize(
    ("data", "english", "spanish"),
    [
        ({}, "", ""),
        ({"refund": 7, **money(Decimal("1.00"), "PEN"), "status": "sent"},
         "refund: 7; amount: S/\xa01.00; status: sent", "devolución: 7; monto: S/\xa01.00; estado: enviada"),
        ({"action": "cancel", "about": "another_action", "wanted": PendingAction.EXTEND},
         "Wanted instead: extend. pending action: cancel",
         "En su lugar se pide: ampliar el plazo. acción pendiente: anular"),
        ({"about": "not_paid_here", "state": "pending", "answer": "told", "told": "issued"},
         "Its order is pending here. The provider says: issued.",
         "Aquí su pedido está pendiente de pago. El proveedor dice: emitido."),
        ({"to": ""}, "assigned to: nobody", "asignada a: nadie"),
        ({"discrepancy": Kind.LATE_PAYMENT}, "discrepancy: paid late", "discrepancia: pagado tarde"),
        ({"made_up": "later"}, "made_up: later", "made_up: later"),
    ],
)  # fmt: skip
def test_data_in_words(data: dict[str, object], english: str, spanish: str) -> None:
    with translation.override("en"):
        assert in_words(data) == english
    with translation.override("es"):
        assert in_words(data) == spanish


def test_payments_and_differences_are_money() -> None:
    payments = [{"amount": "1.00", "currency": "PEN", "operation_number": "77"},
                {"amount": "2.00", "currency": "USD", "operation_number": ""}]  # fmt: skip
    assert value_of("payments", {"payments": payments}) == "S/\xa01.00 77, US$\xa02.00"
    assert value_of("difference", {"difference": "-1.50"}, "PEN") == "S/\xa01.50 too little"
    assert value_of("left", {"left": "3.00", "currency": "USD"}) == "US$\xa03.00"


def test_evidence_begins_with_what_decides() -> None:
    evidence = [{"at": "2026-11-30T12:00:00+00:00", "about": "no_such_order", "line": 4, "amount": "1.00"}]
    headings, rows = evidence_table(evidence, "PEN")
    assert headings == ["when", "what", "amount", "line"]
    assert rows[0][1:] == ["We have no order with this code or number.", "S/\xa01.00", "4"]
    assert rows[0][0].startswith("Nov. 30, 2026")


def test_a_closing_is_said_by_who_closed() -> None:
    assert closing_words("paid", "") == "It was paid."
    assert closing_words("order_cancelled", "She asked.") == "The order was cancelled. She asked."
    assert closing_words("told_code_expired", "") == "The provider says: code expired."
    assert closing_words("", "Seen.") == "Seen."


@pytest.mark.parametrize("language", ["es", "zh-hans"])
def test_no_sentence_is_english(language: str) -> None:
    tables = (SENTENCES, ANSWERS, CLOSED, {name: words for name, words in NAMES.items() if words not in ("CIP", "IGV")})
    for table in tables:
        for code, sentence in table.items():
            english = str(sentence)
            with translation.override(language):
                assert str(sentence) != english, code
