"""A database of the first migration, with rows, reaches the last one and keeps what it holds."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from pagoefectivo_django.flows.outbox.budget import TimeBudget
from pagoefectivo_django.flows.outbox.feed import entries_after, number_events
from pagoefectivo_django.flows.settlements.reading import problem_of

pytestmark = [pytest.mark.every_database, pytest.mark.django_db(transaction=True)]

FIRST = [("pagoefectivo", "0001_initial")]
MOMENT = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def first() -> Iterator[MigrationExecutor]:
    """The tables as the first migration made them; the newest are back when the test has ended."""
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()  # of the apps too that stand on ours
    MigrationExecutor(connection).migrate(FIRST)
    yield MigrationExecutor(connection)
    MigrationExecutor(connection).migrate(newest)


def test_renamed_columns_keep_their_values(first: MigrationExecutor) -> None:
    old = first.loader.project_state(FIRST).apps
    order = old.get_model("pagoefectivo", "Order").objects.create(
        reference="SHOP-1001", amount="120.50", currency="PEN", email="ana@example.com", expires_at=MOMENT,
        created_at=MOMENT, state="pending", wish="cancel", wish_actor="rosa", wished_at=MOMENT, next_attempt_at=MOMENT,
    )  # fmt: skip
    old.get_model("pagoefectivo", "Order").objects.create(
        reference="SHOP-1002",
        amount="1.00",
        currency="PEN",
        email="ana@example.com",
        expires_at=MOMENT,
        created_at=MOMENT,
    )
    cip = old.get_model("pagoefectivo", "Cip").objects.create(
        order=order, channel="default", account="memory:default", transaction_code="SHOP-1001-a", code="70000001",
        status="current", expires_at=MOMENT, changed_at=MOMENT,
    )  # fmt: skip
    payment = old.get_model("pagoefectivo", "Payment").objects.create(
        cip=cip, operation_number="4711", amount="120.50", currency="PEN", first_heard_at=MOMENT, standing="held"
    )
    for _each in range(2):
        old.get_model("pagoefectivo", "Refund").objects.create(
            payment=payment, order=order, amount="20.50", currency="PEN", reason="sold out", requested_at=MOMENT
        )
    old.get_model("pagoefectivo", "Notification").objects.create(
        channel="default", account="memory:default", digest="a" * 64, body=b"{}", received_at=MOMENT,
        last_received_at=MOMENT, fate="dead", proved_by="abcd", signature="made-up",
    )  # fmt: skip

    newest = first.loader.graph.leaf_nodes("pagoefectivo")
    first.loader.build_graph()
    first.migrate(newest)

    new = first.loader.project_state(newest).apps
    orders = new.get_model("pagoefectivo", "Order").objects
    assert len({order.public_id for order in orders.all()} - {None}) == 2
    kept = orders.get(reference="SHOP-1001")
    assert (kept.pending_action, kept.action_requested_by, kept.action_requested_at) == ("cancel", "rosa", MOMENT)
    assert kept.retry_at == MOMENT
    paid = new.get_model("pagoefectivo", "Payment").objects.get()
    assert (paid.status, paid.account, paid.provider_id) == ("held", "memory:default", None)
    refunds = new.get_model("pagoefectivo", "Refund").objects.values_list("account", "provider_id")
    assert list(refunds) == [("memory:default", None)] * 2
    message = new.get_model("pagoefectivo", "Notification").objects.get()
    assert (message.status, message.verified_by) == ("dead", "abcd")
    assert (message.identity, message.headers) == ("a" * 64, {"PE-Signature": "made-up"})


def test_the_events_of_the_past_are_in_the_feed_oldest_first(first: MigrationExecutor) -> None:
    events = first.loader.project_state(FIRST).apps.get_model("pagoefectivo", "OrderEvent")
    kinds = ["discrepancy_opened", "noted", "payment_confirmed"]
    for minutes, kind in enumerate(kinds):
        events.objects.create(kind=kind, actor="rosa", created_at=MOMENT - timedelta(minutes=minutes))

    first.loader.build_graph()
    first.migrate(first.loader.graph.leaf_nodes("pagoefectivo"))

    assert number_events(TimeBudget()) == 2
    assert [entry.event.kind for entry in entries_after(None)] == ["payment_confirmed", "discrepancy_opened"]


def test_a_bad_line_kept_by_the_first_migration_is_shown() -> None:
    assert problem_of({"line": 3, "column": "Monto", "problem": "is no amount."}) == "is no amount."
