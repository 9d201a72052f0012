"""Kind 9: any two flows that share tables, at the same rows at the same time: nobody is given up by the database.

Every pair in ``make storm``, some of them in the suite.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

import pytest

from pagoefectivo_django import flows
from pagoefectivo_django.errors import PagoEfectivoError
from tests.flows.pairs import STEPS, Scene, meet, problems, quiet, tables_of

pytestmark = [
    pytest.mark.once,
    pytest.mark.postgresql,
    pytest.mark.usefixtures("pagoefectivo_memory", "no_deadlock", "first_round"),
    pytest.mark.django_db(transaction=True),
]

#: Those that have been seen to deadlock, or nearly, and one of each kind of row.
SOME = [
    ("tick", "resolve_discrepancy: a line"),
    ("tick", "webhook: paid again"),
    ("tick: found paid", "webhook: paid"),
    ("cancel_order", "webhook: paid"),
    ("create_order", "tick: found paid"),
    ("import_settlement", "webhook: paid"),
    ("match_line", "import_settlement"),
    ("approve_refund", "webhook: taken back"),
    ("erase", "resolve_discrepancy"),
]
#: So many tables have to be shared; of one that is there is nothing to take in two orders.
SHARED = 2


@pytest.fixture
def scene() -> Scene:
    return Scene()


def tried(one: str, other: str, scene: Scene) -> None:
    results = meet(one, other, scene)
    errors = [error for error in results if isinstance(error, Exception) and not isinstance(error, PagoEfectivoError)]
    assert errors == [], (one, other)
    quiet()
    assert list(problems()) == [], (one, other, results)


@pytest.mark.parametrize(("one", "other"), SOME)
def test_some_pairs_at_once(one: str, other: str, scene: Scene) -> None:
    tried(one, other, scene)


@pytest.mark.storm
@pytest.mark.parametrize("one", STEPS)
def test_every_pair_that_shares_tables_at_once(one: str, scene: Scene) -> None:
    tables = {name: tables_of(name, scene) for name in STEPS}
    pairs = [(a, b) for a, b in combinations_with_replacement(STEPS, 2) if a == one]
    shared = [(a, b) for a, b in pairs if len(tables[a] & tables[b]) >= SHARED]
    for pair in shared:
        tried(*pair, scene)


def test_every_flow_is_in_a_pair(scene: Scene) -> None:
    names = {name.partition(":")[0] for name in STEPS}
    assert {*flows.__all__} - {"actions_of"} <= names
    locked: dict[str, Any] = {name: tables_of(name, scene) for name in STEPS}
    assert {name for name, tables in locked.items() if not tables} <= {"publish_events"}, locked
    assert list(problems()) == []
