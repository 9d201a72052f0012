"""The house shows its architecture: who may import whom, and who may write what."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "pagoefectivo_django"

#: From the ground to the doors: each part, and what it may import besides itself.
GROUND = {"codes", "conf", "errors", "fees", "measures", "money", "payer", "signals", "states"}
GROUND |= {"strict_json", "traces", "workdays"}
MAY_IMPORT: dict[str, set[str]] = {
    # Ground: words everybody uses.
    "codes": set(),
    "errors": set(),
    "money": {"errors"},
    "fees": {"conf", "errors", "money"},
    "workdays": set(),
    "traces": set(),
    "measures": set(),
    "payer": {"errors"},
    "strict_json": {"errors"},
    "states": set(),
    "conf": {"errors"},
    "signals": {"errors"},
    # Two shores, which do not know each other.
    "channels": GROUND,
    "models": GROUND,
    # A third shore: what carries short texts to people; the way out is the channels'.
    "carriers": GROUND | {"channels"},
    # Paper.
    "documents": GROUND,
    "mail": GROUND | {"documents"},
    "statements": GROUND,
    # The bridge.
    "flows": GROUND | {"channels", "carriers", "documents", "mail", "models", "statements"},
    # Doors: they call flows and show what models remember.
    "views": GROUND | {"documents", "flows", "models", "forms"},
    "admin": GROUND | {"documents", "flows", "forms", "models", "statements"},
    "management": GROUND | {"channels", "doctor", "flows", "models"},
    # Looks at everything that a shop needs, so it knows both shores.
    "doctor": GROUND | {"channels", "carriers", "flows", "models"},
    "forms": GROUND | {"models", "statements"},
    # The admin's first page, without the admin: every project loads the tag that shows it.
    "dashboard": GROUND | {"documents", "flows", "models"},
    "templatetags": GROUND | {"dashboard", "documents", "flows", "models"},
    "contrib": {"flows", "measures"},
    # Frame and beside.
    "urls": {"views"},
    "apps": {"checks", "flows", "traces"},
    "checks": GROUND | {"channels", "carriers", "documents", "models", "statements"},
    "testing": GROUND | {"channels", "models", "flows"},
    "migrations": {"models"},
    "sandbox": set(),
    "__init__": set(),
}
#: What Django loads at start must not load these.
HEAVY = {"requests", "rest_framework"}
MAY_BE_HEAVY = {"channels"}
#: Packages that a shop may not have, and the only part that knows each.
OPTIONAL = {
    "celery": "contrib/celery/tasks.py",
    "kombu": "contrib/celery/tasks.py",
    "django_tasks": "contrib/tasks/tasks.py",
    "prometheus_client": "contrib/prometheus/metrics.py",
}


def modules() -> Iterator[tuple[str, str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = path.relative_to(PACKAGE)
        yield inside.parts[0].removesuffix(".py"), str(inside), ast.parse(path.read_text())


def imported(inside: str, tree: ast.AST) -> Iterator[str]:
    """Full dotted names of what a module imports."""
    folders = ["pagoefectivo_django", *Path(inside).parts[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = folders[: len(folders) - node.level + 1] if node.level else []
            name = ".".join([*base, *filter(None, [node.module])])
            yield from (f"{name}.{alias.name}" for alias in node.names)


def test_every_part_is_in_the_table() -> None:
    assert {part for part, _, _ in modules()} <= set(MAY_IMPORT)


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_imports_point_one_way(part: str) -> None:
    allowed = MAY_IMPORT[part] | {part}
    for owner, inside, tree in modules():
        if owner != part:
            continue
        for name in imported(inside, tree):
            pieces = name.split(".")
            if pieces[0] == "pagoefectivo_django" and len(pieces) > 1:
                assert pieces[1] in allowed, f"{inside} imports {name}, which {part} must not know"


def test_nothing_heavy_at_start() -> None:
    for owner, inside, tree in modules():
        if owner not in MAY_BE_HEAVY:
            assert not {name.split(".")[0] for name in imported(inside, tree)} & HEAVY, inside


def test_an_optional_package_is_known_in_one_place() -> None:
    for _, inside, tree in modules():
        for name in imported(inside, tree):
            assert OPTIONAL.get(name.split(".")[0], inside) == inside, f"{inside} imports {name}"


def test_no_import_inside_a_function() -> None:
    for _, inside, tree in modules():
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and Path(inside).name != "apps.py":
                for node in ast.walk(function):
                    assert not isinstance(node, ast.Import | ast.ImportFrom), f"{inside}: {function.name}"


def test_advance_is_the_only_writer_of_states() -> None:
    """``flows/book.py`` is its pen; nobody else assigns an order's state, a code's status or a payment's standing."""
    written = {"state", "status", "live", "standing", "paid_at", "operation_number", "cip"}
    for owner, inside, tree in modules():
        if owner in ("sandbox", "channels") or inside.startswith(("flows/advance/", "flows/book.py")):
            continue
        for node in ast.walk(tree):
            targets = node.targets if isinstance(node, ast.Assign) else []
            for target in targets:
                flat = target.elts if isinstance(target, ast.Tuple) else [target]
                for one in flat:
                    assert not (isinstance(one, ast.Attribute) and one.attr in written), f"{inside}: {ast.unparse(one)}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "update":
                names = {keyword.arg for keyword in node.keywords}
                assert not names & (written - {"status"}), f"{inside}:{node.lineno}"


def test_only_advance_moves_books() -> None:
    """Who opens a book may read it and tell of it; moving an order or a code is advance's."""
    for _, inside, tree in modules():
        if inside.startswith(("flows/advance/", "flows/book.py")):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("move_order", "move_cip", "drop_others"), f"{inside}:{node.lineno}"


def test_no_function_grows_out_of_its_screen() -> None:
    for owner, inside, tree in modules():
        if owner == "migrations":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 50, f"{inside}:{node.name}"
