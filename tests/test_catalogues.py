"""Every text is there in each of our languages, as the code has it now; ``make messages`` mends what is not."""

import json
import re
import subprocess
import sys

import pytest
from babel.messages.catalog import Message
from django.test import Client
from django.urls import reverse
from django.utils import translation

from pagoefectivo_django.states import Kind, OrderState, VoucherState
from tests import catalogues
from tests.catalogues import forms
from tests.flows.making import make

languages = pytest.mark.parametrize("language", catalogues.LANGUAGES)

#: ``%(name)s``, ``%d``, ``{name}`` and tags: what a text must have in every language.
PLACES = re.compile(r"%\(\w+\)[a-z]|%[a-z%]|\{\w*\}|</?\w+>")
#: Of these files staff sees the texts, all others are the payer's: there it is *tú*.
STAFF = ("admin/", "flows/export.py", "models/", "templates/admin/", "apps.py", "states.py")
#: What would speak to a payer as *usted*: commands, and *su* for what is theirs.
USTED = re.compile(
    r"\b(ustedes|usted|sus|su|abra|pague|elija|escriba|ingrese|vaya|diga|muestre|revise|espere|tenga|guarde|busque"
    r"|haga|copie|envíe|consulte|pida|avise|escanee|indique|vuelva)\b",
    re.IGNORECASE,
)


def said(language: str) -> list[Message]:
    return [message for message in catalogues.written(language) if message.id]


@languages
def test_the_catalogue_is_what_the_code_says(language: str):
    """No string is missing in it, and none is there that no code uses."""
    path = catalogues.home(language).with_suffix(".po")
    assert path.read_bytes() == catalogues.as_po(catalogues.updated(language)), "run: make messages"


@languages
def test_every_string_is_translated(language: str):
    assert [message.id for message in said(language) if not catalogues.is_translated(message)] == []


@languages
def test_the_compiled_catalogue_is_that_of_the_source(language: str):
    path = catalogues.home(language).with_suffix(".mo")
    assert path.read_bytes() == catalogues.as_mo(catalogues.updated(language)), "run: make messages"


@languages
def test_what_is_filled_in_is_the_same_in_every_language(language: str):
    for message in said(language):
        sources, strings = forms(message.id), forms(message.string)
        for string in strings:
            source = sources[0] if string is strings[0] and len(strings) == len(sources) else sources[-1]
            assert sorted(PLACES.findall(string)) == sorted(PLACES.findall(source)), message.id


@languages
def test_blanks_and_lines_around_a_text_stay(language: str):
    for message in said(language):
        texts = [*forms(message.id), *forms(message.string)]
        assert len({(text[:1].isspace(), text[-1:].isspace()) for text in texts}) == 1, texts


def test_spanish_never_says_cancelado():
    """With PagoEfectivo that word means *paid*."""
    assert [text for message in said("es") for text in forms(message.string) if "cancelad" in text.lower()] == []
    with translation.override("es"):
        assert {str(OrderState.CANCELLED.label), str(VoucherState.CANCELLED.label)} == {"anulado"}
        assert "anulado" in str(Kind.PAID_AFTER_CANCEL.label)


def test_spanish_says_tu_to_the_payer():
    payers = [
        text
        for message in said("es")
        if not all(place.startswith(STAFF) for place, _ in message.locations)
        for text in forms(message.string)
    ]
    assert "Paga con este código" in payers
    assert [text for text in payers if USTED.search(text)] == []


def test_spanish_never_says_usted():
    assert [text for message in said("es") for text in forms(message.string) if "usted" in text.lower()] == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("pagoefectivo_memory")
@pytest.mark.parametrize(
    ("language", "title"),
    [("es", "Paga con este código"), ("zh-hans", "用此付款码付款"), ("en", "Pay with this code")],
)
def test_the_payer_reads_the_orders_language(client: Client, language: str, title: str):
    page = client.get(make(language=language).get_absolute_url(), headers={"accept-language": "fr"})
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
