"""Every text is there in each of our languages, as the code has it now; ``make messages`` mends what is not.

Catalogues are compared by what they say: how Babel breaks lines, which hints it adds and how it lays out the compiled
file changes with its version.
"""

import gettext
import io
import json
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from django.test import Client
from django.urls import reverse
from django.utils import translation

from pagoefectivo_django.states import Kind, OrderState, VoucherState
from tests import catalogues
from tests.catalogues import HOMES, Home, forms
from tests.factories.orders import make

homes = pytest.mark.parametrize("home", HOMES, ids=["-".join(home) for home in HOMES])
SPANISH = [home for home in HOMES if home.language == "es"]
#: Which of a language's forms a number takes, said once more than in the catalogues' headers.
FORM: dict[str, Callable[[int], int]] = {"es": lambda number: 0 if number == 1 else 1, "zh_Hans": lambda number: 0}
#: Above a million some grammars of Spanish, Babel's and Django's among them, want a form of its own.
NUMBERS = [0, 1, 2, 5, 21, 1_000_000, 2_000_000]

#: ``%(name)s``, ``%d``, ``{name}`` and tags: what a text must have in every language.
PLACES = re.compile(r"%\(\w+\)[a-z]|%[a-z%]|\{\w*\}|</?\w+>")
#: Of these files staff sees the texts, all others are the payer's: there it is *tú*.
STAFF = (
    "admin/",
    "flows/reports/",
    "mail/staff.py",
    "models/",
    "templates/admin/",
    "actors.py",
    "apps.py",
    "signals.py",
    "states.py",
    "wording/",
)
#: What would speak to a payer as *usted*: commands, and *su* for what is theirs.
USTED = re.compile(
    r"\b(ustedes|usted|sus|su|abra|pague|elija|escriba|ingrese|vaya|diga|muestre|revise|espere|tenga|guarde|busque"
    r"|haga|copie|envíe|consulte|pida|avise|escanee|indique|vuelva)\b",
    re.IGNORECASE,
)


def said(home: Home) -> list[Message]:
    return [message for message in catalogues.written(home) if message.id]


def content(catalogue: Catalog) -> dict[Any, Any]:
    """What translators and readers would notice of a catalogue: its messages and where they are used."""
    return {
        (message.context, message.id): (
            message.string,
            message.fuzzy,
            message.user_comments,
            {name for name, _ in message.locations},
        )
        for message in catalogue
        if message.id
    }


@homes
def test_the_catalogue_is_what_the_code_says(home: Home):
    """No string is missing in it, and none is there that no code uses."""
    assert content(catalogues.written(home)) == content(catalogues.updated(home)), "run: make messages"


@homes
def test_the_plural_forms_are_ours(home: Home):
    catalogue = catalogues.written(home)
    assert (catalogue.num_plurals, catalogue.plural_expr) == catalogues.PLURALS[home.language], "run: make messages"
    for message in said(home):
        assert not message.pluralizable or len(forms(message.string)) == catalogue.num_plurals, message.id


@homes
def test_every_string_is_translated(home: Home):
    assert [message.id for message in said(home) if not catalogues.is_translated(message)] == []


@homes
def test_the_compiled_catalogue_says_what_its_source_says(home: Home):
    data = home.path.with_suffix(".mo").read_bytes()
    compiled = gettext.GNUTranslations(io.BytesIO(data))
    # The third word of such a file is how many messages it has; the header is one of them.
    assert struct.unpack_from("=I", data, 8) == (1 + len(said(home)),), "run: make messages"
    for message in said(home):
        context, (one, *several), strings = message.context, forms(message.id), forms(message.string)
        if not several:
            read = compiled.pgettext(context, one) if context else compiled.gettext(one)
            assert read == strings[0], "run: make messages"
        for number, many in product(NUMBERS, several):
            read = compiled.npgettext(context, one, many, number) if context else compiled.ngettext(one, many, number)
            assert read == strings[FORM[home.language](number)], f"{number}; run: make messages"


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("es", ["0 pedidos", "1 pedido", "2 pedidos", "1000000 pedidos"]),
        ("zh-hans", ["0 个订单", "1 个订单", "2 个订单", "1000000 个订单"]),
        ("en", ["0 orders", "1 order", "2 orders", "1000000 orders"]),
    ],
)
def test_django_takes_our_plural_forms_and_not_its_own(language: str, texts: list[str]):
    """Django's own Spanish has a third form, for millions, which our catalogue has not."""
    with translation.override(language):
        read = [translation.ngettext("%(count)d order", "%(count)d orders", count) for count in (0, 1, 2, 1_000_000)]
    assert [text % {"count": count} for text, count in zip(read, (0, 1, 2, 1_000_000), strict=True)] == texts


