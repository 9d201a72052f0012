"""``python -m tools.house``: the package's structure in figures, to compare before and after walls are moved.

Of ``flows``: its rooms (a file is a room, and so is a folder of files), the arrows between rooms (which room imports
which), the floors (how deep the longest chain of imports is) and the rooms in a circle. Of the package: lines
by part, functions with more than ten branches or forty lines, files over three hundred lines, imports inside of
functions, and places that share six lines.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path("pagoefectivo_django")
MOST_BRANCHES, LONGEST_FUNCTION, LONGEST_FILE = 10, 40, 300
#: So many lines in a row that stand in two places are a duplicate.
SAME = 6
BRANCHES = (ast.If, ast.IfExp, ast.For, ast.While, ast.ExceptHandler, ast.BoolOp, ast.comprehension, ast.match_case)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def files() -> Iterator[Path]:
    """Yield the files that a person writes: no migrations."""
    yield from (path for path in sorted(PACKAGE.rglob("*.py")) if "migrations" not in path.parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def room(path: Path) -> str:
    """Return the room of ``flows`` that a file is in: the file's own name, or its folder's."""
    return path.relative_to(PACKAGE / "flows").parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Yield the rooms of ``flows`` that a file of ``flows`` imports."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = parts[: len(parts) - node.level] + tuple((node.module or "").split(".") if node.module else ())
            for name in (base,) if len(base) > 1 else ((*base, each.name) for each in node.names):
                if name[0] == "flows" and len(name) > 1:
                    yield name[1]


def arrows() -> dict[str, set[str]]:
    """Return for each room of ``flows`` the rooms that it imports."""
    found: dict[str, set[str]] = {}
    for path in sorted((PACKAGE / "flows").rglob("*.py")):
        if (here := room(path)) != "__init__":
            found.setdefault(here, set()).update(set(imported(path)) - {here})
    return {here: {there for there in to if there in found} for here, to in found.items()}


def floors(of: dict[str, set[str]]) -> tuple[list[list[str]], list[str]]:
    """Return the rooms floor by floor from the ground, and those that stand in a circle or above one."""
    left, built = dict(of), list[list[str]]()
    while free := sorted(here for here, to in left.items() if not to & left.keys()):
        built.append(free)
        for here in free:
            del left[here]
    return built, sorted(left)


def functions() -> Iterator[tuple[str, Function]]:
    for path in files():
        for node in ast.walk(tree(path)):
            if isinstance(node, Function):
                yield f"{path}:{node.lineno} {node.name}", node


def branches(function: Function) -> int:
    """Return how many ways a function may take, without those of the functions inside of it."""
    count, todo = 0, list(ast.iter_child_nodes(function))
    while todo:
        node = todo.pop()
        if isinstance(node, Function | ast.ClassDef):
            continue
        count += len(node.values) - 1 if isinstance(node, ast.BoolOp) else isinstance(node, BRANCHES)
        todo += ast.iter_child_nodes(node)
    return count


def imports_inside(function: Function) -> bool:
    return any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(function))


def duplicates() -> list[str]:
    """Return the pairs of places that share lines, but for blank ones, imports and closing brackets."""
    seen: dict[tuple[str, ...], str] = {}
    found: list[str] = []
    for path in files():
        lines = [(number, line.strip()) for number, line in enumerate(path.read_text().splitlines(), 1)]
        told = [(number, line) for number, line in lines if len(line) > 3 and "import " not in line]
        last = 0
        for place in range(len(told) - SAME + 1):
            key = tuple(line for _, line in told[place : place + SAME])
            where = f"{path}:{told[place][0]}"
            if key in seen and place >= last:
                found.append(f"{seen[key]} and {where}")
                last = place + SAME
            seen.setdefault(key, where)
    return found


def report() -> Iterator[str]:
    rooms = arrows()
    built, circle = floors(rooms)
    count = sum(map(len, rooms.values()))
    yield f"flows: {len(rooms)} rooms, {len(built)} floors, {count} arrows, {len(circle)} in or above a circle"
    yield from (f"  floor {number}: {' '.join(floor)}" for number, floor in enumerate(built))
    if circle:
        yield f"  circle: {' '.join(circle)}"
    sizes = {path: len(path.read_text().splitlines()) for path in files()}
    parts = Counter[str]()
    for path, size in sizes.items():
        parts[path.relative_to(PACKAGE).parts[0]] += size
    yield f"lines: {sum(sizes.values())}"
    yield from (f"  {size:6}  {part}" for part, size in parts.most_common())
    for title, found in (
        (
            f"files over {LONGEST_FILE} lines",
            [f"{size:4} {path}" for path, size in sizes.items() if size > LONGEST_FILE],
        ),
        (
            f"functions with more than {MOST_BRANCHES} branches",
            [f"{many:4} {name}" for name, each in functions() if (many := branches(each)) > MOST_BRANCHES],
        ),
        (
            f"functions over {LONGEST_FUNCTION} lines",
            [
                f"{size:4} {name}"
                for name, each in functions()
                if (size := (each.end_lineno or 0) - each.lineno + 1) > LONGEST_FUNCTION
            ],
        ),
        ("functions that import", [name for name, each in functions() if imports_inside(each)]),
        (f"pairs of places with {SAME} equal lines", duplicates()),
    ):
        yield f"{title}: {len(found)}"
        yield from (f"  {each}" for each in sorted(found, reverse=True))


if __name__ == "__main__":
    sys.stdout.write("\n".join(report()) + "\n")
