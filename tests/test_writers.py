"""What ``tests/writers.py`` refuses and what it lets through, with code that pretends to stand in the package."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import models

import pagoefectivo_django
from pagoefectivo_django.models import Cip, Order, Payment, SettlementLine
from pagoefectivo_django.models.database import insert_many
from tests import writers
from tests.concurrency import at_once

pytestmark = [pytest.mark.every_database, pytest.mark.django_db]

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ORDER = {"reference": "1", "amount": Decimal(1), "currency": "PEN", "expires_at": NOW, "created_at": NOW}
CIP = {"order_id": 1, "channel": "default", "account": "a", "transaction_code": "1", "expires_at": NOW}
MONEY = {"amount": Decimal(1), "currency": "PEN", "first_heard_at": NOW, "status": "applied"}


def placed(file: str, action: Callable[[], Any]) -> Any:
    """Run an action as if a file of the package had called it."""
    path = str(Path(pagoefectivo_django.__file__).parent / file)
    return eval(compile("action()", path, "eval"), {"action": action})


def updated(model: type[models.Model], **changes: Any) -> Callable[[], Any]:
    """Return an update of no row: a statement all the same."""
    return lambda: model._base_manager.filter(pk=0).update(**changes)


@pytest.fixture
def refused() -> Iterator[list[str]]:
    """The refusals, which are forgotten at the end: they were wanted."""
    yield writers.refused
    writers.refused.clear()


@pytest.mark.parametrize(
    "write",
    [
        updated(Order, state="paid"),
        updated(Order, paid_at=NOW, concept="x"),
        updated(Order, operation_number="1"),
        updated(Order, cip=None),
        updated(Cip, status="paid"),
        updated(Cip, live=None),
        updated(Payment, status="held"),
        lambda: Payment.objects.bulk_update([Payment(pk=1, status="held")], ["status"]),
        lambda: Payment.objects.filter(pk=0)._raw_delete("default"),
        lambda: Payment(cip_id=1, **MONEY).save(),
        lambda: Payment.objects.bulk_create([Payment(cip_id=1, **MONEY)], ignore_conflicts=True),
        lambda: insert_many(Payment, ["cip", *MONEY], [[1, *MONEY.values()]]),
        lambda: Order(**ORDER).save(),
        lambda: Cip(**CIP).save(),
    ],
)
def test_nobody_else_writes_states(write: Callable[[], Any], refused: list[str]) -> None:
    with pytest.raises(AssertionError, match=r"^flows/orders/x.py:1 must not "):
        placed("flows/orders/x.py", write)
    assert len(refused) == 1


@pytest.mark.parametrize(
    ("file", "write"),
    [
        ("flows/orders/x.py", updated(Order, retry_at=NOW, settled_at=NOW)),
        ("flows/orders/x.py", lambda: Order.objects.filter(pk=0, state="new").update(retry_at=NOW)),
        ("flows/orders/x.py", updated(Cip, poll_at=NOW)),
        ("flows/orders/x.py", updated(Payment, refunded=0)),
        ("flows/orders/x.py", updated(SettlementLine, status="new")),
        ("flows/settlements/x.py", lambda: insert_many(SettlementLine, ["status"], [])),
        ("flows/orders/x.py", lambda: placed("flows/ledger/x.py", updated(Order, state="paid"))),
        ("flows/orders/create.py", lambda: Order(**ORDER).save()),
    ],
)
def test_what_is_free(file: str, write: Callable[[], Any]) -> None:
    placed(file, write)


def test_a_test_writes_what_it_likes() -> None:
    updated(Order, state="paid")()
    Order(**ORDER).save()


@pytest.mark.parametrize(
    ("file", "write"),
    [
        ("flows/orders/create.py", updated(Order, state="paid")),
        ("flows/orders/create.py", lambda: Cip(**CIP).save()),
        ("flows/orders/issue.py", updated(Cip, status="paid")),
        ("flows/orders/issue.py", lambda: Payment(cip_id=1, **MONEY).save()),
    ],
)
def test_who_writes_the_first_row_writes_no_more(file: str, write: Callable[[], Any], refused: list[str]) -> None:
    with pytest.raises(AssertionError, match=file):
        placed(file, write)


def test_the_innermost_of_the_package_is_the_writer(refused: list[str]) -> None:
    with pytest.raises(AssertionError, match=r"^admin/x.py:1 must not UPDATE state of order"):
        placed("flows/ledger/x.py", lambda: placed("admin/x.py", updated(Order, state="paid")))


@pytest.mark.django_db(transaction=True)
def test_every_connection_is_watched(refused: list[str]) -> None:
    said = at_once(*2 * [lambda: placed("flows/orders/x.py", updated(Order, state="paid"))])
    assert [type(one) for one in said] == [AssertionError] * 2
    assert len(refused) == 2
