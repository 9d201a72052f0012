"""The house shows its architecture: who may import whom, and who may write what."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "pagoefectivo_django"

#: From the ground to the doors: each part, and what it may import besides itself.
GROUND = {"actors", "codes", "conf", "errors", "facts", "fees", "hooks", "measures", "money", "payer", "signals"}
GROUND |= {"states", "strict_json", "texts", "traces", "transitions", "workdays"}
MAY_IMPORT: dict[str, set[str]] = {
    # Ground: words everybody uses.
    "codes": {"texts"},
    "actors": set(),
    "errors": {"actors"},
    "facts": {"actors", "errors", "states", "texts"},
    "money": {"errors"},
    "fees": {"conf", "errors", "money"},
    "workdays": set(),
    "traces": set(),
    "measures": set(),
    "payer": {"errors", "texts"},
    "strict_json": {"errors"},
    "texts": set(),
    "states": set(),
    "transitions": {"states"},
    "conf": {"errors"},
    "signals": {"errors"},
    # Names functions of ``contrib`` by their paths.
    "hooks": {"signals"},
    # Two shores, which do not know each other.
    "channels": GROUND,
    "models": GROUND,
    # A third shore: what carries short texts to people; the way out is the channels'.
    "carriers": GROUND | {"channels"},
    # Paper.
    "documents": GROUND | {"wording"},
    "wording": GROUND,
    "mail": GROUND | {"documents"},
    "statements": GROUND,
    # The bridge.
    "flows": GROUND | {"channels", "carriers", "documents", "mail", "models", "statements", "wording"},
    # Doors: they call flows and show what models remember.
    "views": GROUND | {"documents", "flows", "models", "forms"},
    "admin": GROUND | {"documents", "flows", "models", "statements", "wording"},
    # ``pagoefectivo_simulate`` plays by the helpers of tests, with DEBUG only.
    "management": GROUND | {"channels", "doctor", "flows", "models", "testing", "wording"},
    # Looks at everything that a shop needs, so it knows both shores.
    "doctor": GROUND | {"channels", "carriers", "flows", "models"},
    # Adds Django REST framework, which no other part knows.
    "api": GROUND | {"__version__", "documents", "flows", "models", "wording"},
    "forms": GROUND,
    # The admin's first page, without the admin: every project loads the tag that shows it.
    "dashboard": GROUND | {"documents", "flows", "models", "wording"},
    "templatetags": GROUND | {"dashboard", "documents", "flows", "models"},
    "contrib": {"flows", "measures", "models"},
    "contrib/django_payments": GROUND | {"contrib", "documents", "flows", "models"},
    "contrib/oscar": GROUND | {"contrib", "documents", "flows", "forms", "models"},
    # Has pages and routes of its own, and speaks of orders as the API does.
    "contrib/webhooks": GROUND | {"admin", "api", "contrib", "documents", "flows", "mail", "models", "wording"},
    # Frame and beside.
    "urls": {"views"},
    "apps": {"checks", "flows", "receivers", "traces"},
    # What they connect is named by its path, and imported when it runs.
    "receivers": GROUND,
    "checks": GROUND | {"channels", "carriers", "documents", "models", "statements"},
    "testing": GROUND | {"channels", "models", "flows"},
    "migrations": {"models"},
    "sandbox": set(),
    "__init__": set(),
}
#: The subjects of the bridge, from the ground up: each folder of ``flows``, and which others it may import.
FLOWS: dict[str, set[str]] = {
    "outbox": set(),
    "keys": set(),
    "provider": {"outbox"},
    "possible": {"provider"},
    "ledger": {"outbox", "possible", "provider"},
    "orders": {"ledger", "outbox", "possible", "provider"},
    "inbox": {"ledger", "outbox", "provider"},
    "discrepancies": {"ledger", "possible"},
    "refunds": {"ledger", "orders", "possible", "provider"},
    "settlements": {"ledger", "outbox", "provider"},
    "privacy": {"ledger", "outbox"},
    "reports": {"provider"},
    "messages": {"ledger", "outbox", "possible", "provider", "reports"},
}
FLOWS["worker"] = set(FLOWS)
#: Packages that are heavy or that a shop may not have, and the only file or folder that knows each.
KNOWN_IN: dict[str, str | tuple[str, ...]] = {
    "babel": "documents/moments.py",
    "celery": "contrib/celery/tasks.py",
    "cryptography": ("channels/rsa.py", "sandbox/dialects/pagadito.py"),
    "drf_spectacular": "api/schema.py",
    "django_tasks": "contrib/tasks/tasks.py",
    "health_check": "contrib/health/checks.py",
    "holidays": "workdays.py",
    "kombu": "contrib/celery/tasks.py",
    "oscar": "contrib/oscar/",
    "phonenumbers": "payer.py",
    "payments": "contrib/django_payments/",
    "PIL": "documents/pdf.py",
    "prometheus_client": "contrib/prometheus/metrics.py",
    "pytest": "testing/pytest.py",
    "reportlab": "documents/",
    "requests": "channels/http.py",
    "rest_framework": ("api/", "contrib/webhooks/views.py"),
    "segno": "documents/qr.py",
    "standardwebhooks": "contrib/webhooks/signing.py",
    "stdnum": "payer.py",
}
#: The functions that import what the modules around them, which Django loads at start, must not.
LOADERS = {
    "admin/orders.py: _evidence_pdf": {"pagoefectivo_django.documents.evidence_pdf.evidence_pdf"},
    "channels/rsa.py: _library": {
        *("cryptography.exceptions.InvalidSignature", "cryptography.exceptions.UnsupportedAlgorithm"),
        *("cryptography.hazmat.primitives.asymmetric.padding", "cryptography.hazmat.primitives.hashes"),
        *("cryptography.hazmat.primitives.serialization", "cryptography.x509"),
    },
    "sandbox/dialects/pagadito.py: _made_up_signer": {
        *("cryptography.hazmat.primitives.asymmetric.padding", "cryptography.hazmat.primitives.asymmetric.rsa"),
        *("cryptography.hazmat.primitives.hashes", "cryptography.hazmat.primitives.serialization"),
        "cryptography.x509",
    },
    "payer.py: _phone": {"phonenumbers"},
    "payer.py: has_phones": {"phonenumbers"},
    "payer.py: mobile_country": {"phonenumbers"},
    "payer.py: _stdnum": {"stdnum.exceptions", "stdnum.luhn", "stdnum.pe.cui", "stdnum.pe.ruc"},
    "workdays.py: _holidays": {"holidays.country_holidays"},
}
#: A process of a shop with all that Django can load of us at start, and with the flows, which a shop's receivers need.
START = """
import json, sys
import django
from django.conf import settings

