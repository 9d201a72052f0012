"""Kind 5, two sources of one truth: one place says of a request whose process died that its answer is lost."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import pagoefectivo_django
from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import Cip
from tests.clock import later
from tests.factories.orders import make

FLOWS = Path(pagoefectivo_django.__file__).parent / "flows"


def test_one_place_says_it() -> None:
    """``_settle_requests`` of the issuing and ``_settle_unknown`` of the polling did the same."""
    places = [
        f"{path.relative_to(FLOWS)}:{node.lineno}"
        for path in FLOWS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "Report"
        and "Fact.LOST" in map(ast.unparse, (*node.args, *(named.value for named in node.keywords)))
    ]
    assert len(places) == 1, places


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("pagoefectivo_memory")
def test_it_is_said_once() -> None:
    order = make()
    Cip.objects.update(code=None, status="requested", live=True, asked_at=later(minutes=-30), poll_at=later(minutes=-1))
    for minutes in (0, 5, 10):
        tick(later(minutes=minutes))
    assert order.events.filter(fact="lost").count() == 1
    assert Cip.objects.order_by("pk")[0].status == "lost"
