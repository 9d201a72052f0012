"""Errors are data: a code, parameters, and a sentence in the language of whoever reads it."""

from __future__ import annotations

import ast
import importlib
import os
import pickle
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from pagoefectivo_django import errors
from pagoefectivo_django.channels import failures
from pagoefectivo_django.errors import InvalidRequest, PagoEfectivoError, ReferenceConflict, Refused
from pagoefectivo_django.flows import refund_order
from pagoefectivo_django.flows.orders.cancel import cancel_order
from pagoefectivo_django.flows.orders.delete import StillPayable
from pagoefectivo_django.flows.orders.extend import extend_order
from pagoefectivo_django.flows.orders.mark_paid import mark_paid
from pagoefectivo_django.flows.possible import refusing
from pagoefectivo_django.flows.possible.refusing import ErrorTemplate, refuse_change
from pagoefectivo_django.flows.refunds.refund import approve_refund, close_refund, send_refund
from pagoefectivo_django.models import Payment
from pagoefectivo_django.statements import values
from pagoefectivo_django.states import OrderState
from pagoefectivo_django.testing import pay
from tests.clock import later
from tests.factories.files import read
from tests.factories.orders import make

PACKAGE = Path(errors.__file__).parent
#: What only developers read: errors at the import of a project, of its tests, of a server's settings and of a library
#: that a shop speaks with in English.
DEVELOPERS = ("signals.py", "sandbox", "testing", "views/sources.py", "contrib/django_payments", "management")
#: Where pairs of a code and a sentence stand in tables.
TABLES = ("flows", "statements", "admin")
LANGUAGES = ("es", "zh-hans")
CODE = re.compile(r"[a-z]+(_[a-z]+)+")
PLACE = re.compile(r"%\(\w+\)[sd]")
#: Names of programs, providers, files and arguments, which have no translation. Beside them every word in capitals is
#: the name of a setting, of an option or of a format.
NAMES = frozenset(
    re.findall(
        r"\w+",
        """
    Idempotency Key PagoEfectivo Checkout com Mercado Pago Pagadito Sinch dLocal Oscar Django order id refund
    actor reason resolution payer Payer expires at datetime language metadata replace True create False
    adopt code account amount Decimal received on dated currency token alias decimal format
    yyyy mm dd xls xlsx bytes MiB GiB Excel openpyxl install pip pagoefectivo django rsa https shop example hooks hold
    accept gzip
    """,
    )
)


def _classes(root: type[PagoEfectivoError] = PagoEfectivoError) -> Iterator[type[PagoEfectivoError]]:
    yield root
    for each in root.__subclasses__():
        yield from _classes(each)


#: What makes an error, by name.
MAKERS = {each.__name__ for each in _classes()} | {"refused"}


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = path.relative_to(PACKAGE).as_posix()
        if not inside.startswith(DEVELOPERS):
            yield inside, ast.parse(path.read_text(encoding="utf-8"))


def _msgid(node: ast.expr, inside: str) -> str | None:
    """Return the text of ``_("…")``, also by the name of a constant; None for anything else."""
    if isinstance(node, ast.Name):
        module = importlib.import_module("pagoefectivo_django." + inside.removesuffix(".py").replace("/", "."))
        return getattr(module, node.id, None)
    marked = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "gettext_noop")
    text = node.args[0] if marked and isinstance(node, ast.Call) else None
    return str(text.value) if isinstance(text, ast.Constant) else None


def _calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield each place that makes an error, and what it calls."""
    for inside, tree in _modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
                yield f"{inside}:{node.lineno}", node


def _code(call: ast.Call) -> ast.expr | None:
    return next((word.value for word in call.keywords if word.arg == "code"), None)


def _sentences() -> set[tuple[str, str]]:
    """Return each code and its sentence: of the calls that say both, and of the tables from which others take them."""
    found = set()
    for where, call in _calls():
        code = _code(call)
        if isinstance(code, ast.Constant):
            message = _msgid(call.args[-1], where.partition(":")[0])
            assert message, f"{where}: the sentence is not marked for translation"
            found.add((str(code.value), message))
    for inside, tree in _modules():
        for node in ast.walk(tree):
            match node:
                case ast.Tuple(elts=[ast.Constant(value=str(name)), ast.Call() as marked]) if CODE.fullmatch(
                    name
                ) and inside.startswith(TABLES):
                    if message := _msgid(marked, inside):
                        found.add((name, message))
    for table in vars(refusing).values():
        refusals = table.values() if isinstance(table, dict) else [table]
        found |= {(each.code, each.message) for each in refusals if isinstance(each, ErrorTemplate)}
    return found


SENTENCES = sorted(_sentences())


def _meanings() -> set[str]:
    """Return the texts of channels, the meanings of providers' error codes among them, which are parts of sentences."""
    found = set()
    for inside, tree in _modules():
        for node in ast.walk(tree) if inside.startswith("channels/") else ():
            match node:
                case ast.Call(func=ast.Name(id="Row"), args=[ast.Constant(value=str(text)), *_]):
                    assert not text, f"{inside}:{node.lineno}: the meaning is not marked for translation"
                case ast.Call(func=ast.Name(id="_"), args=[ast.Constant(value=str(text))]):
                    found.add(text)
    return found


