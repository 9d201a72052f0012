"""The lock: what ``requirements/*.txt`` pin.

``python -m tools.lock`` (``make newest``) says which packages are here in another version than the locked one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "requirements"
#: What the suite runs with; the sets of the other targets are bound by it.
TESTED = (FOLDER / "test.txt", FOLDER / "mariadb.txt")


class Pin(NamedTuple):
    """One package of a set: its exact version, the Pythons and systems that it is for, and its files' SHA-256."""

    name: str
    version: str
    requirement: Requirement
    hashes: tuple[str, ...]
    #: Who wants it: names of packages, and of files in brackets or after ``-r``.
    wanted_by: tuple[str, ...]

    def is_for(self, python: str | None = None) -> bool:
        """Whether this system installs it, with this Python or with another: ``3.12``."""
        environment = {"python_version": python, "python_full_version": f"{python}.99"} if python else {}
        return self.requirement.marker is None or self.requirement.marker.evaluate(environment)


def read(path: Path) -> list[Pin]:
    """Return the pins of one set; raises ``ValueError`` for a line that is neither pin, hash nor comment."""
    return list(_pins(path.read_text(encoding="utf-8")))


def locked(paths: Iterable[Path], python: str | None = None) -> dict[str, str]:
    """Return the version of each package that the sets install here, with this Python or with another."""
    return {pin.name: pin.version for path in paths for pin in read(path) if pin.is_for(python)}


def _pins(text: str) -> Iterator[Pin]:
    # A pin is a line that begins at its left end, with the indented lines below it.
    for entry in re.split(r"\n(?=\S)", text.strip()):
        first, *others = (line.strip().removesuffix("\\").strip() for line in entry.splitlines())
        if first.startswith("#"):
            continue
        requirement = Requirement(first)
        (exactly,) = requirement.specifier
        hashes, comments = [], []
        for line in others:
            if line.startswith("--hash=sha256:"):
                hashes.append(line.removeprefix("--hash=sha256:"))
            elif line.startswith("#"):
                comments.append(line.removeprefix("#").strip().removeprefix("via").strip())
            else:
                raise ValueError(f"neither a hash nor a comment: {line}")
        if exactly.operator != "==" or not hashes:
            raise ValueError(f"not locked: {first}")
        name = canonicalize_name(requirement.name)
        yield Pin(name, exactly.version, requirement, tuple(hashes), tuple(filter(None, comments)))


def main() -> None:
    """Print each package whose version here is not the locked one."""
    for name, version in locked([FOLDER / "test.txt"]).items():
        try:
            here = metadata.version(name)
        except metadata.PackageNotFoundError:
            here = "not installed"
        if here != version:
            print(f"{name}: {version} is locked, {here} here")


if __name__ == "__main__":
    main()
