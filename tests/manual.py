"""The manual's pages, as the tests read them: their text, and their tables by name."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives, roles
from docutils.parsers.rst.states import Inliner

from docs.from_code import FromCode

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.rst").read_text(encoding="utf-8")
DOCS = ROOT / "docs"
#: The text of each page, by its path without the ending: ``reference/settings``.
PAGES = {
    path.relative_to(DOCS).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
    for path in sorted(DOCS.rglob("*.rst"))
}
MANUAL = "\n".join(PAGES.values())


class Contents(Directive):
    """Stands for Sphinx's ``toctree``: the pages that a page leads to."""

    has_content = True
    option_spec = {"maxdepth": int, "hidden": directives.flag, "glob": directives.flag}

    def run(self) -> list[nodes.Node]:
        """Return a comment, which shows nothing and keeps the names."""
        return [nodes.comment("", "\n".join(self.content), names=["toctree"])]


class CodeFromFile(Directive):
    """Stands for Sphinx's ``literalinclude``: a class or a function of a file, or the lines between two texts."""

    required_arguments = 1
    option_spec = {"pyobject": str, "start-at": str, "end-before": str, "dedent": int, "language": str}

    def run(self) -> list[nodes.Node]:
        """Return the file's text, in which the options' texts have to occur."""
        # A page names the file from its own folder, and each file is outside of ``docs``.
        text = (ROOT / self.arguments[0].replace("../", "")).read_text(encoding="utf-8")
        *_, name = self.options.get("pyobject", "").split(".")
        wanted = [f" {name}(" if name else "", *(self.options.get(each, "") for each in ("start-at", "end-before"))]
        if missing := [each for each in wanted if each not in text]:
            raise self.error(f"{self.arguments[0]} has no {missing}.")
        return [nodes.literal_block(text, text)]


def page_link(
    _role: str,
    _raw: str,
    text: str,
    _line: int,
    _inliner: Inliner,
    _options: Mapping[str, Any] | None = None,
    _content: Sequence[str] = (),
) -> tuple[list[nodes.reference], list[nodes.reference]]:
    """Stands for Sphinx's role ``doc``: the path of another page."""
    return [nodes.reference("", text, refuri=text)], []


directives.register_directive("toctree", Contents)
directives.register_directive("literalinclude", CodeFromFile)
directives.register_directive("from-code", FromCode)
roles.register_local_role("doc", page_link)


@cache
def document(page: str) -> nodes.document:
    """Return a page as docutils understands it; what docutils would warn of is an error."""
    tree: nodes.document = publish_doctree(PAGES[page], settings_overrides={"report_level": 2, "halt_level": 2})
    return tree


def table(page: str, name: str) -> list[list[str]]:
    """Return the rows of the page's table that has this name, each as the texts of its cells."""
    found = next(each for each in document(page).findall(nodes.table) if name in each["names"])
    return [[cell.astext() for cell in row.findall(nodes.entry)] for row in found.findall(nodes.row)]


def leads_to(page: str) -> list[str]:
    """Return the pages that a page's table of contents lists, by their full path."""
    folder = (DOCS / page).parent
    lines = [
        line
        for contents in document(page).findall(nodes.comment)
        if "toctree" in contents["names"]
        for line in contents.astext().splitlines()
    ]
    beside = sorted(path.stem for path in folder.glob("*.rst") if path != (DOCS / page).with_suffix(".rst"))
    names = [name for line in lines for name in (beside if line == "*" else [line])]
    return [(folder / name).relative_to(DOCS).as_posix() for name in names]
