"""The translations: ``python -m tests.catalogues`` (``make messages``) brings them up to date and compiles them.

It finds every string of the app and of the example shop, keeps what is translated, drops what no text uses any more,
and says what is left to translate. It needs Python only, not GNU gettext.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).parent.parent


class Plurals(NamedTuple):
    """How many forms a language has, and the C expression that says which of them a number ``n`` takes."""

    number: int
    expression: str


#: The folders under ``locale/``; English is the source. The forms stand here, since Babel's change with its version:
#: 2.19 gives Spanish a third one, for millions. Django reads each catalogue by the forms of that catalogue's header.
PLURALS = {"es": Plurals(2, "(n != 1)"), "zh_Hans": Plurals(1, "0")}


class Home(NamedTuple):
    """A package that has translations, and one of its languages."""

    package: str
    language: str

    @property
    def path(self) -> Path:
        """Where the catalogue lies, without its suffix."""
        return ROOT / self.package / "locale" / self.language / "LC_MESSAGES" / "django"


HOMES = [Home(package, language) for package in ("pagoefectivo_django", "example_project/shop") for language in PLURALS]

KEYWORDS = {
    **DEFAULT_KEYWORDS,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}


class Catalogue(Catalog):
    """A catalogue of one of our languages, whose header says only what programs need: no dates and no versions."""

    @property
    def num_plurals(self) -> int:
        return PLURALS[str(self.locale)].number

    @property
    def plural_expr(self) -> str:
        return PLURALS[str(self.locale)].expression

    def __iter__(self) -> Iterator[Message]:
        header, *messages = super().__iter__()
        header.string = "\n".join(
            [
                f"Language: {self.locale}",
                "MIME-Version: 1.0",
                "Content-Type: text/plain; charset=utf-8",
                "Content-Transfer-Encoding: 8bit",
                f"Plural-Forms: {self.plural_forms}",
            ]
        )
        return iter([header, *messages])


def sources(package: str) -> Iterator[tuple[str, str]]:
    """Each file of a package that may have strings, and its text as Python."""
    root = ROOT / package
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.suffix == ".py":
            yield name, path.read_text(encoding="utf-8")
        elif "templates" in path.relative_to(root).parts[:-1] and path.suffix in {".html", ".txt", ".svg"}:
            template = templatize(path.read_text(encoding="utf-8"), origin=name)
            # A template's indentation is none of Python's.
            yield name, "\n".join(line.lstrip() for line in template.splitlines())


def found(package: str) -> Catalog:
    """Every string of a package, untranslated."""
    catalogue = Catalog()
    for name, text in sources(package):
        for line, message, comments, context in extract("python", io.BytesIO(text.encode()), KEYWORDS):
            catalogue.add(message, locations=[(name, line)], auto_comments=comments, context=context)
    return catalogue


def written(home: Home) -> Catalog:
    """The catalogue as it lies there."""
    path = home.path.with_suffix(".po")
    return read_po(io.BytesIO(path.read_bytes() if path.exists() else b""), locale=home.language)


def updated(home: Home) -> Catalogue:
    """Every string of the package, with the translation that it has."""
    old = written(home)
    new = Catalogue(locale=home.language, fuzzy=False, header_comment="# Brought up to date by `make messages`.")
    for message in list(found(home.package))[1:]:
        known = old.get(message.id, message.context)
        new.add(
            message.id,
            known.string if known else "",
            locations=message.locations,
            flags=message.flags | ({"fuzzy"} if known and known.fuzzy else set()),
            user_comments=known.user_comments if known else (),
            context=message.context,
        )
    return new


def as_po(catalogue: Catalog) -> bytes:
    """What translators write."""
    out = io.BytesIO()
    write_po(out, catalogue, width=120, sort_output=True, include_lineno=False)
    return out.getvalue()


def as_mo(catalogue: Catalog) -> bytes:
    """What Django reads."""
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def forms(text: str | tuple[str, ...] | list[str] | None) -> list[str]:
    """Return a text in each of its numbers."""
    return [text] if isinstance(text, str) else list(text or ())


def is_translated(message: Message) -> bool:
    """Whether it is said in the other language, in each of its numbers."""
    strings = forms(message.string)
    return bool(strings) and all(strings) and not message.fuzzy


def main() -> None:
    for home in HOMES:
        catalogue = updated(home)
        home.path.parent.mkdir(parents=True, exist_ok=True)
        home.path.with_suffix(".po").write_bytes(as_po(catalogue))
        home.path.with_suffix(".mo").write_bytes(as_mo(catalogue))
        missing = [message.id for message in catalogue if message.id and not is_translated(message)]
        name = f"{home.package} {home.language}"
        print(f"{name}: {len(catalogue)} strings, {len(missing)} not translated", *missing, sep="\n    ")  # noqa: T201


if __name__ == "__main__":
    main()
