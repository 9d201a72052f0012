"""``python -m tools.prose [FOLDER…]``: how much of the docstrings stands for something that is named elsewhere.

Counts, in the first paragraphs of the docstrings of a folder (the package, if none is given), the words that send a
reader looking for their meaning. A guide for whoever writes, not a gate: the best libraries have 1 to 3 per cent.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

VAGUE = {
    "it",
    "its",
    "they",
    "them",
    "those",
    "these",
    "that",
    "what",
    "one",
    "ones",
    "who",
    "whoever",
    "both",
    "neither",
}
VAGUE |= {"both", "neither", "other", "others", "there", "so"}
WORD = re.compile(r"[A-Za-z']+")
#: How many folders' files and docstrings are printed.
SHOWN = 15


class Docstring(NamedTuple):
    """The first paragraph of a docstring, and where it stands."""

    place: str
    text: str

    @property
    def words(self) -> list[str]:
        return [word.lower() for word in WORD.findall(re.sub(r"``.*?``", " code ", self.text, flags=re.DOTALL))]

    @property
    def vague(self) -> int:
        return sum(word in VAGUE for word in self.words)


def docstrings(folder: Path) -> Iterator[Docstring]:
    """Yield the docstrings of all modules, classes and functions below a folder."""
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
                text := ast.get_docstring(node)
            ):
                name = "" if isinstance(node, ast.Module) else f" {node.name}"
                line = 1 if isinstance(node, ast.Module) else node.lineno
                yield Docstring(f"{path}:{line}{name}", text.split("\n\n")[0])


def share(of: list[Docstring]) -> float:
    """Return how many of a hundred words are vague."""
    words = sum(len(each.words) for each in of)
    return 100 * sum(each.vague for each in of) / words if words else 0.0


def main(*folders: str) -> None:
    found = [each for folder in folders or ("pagoefectivo_django",) for each in docstrings(Path(folder))]
    by_file: dict[str, list[Docstring]] = {}
    for each in found:
        by_file.setdefault(each.place.partition(":")[0], []).append(each)
    lines = [f"{share(found):5.1f} %  of {sum(len(each.words) for each in found)} words in {len(found)} docstrings"]
    lines += ["", "Most of them, by file:"]
    heavy = sorted(by_file.items(), key=lambda item: -sum(each.vague for each in item[1]))
    lines += [f"{share(of):5.1f} %  {sum(each.vague for each in of):4}  {path}" for path, of in heavy[:SHOWN]]
    lines += ["", "By word:"]
    words = Counter(word for each in found for word in each.words if word in VAGUE)
    lines += [f"{count:8}  {word}" for word, count in words.most_common()]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