MEANINGS = sorted(_meanings())


def test_no_error_is_without_a_code() -> None:
    without = [where.partition(":")[0] for where, call in _calls() if _code(call) is None]
    # Facts read back what a provider, or a shop's own channel, said in words of its own.
    assert without == ["facts.py"]
    assert len(SENTENCES) > 200


def test_a_code_has_one_sentence_and_a_sentence_one_code() -> None:
    by_code, by_sentence = defaultdict(set), defaultdict(set)
    for code, sentence in SENTENCES:
        assert CODE.fullmatch(code), code
        by_code[code].add(sentence)
        by_sentence[sentence].add(code)
    assert not {code: found for code, found in by_code.items() if len(found) > 1}
    assert not {sentence: found for sentence, found in by_sentence.items() if len(found) > 1}


def test_a_sentence_names_what_it_is_given() -> None:
    for where, call in _calls():
        words = {word.arg for word in call.keywords}
        if isinstance(_code(call), ast.Constant) and None not in words:
            message = _msgid(call.args[-1], where.partition(":")[0]) or ""
            given = words - {"code", "final", "nobody", "watched", "key", "codes", "place", "whole"}
            assert {place[2:-2] for place in PLACE.findall(message)} - {"file"} == given - {"file"}, where


def foreign(text: str, message: str) -> set[str]:
    """Return the words of an English sentence that stand in its translation."""
    words = set(re.findall(r"[A-Za-zÀ-ÿ]{2,}", PLACE.sub(" ", text)))
    words &= set(re.findall(r"[A-Za-zÀ-ÿ]{2,}", PLACE.sub(" ", message)))
    return {word for word in words - NAMES if not word.isupper()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_translation_has_a_word_of_english(language: str) -> None:
    # Words of both languages.
    both = (
        {"control", "cursor", "error", "internet", "no", "portal", "proxy", "soles", "total", "visible", "web"}
        if language == "es"
        else set()
    )
    with translation.override(language):
        messages = {message for _, message in SENTENCES} | set(MEANINGS)
        texts = {message: translation.gettext(message) for message in messages}
    assert not [each for each in messages if texts[each] == each and re.search(r"[A-Za-z]", PLACE.sub("", each))]
    assert not {texts[each]: found for each in messages if (found := foreign(texts[each], each) - both)}


def everything(error: PagoEfectivoError) -> dict[str, Any]:
    return {"type": type(error), "text": str(error), "args": error.args, **vars(error)}


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest("In plain words, 100 % of them."),
        InvalidRequest("%(order)s is %(state)s.", code="made_up", order="SHOP-1", state=OrderState.PAID),
        Refused("The provider's own words.", codes=("E1", "E2")),
        ReferenceConflict("It stands already: %(amount)s.", key=7, code="taken", amount=Decimal("1.50")),
        StillPayable("It may be paid.", nobody=True, final=False, code="may_be_paid"),
    ],
)
def test_an_error_survives_a_queue(error: PagoEfectivoError) -> None:
    again = pickle.loads(pickle.dumps(error))  # our own bytes
    assert everything(again) == everything(error)
    assert again.sentence == error.sentence
    # A queue that keeps the arguments alone, as JSON, keeps the sentence.
    assert str(type(error)(*error.args)) == str(error)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.django_db(transaction=True)
def test_str_is_english_and_the_sentence_the_reader_s(language: str) -> None:
    error = refuse_change("extend", "cancelled", make(reference="SHOP-1"))
    english = "Order SHOP-1 is pending; it is too late or too early to extend it."
    assert error.code == "order_in_another_state"
    assert (error.params["order"], error.params["state"]) == ("SHOP-1", OrderState.PENDING)
    with translation.override("en"):
        assert error.sentence.startswith("Order SHOP-1 is pending; ")
    with translation.override(language):
        assert str(error) == english
        assert "SHOP-1" in error.sentence
        assert not {"pending", "extend", "Order"} & set(re.findall(r"\w+", error.sentence))
    again = pickle.loads(pickle.dumps(error))  # our own bytes
    with translation.override(language):
        assert again.sentence == error.sentence


