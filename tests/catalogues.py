"""The translations: ``python -m tests.catalogues`` (``make messages``) brings them up to date and compiles them.

It finds every string of the package, keeps what is translated, drops what no text uses any more, and says what is left
to translate. It needs Python only, not GNU gettext; the same code gives the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pagoefectivo_django"
#: The folders under ``locale/``. English is the source.
LANGUAGES = ("es", "zh_Hans")

KEYWORDS = {
    **DEFAULT_KEYWORDS,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}


class Catalogue(Catalog):
    """A catalogue whose header says only what programs need: no dates and no versions, which change with each run."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        return [
            ("Language", str(self.locale)),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
            ("Plural-Forms", self.plural_forms),
        ]


def sources() -> Iterator[tuple[str, str]]:
    """Each file that may have strings, and its text as Python."""
    for path in sorted(PACKAGE.rglob("*")):
        name = path.relative_to(PACKAGE).as_posix()
        if path.suffix == ".py":
            yield name, path.read_text(encoding="utf-8")
        elif name.startswith("templates/") and path.suffix in {".html", ".txt", ".svg"}:
            template = templatize(path.read_text(encoding="utf-8"), origin=name)
            # A template's indentation is none of Python's.
            yield name, "\n".join(line.lstrip() for line in template.splitlines())


def found() -> Catalogue:
    """Every string of the package, untranslated."""
    catalogue = Catalogue()
    for name, text in sources():
        for line, message, comments, context in extract("python", io.BytesIO(text.encode()), KEYWORDS):
            catalogue.add(message, locations=[(name, line)], auto_comments=comments, context=context)
    return catalogue


def home(language: str) -> Path:
    """Where a language's catalogue lies, without its suffix."""
    return PACKAGE / "locale" / language / "LC_MESSAGES" / "django"


def written(language: str) -> Catalog:
    """The catalogue as it lies there."""
    path = home(language).with_suffix(".po")
    return read_po(io.BytesIO(path.read_bytes() if path.exists() else b""), locale=language)


def updated(language: str) -> Catalogue:
    """Every string of the package, with the translation that it has."""
    old = written(language)
    new = Catalogue(locale=language, fuzzy=False, header_comment="# Brought up to date by `make messages`.")
    for message in list(found())[1:]:
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
    for language in LANGUAGES:
        catalogue = updated(language)
        path = home(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".po").write_bytes(as_po(catalogue))
        path.with_suffix(".mo").write_bytes(as_mo(catalogue))
        missing = [message.id for message in catalogue if message.id and not is_translated(message)]
        print(f"{language}: {len(catalogue)} strings, {len(missing)} not translated", *missing, sep="\n    ")  # noqa: T201


if __name__ == "__main__":
    main()
