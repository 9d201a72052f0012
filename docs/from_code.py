"""The directive ``.. from-code:: NAME``, by which a page prints what the package says, such as ``commands``."""

from __future__ import annotations

import re
from argparse import Action
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import django
from django.apps import apps
from django.conf import settings
from django.core.management import load_command_class
from django.core.management.base import DjangoHelpFormatter
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

from pagoefectivo_django.channels.base import abilities_of
from pagoefectivo_django.channels.built_in import built_in
from pagoefectivo_django.conf import table
from pagoefectivo_django.states import CipStatus, Fact, OrderState
from pagoefectivo_django.transitions import CODE_TABLE, ORDER_TABLE
from pagoefectivo_django.wording.abilities import HEADINGS, in_words
from pagoefectivo_django.wording.sentences import ANSWERS, CLOSED, SENTENCES

#: Characters of a default that a table's column has room for; only ``MESSAGES``, which is every message, is longer.
LONGEST_DEFAULT = 40
#: The place of a value in a sentence.
PLACE = re.compile(r"%\((\w+)\)s")
COMMANDS = Path(__file__).resolve().parent.parent / "pagoefectivo_django/management/commands"


def set_up_django() -> None:
    """Load the app with settings that hold nothing else, for a program that has no settings of its own."""
    settings.configure(
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "pagoefectivo_django"], USE_TZ=True
    )
    django.setup()


def commands() -> Iterator[str]:
    """Yield a definition list: each command with what it does, and below it each argument of its own."""
    for name in sorted(path.stem for path in COMMANDS.glob("[a-z]*.py")):
        command = load_command_class("pagoefectivo_django", name)
        yield f"``{name}``"
        yield f"   {command.help}"
        yield ""
        for action in command.create_parser("manage.py", name)._actions:
            # Those that each command of Django has are no news.
            if not DjangoHelpFormatter.show_last & {*action.option_strings} and "-h" not in action.option_strings:
                yield f"   * ``{_usage(action)}``: {action.help}"
        yield ""


def _usage(action: Action) -> str:
    """Return an argument as it is typed: ``--channel CHANNEL``, ``--json``, ``FILE``."""
    value = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
    return " ".join(filter(None, [*action.option_strings[:1], value]))


def permissions() -> Iterator[str]:
    """Yield a list: each permission that a model of ours has besides Django's four."""
    for model in apps.get_app_config("pagoefectivo").get_models():
        for codename, title in model._meta.permissions:
            yield f"* ``pagoefectivo.{codename}`` (``{model.__name__}``): {title}"


def settings_table() -> Iterator[str]:
    """Yield a table named *settings*: each key of ``PAGOEFECTIVO``, its default, and its description."""
    yield from (".. list-table::", "   :name: settings", "")
    for name, default, description in table():
        yield f"   * - ``{name}``"
        yield f"     - ``{default}``" if len(default) <= LONGEST_DEFAULT else "     - all of them"
        yield f"     - {description}"


def transitions() -> Iterator[str]:
    """Yield a table named *transitions*: what a fact does to an order, by the order's state."""
    yield from _facts("transitions", [*OrderState], ORDER_TABLE, [*Fact])


def code_transitions() -> Iterator[str]:
    """Yield a table named *code-transitions*: what a fact does to a code, by the code's status."""
    yield from _facts("code-transitions", [*CipStatus], CODE_TABLE, [*CODE_TABLE[CipStatus.CURRENT]])


def _facts(
    name: str, columns: Sequence[str], rules: Mapping[Any, Mapping[Fact, object]], facts: Sequence[Fact]
) -> Iterator[str]:
    yield from (".. csv-table::", f"   :name: {name}", "   :header-rows: 1", "")
    yield "   " + ", ".join(f'"{cell}"' for cell in ("fact", *columns))
    for fact in facts:
        cells = (fact.replace("_", " "), *(str(rules[column][fact]) for column in columns))
        yield "   " + ", ".join(f'"{cell}"' for cell in cells)


def channels() -> Iterator[str]:
    """Yield a table named *channels*: the built-in channels by their abilities."""
    found = {each: in_words(abilities_of(each)) for each in built_in()}
    yield from (".. list-table::", "   :name: channels", "   :header-rows: 1", "   :stub-columns: 1", "")
    yield "   * - ability"
    yield from (f"     - ``{each.__module__.split('.')[2]}``" for each in found)
    for name, heading in HEADINGS.items():
        yield f"   * - {heading}"
        yield from (f"     - {words[name]}" for words in found.values())


def sentences(table: Mapping[str, object]) -> Iterator[str]:
    """Yield a table: each code of data with its sentence in English."""
    yield from (".. list-table::", "")
    for code, sentence in table.items():
        yield f"   * - ``{code}``"
        yield f"     - {PLACE.sub(lambda place: f'``{place[1]}``', str(sentence))}"


class FromCode(Directive):
    """Puts the lines of one of the functions above in its place."""

    required_arguments = 1
    SOURCES: ClassVar[dict[str, Callable[[], Iterator[str]]]] = {
        "channels": channels,
        "commands": commands,
        "permissions": permissions,
        "settings": settings_table,
        "transitions": transitions,
        "code-transitions": code_transitions,
        "about": partial(sentences, SENTENCES),
        "answer": partial(sentences, ANSWERS),
        "closed_because": partial(sentences, CLOSED),
    }

    def run(self) -> list[nodes.Node]:
        """Return what the function's lines mean; an argument that names none is an error of the page."""
        (name,) = self.arguments
        if name not in self.SOURCES:
            raise self.error(f"from-code knows {', '.join(self.SOURCES)}, not {name}.")
        found = nodes.Element()
        self.state.nested_parse(StringList([*self.SOURCES[name]()], f"from-code {name}"), 0, found)
        return list(found.children)