def test_a_provider_s_own_words_are_not_translated() -> None:
    """ "not found" is a meaning of ours too; the provider's word may say something else."""
    own = failures.answered(Refused, "Quipu", 400, [failures.Complaint("9", "not found")])
    ours = failures.answered(Refused, "Quipu", 400, [failures.Complaint("9", failures.meaning("not found"))])
    with translation.override("es"):
        assert (own.sentence, ours.sentence) == (
            *("Quipu respondió 400: 9 (not found).", "Quipu respondió 400: 9 (no se encuentra)."),
        )


def _no_statement() -> None:
    list(read(b"Fecha,Concepto\n23/11/2026,x\n", "bank.csv").lines())


def _refused() -> Iterator[PagoEfectivoError]:
    """Yield what flows refuse, on real rows."""
    order, paid = make(reference="R-1"), pay(make(reference="R-2"))
    refund = refund_order(paid, Decimal("1.00"), actor="rosa", reason="Z9")
    for flow in (
        lambda: refund_order(paid, Decimal("99.00"), actor="rosa", reason="Z9"),
        lambda: refund_order(order, actor="rosa", reason="Z9"),
        lambda: send_refund(refund, actor="rosa"),
        lambda: close_refund(refund, done=True, actor="", reason=""),
        lambda: approve_refund(refund, actor=""),
        lambda: cancel_order(paid),
        lambda: extend_order(paid, later(days=2)),
        lambda: extend_order(order, later(days=900)),
        lambda: mark_paid(paid, "77", "rosa", "Z9"),
        lambda: mark_paid(order, "", "rosa", "Z9"),
        lambda: make(reference="R-1", amount=Decimal("7.00")),
        lambda: make(amount=Decimal("7.001")),
        lambda: values.code("ana@example.com"),
        _no_statement,
    ):
        with pytest.raises(PagoEfectivoError) as caught:
            flow()
        yield caught.value


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.django_db(transaction=True)
def test_what_a_flow_refuses_has_no_word_of_english(language: str) -> None:
    for error in _refused():
        with translation.override(language):
            text = error.sentence
        assert error.code, error
        assert not foreign(text, str(error)) - NAMES - SHOWN, text


#: Values that the refused rows above have, and the names of shipped formats and their columns.
SHOWN = frozenset(
    re.findall(
        r"\w+",
        """
    SHOP PEN no es bank csv cip report settlement text shop CIP Nro Ord Comercio Monto Estado Fec Cancelación
    Código Importe Comisión IGV Pagado
    """,
    )
)


@pytest.mark.django_db(transaction=True)
def test_staff_reads_the_sentence_in_their_language(admin_client: Client) -> None:
    order = pay(make(reference="SHOP-5"))
    about = {
        "action": "cancel", "_selected_action": str(order.pk), "confirmed": "yes", "reason": "asked",
    }  # fmt: skip
    address = "/admin/pagoefectivo/order/"
    page = admin_client.post(address, about, follow=True, headers={"accept-language": "es"}).content.decode()
    assert "no se cambió nada" in page.lower() or "ya no se puede cambiar" in page
    payment = Payment.objects.get()
    address = f"/admin/pagoefectivo/order/{order.pk}/refund/"
    asked = {"payment": payment.pk, "amount": "99.00", "reason": "asked"}
    page = admin_client.post(address, asked, headers={"accept-language": "es"}).content.decode()
    assert "es demasiado" in page
    assert "is too much" not in page


def test_errors_are_told_by_a_sentence_at_every_door() -> None:
    """No door shows ``str(error)``, which is English, to somebody who reads another language."""
    doors = [*(PACKAGE / "admin").rglob("*.py"), *(PACKAGE / "management").rglob("*.py"), PACKAGE / "forms.py"]
    for path in doors:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"str\(error\)|\{error\}", text), path.name


def test_what_settings_may_import_needs_no_settings() -> None:
    """Django's own mark for translation asks the settings when a module is imported."""
    code = "import pagoefectivo_django.conf, pagoefectivo_django.money, pagoefectivo_django.payer"
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=PACKAGE.parent, check=True, timeout=60)