@homes
def test_what_is_filled_in_is_the_same_in_every_language(home: Home):
    for message in said(home):
        sources, strings = forms(message.id), forms(message.string)
        for string in strings:
            source = sources[0] if string is strings[0] and len(strings) == len(sources) else sources[-1]
            assert sorted(PLACES.findall(string)) == sorted(PLACES.findall(source)), message.id


@homes
def test_blanks_and_lines_around_a_text_stay(home: Home):
    for message in said(home):
        texts = [*forms(message.id), *forms(message.string)]
        assert len({(text[:1].isspace(), text[-1:].isspace()) for text in texts}) == 1, texts


def in_spanish() -> list[str]:
    return [text for home in SPANISH for message in said(home) for text in forms(message.string)]


def test_spanish_never_says_cancelado():
    """With PagoEfectivo that word means *paid*."""
    assert [text for text in in_spanish() if "cancelad" in text.lower()] == []
    with translation.override("es"):
        assert {str(OrderState.CANCELLED.label), str(VoucherState.CANCELLED.label)} == {"anulado"}
        assert "anulado" in str(Kind.PAID_AFTER_CANCEL.label)


def test_spanish_says_tu_to_the_payer():
    payers = [
        text
        for home in SPANISH
        for message in said(home)
        if not all(place.startswith(STAFF) for place, _ in message.locations)
        for text in forms(message.string)
    ]
    assert "Paga con este código" in payers
    assert [text for text in payers if USTED.search(text)] == []


def test_spanish_never_says_usted():
    assert [text for text in in_spanish() if "usted" in text.lower()] == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("pagoefectivo_memory")
@pytest.mark.parametrize(
    ("language", "title"),
    [("es", "Paga con este código"), ("zh-hans", "用此付款码付款"), ("en", "Pay with this code")],
)
def test_the_payer_reads_the_orders_language(client: Client, language: str, title: str):
    page = client.get(make(language=language).voucher_url, headers={"accept-language": "fr"})
    assert title in page.content.decode()


@pytest.mark.parametrize(
    ("language", "title"), [("es", "pedidos"), ("es-PE", "pedidos"), ("zh-hans", "订单"), ("en", "orders")]
)
def test_staff_reads_the_browsers_language(admin_client: Client, language: str, title: str):
    page = admin_client.get(reverse("admin:app_list", args=["pagoefectivo"]), headers={"accept-language": language})
    assert f">{title.capitalize()}</a>" in page.content.decode()


def test_english_stays_english_where_the_shop_speaks_spanish():
    """English has no catalogue: Django must not take the shop's own language for it."""
    program = """
import django, json
from django.conf import settings
settings.configure(LANGUAGE_CODE="es", INSTALLED_APPS=["pagoefectivo_django"], USE_TZ=True)
django.setup()
from django.utils.translation import gettext, override
heard = {}
for language in ("es", "es-pe", "en", "en-us", "zh-hans"):
    with override(language):
        heard[language] = gettext("Pay with this code")
print(json.dumps(heard))
"""
    run = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, cwd=catalogues.ROOT)
    spanish, english, chinese = "Paga con este código", "Pay with this code", "用此付款码付款"
    assert json.loads(run.stdout) == {
        "es": spanish,
        "es-pe": spanish,
        "en": english,
        "en-us": english,
        "zh-hans": chinese,
    }