ours = sys.argv[1:]
apps = ["admin", "auth", "contenttypes", "messages", "sessions", "staticfiles"]
settings.configure(
    INSTALLED_APPS=[*(f"django.contrib.{name}" for name in apps), *ours],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    USE_TZ=True,
)
django.setup()
if ours:
    import pagoefectivo_django.conf, pagoefectivo_django.flows, pagoefectivo_django.forms
json.dump(sorted({name.split(".")[0] for name in sys.modules} - sys.stdlib_module_names), sys.stdout)
"""


@cache
def modules() -> list[tuple[str, str, ast.Module]]:
    insides = [(path, path.relative_to(PACKAGE)) for path in sorted(PACKAGE.rglob("*.py"))]
    return [(_part(inside), str(inside), ast.parse(path.read_text())) for path, inside in insides]


def _part(inside: Path) -> str:
    """The longest beginning of a path that the table names."""
    named = [str(folder) for folder in inside.parents if str(folder) in MAY_IMPORT]
    return named[0] if named else inside.parts[0].removesuffix(".py")


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


@pytest.mark.once
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


@pytest.mark.once
@pytest.mark.parametrize("subject", sorted(FLOWS))
def test_the_bridge_has_a_folder_a_subject_and_no_circle(subject: str) -> None:
    folders = {path.parent.name for path in (PACKAGE / "flows").glob("*/__init__.py")}
    assert folders == set(FLOWS)
    order = list(FLOWS)
    assert all(order.index(other) < order.index(subject) for other in FLOWS[subject])
    for _, inside, tree in modules():
        if not inside.startswith(f"flows/{subject}/"):
            continue
        for name in imported(inside, tree):
            pieces = name.split(".")
            if pieces[:2] == ["pagoefectivo_django", "flows"]:
                assert pieces[2] in FLOWS[subject] | {subject}, f"{inside} imports {name}, which it must not know"


def started(*apps: str) -> set[str]:
    """The packages that a process of a shop has loaded at its start, without Python's own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "TEST_"))}
    environment["PYTHONPATH"] = str(PACKAGE.parent)
    command = [sys.executable, "-W", "error", "-c", START, *apps]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout
    return set(json.loads(told))


def test_a_start_loads_no_package_but_django_and_us() -> None:
    assert started("pagoefectivo_django") - started() == {"pagoefectivo_django"}


def test_outgoing_webhooks_load_their_small_library_alone() -> None:
    apps = "pagoefectivo_django", "pagoefectivo_django.contrib.webhooks"
    assert started(*apps) - started() == {"pagoefectivo_django", "standardwebhooks"}


def test_a_heavy_or_optional_package_is_known_in_one_place() -> None:
    for _, inside, tree in modules():
        for name in imported(inside, tree):
            place = KNOWN_IN.get(name.split(".")[0], inside)
            assert inside.startswith(place), f"{inside} imports {name}"


def test_no_import_inside_a_function_but_a_loader() -> None:
    found: dict[str, set[str]] = {}
    for _, inside, tree in modules():
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and Path(inside).name != "apps.py":
                found[f"{inside}: {function.name}"] = set(imported(inside, function))
    assert {place: names for place, names in found.items() if names} == LOADERS


def test_a_locked_order_is_moved_by_the_ledger_alone() -> None:
    """A flow may lock an order, read it and write notes; what it set there, the ledger would write for it.

    ``tests/writers.py`` sees every other way to a state: each statement, as it runs.
    """
    written = {"state", "status", "live", "paid_at", "operation_number", "cip", "cip_id"}
    for _, inside, tree in modules():
        if inside.startswith("flows/ledger/"):
            continue
        locks = any(".flows.ledger.locked." in name for name in imported(inside, tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                place = f"{inside}:{node.lineno}: {ast.unparse(node)}"
                assert node.attr not in ("move_order", "move_cip", "drop_others"), place
                assert not (locks and isinstance(node.ctx, ast.Store) and node.attr in written), place


def test_no_function_grows_out_of_its_screen() -> None:
    for owner, inside, tree in modules():
        if owner == "migrations":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 50, f"{inside}:{node.name}"
