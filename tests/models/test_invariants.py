"""What must never be is refused by the database itself, whoever writes."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, OperationalError, connection, models, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from pagoefectivo_django.flows import cancel_order
from pagoefectivo_django.models import (
    ApiCall,
    Cip,
    Delivery,
    Deposit,
    Discrepancy,
    FailingReceiver,
    Heartbeat,
    Match,
    Notification,
    Order,
    OrderEvent,
    Payment,
    Refund,
    Refusal,
    Settlement,
    SettlementLine,
    StaffAlert,
    UnknownCode,
)
from tests.factories.messages import paid, post
from tests.factories.orders import make

pytestmark = [
    pytest.mark.smoke,
    pytest.mark.every_database,
    pytest.mark.usefixtures("pagoefectivo_memory"),
    pytest.mark.django_db,
]

MODELS = list(apps.get_app_config("pagoefectivo").get_models())


def again(row: models.Model, **changes: Any) -> object:
    """Write a copy of a row past every flow."""
    copy = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields if not field.primary_key}
    return type(row)._base_manager.bulk_create([type(row)(**copy | changes)])


def new_cip(**changes: Any) -> object:
    return again(
        Cip.objects.earliest("pk"),
        **{"code": None, "transaction_code": "another", "status": "lost", "live": None} | changes,
    )


def new_order(**changes: Any) -> None:
    again(Order.objects.get(), **{"token": uuid.uuid4(), "public_id": uuid.uuid4(), "reference": "another"} | changes)


def new_discrepancy(**changes: Any) -> object:
    fields = {"kind": "unmatched", "subject": "1", "created_at": timezone.now(), "evidence": []} | changes
    return Discrepancy.objects.bulk_create([Discrepancy(**fields)])


def new_refund(**changes: Any) -> object:
    payment = Payment.objects.get()
    fields = {"payment": payment, "order": Order.objects.get(), "amount": 1, "requested_at": timezone.now()} | changes
    return Refund.objects.bulk_create([Refund(**fields)])


def event(**changes: Any) -> object:
    order = Order.objects.get()
    fields = {"order": order, "number": 1, "kind": "noted", "actor_name": "x", "created_at": timezone.now()} | changes
    OrderEvent.objects.append([OrderEvent(**fields)])
    return None


def new_settlement(**changes: Any) -> Settlement:
    fields = {
        "kind": "settlement",
        "account": "memory:default",
        "dated": "2026-11-10",
        "currency": "PEN",
        "digest": "d",
    }
    more = {"status": "done", "once": True, "imported_by": "ana", "created_at": timezone.now(), "file_name": "f"}
    Settlement.objects.bulk_create([Settlement(**fields | more | changes)])
    return Settlement.objects.latest("pk")


def new_line(**changes: Any) -> SettlementLine:
    settlement = Settlement.objects.first() or new_settlement()
    fields = {"settlement": settlement, "number": 1, "currency": "PEN", "digest": "d", "gross": Decimal("10.00")}
    money = {"fee": Decimal("1.00"), "tax": Decimal("0.18"), "net": Decimal("8.82")}
    SettlementLine.objects.bulk_create([SettlementLine(**fields | money | changes)])
    return SettlementLine.objects.latest("pk")


def new_match(**changes: Any) -> Match:
    fields = {"payment": Payment.objects.get(), "kind": "settlement", "amount": 10, "created_at": timezone.now()}
    line = changes.pop("line", None) or new_line(number=SettlementLine.objects.count() + 1)
    Match.objects.bulk_create([Match(**fields | {"line": line} | changes)])
    return Match.objects.latest("pk")


def new_deposit(**changes: Any) -> object:
    settlement = Settlement.objects.first() or new_settlement()
    fields = {"settlement": settlement, "amount": 1, "received_on": "2026-11-11", "created_at": timezone.now()}
    return Deposit.objects.bulk_create([Deposit(**fields | changes)])


def new_unknown_code() -> object:
    return UnknownCode.objects.bulk_create([UnknownCode(account="memory:default", code="900")])


def new_refusal(**changes: Any) -> object:
    fields = {"channel": "default", "reason": "unproven", "first_at": timezone.now(), "last_at": timezone.now()}
    return Refusal.objects.bulk_create([Refusal(**fields | changes)])


#: What refers to nothing.
ALONE = (ApiCall, Notification, Refusal, Heartbeat, Settlement, UnknownCode, StaffAlert, FailingReceiver)


def new_alert() -> object:
    return StaffAlert.objects.create(kind="money", subject="discrepancy 1", told_at=timezone.now())


# By constraint: what breaks it, and what is like it and is allowed.
CASES: dict[str, list[Callable[[], object]]] = {
    "pagoefectivo_one_newest_order": [lambda: new_order(reference="SHOP-1")],
    "pagoefectivo_order_amount_positive": [
        lambda: Order.objects.update(amount=0),
        lambda: Order.objects.update(amount=Decimal("-0.01")),
        lambda: new_order(amount=0),
    ],
    "pagoefectivo_order_currency_known": [lambda: Order.objects.update(currency="EUR"), lambda: new_order(currency="")],
    "pagoefectivo_newest_true_or_null": [lambda: Order.objects.update(newest=False), lambda: new_order(newest=False)],
    "pagoefectivo_paid_has_payment": [
        lambda: Order.objects.update(cip=None),
        lambda: Order.objects.update(paid_at=None),
        lambda: new_order(state="paid", cip_id=None),
    ],
    "pagoefectivo_one_live_code": [
        lambda: (Cip.objects.update(status="current", live=True), new_cip(status="requested", live=True)),
        lambda: (Cip.objects.update(status="current", live=True), new_cip(status="current", live=True)),
    ],
    "pagoefectivo_live_follows_status": [
        lambda: Cip.objects.update(live=True),
        lambda: Cip.objects.update(live=False),
        lambda: Cip.objects.update(status="current"),
        lambda: new_cip(status="requested"),
        lambda: new_cip(status="expired", live=True),
        lambda: new_cip(status="expired", live=False),
    ],
    "pagoefectivo_code_of_account": [lambda: new_cip(code=Cip.objects.get().code)],
    "pagoefectivo_provider_id": [
        lambda: [new_cip(provider_id="A-1", transaction_code=name, live=None, status="lost") for name in "ab"]
    ],
    "pagoefectivo_transaction_code": [lambda: new_cip(transaction_code=Cip.objects.get().transaction_code)],
    "pagoefectivo_code_not_blank": [lambda: Cip.objects.update(code=""), lambda: new_cip(code="")],
    "pagoefectivo_one_operation": [lambda: again(Payment.objects.get())],
    "pagoefectivo_payment_id": [
        lambda: [again(Payment.objects.earliest("pk"), operation_number=name, provider_id="A-1") for name in "89"]
    ],
    "pagoefectivo_payment_amount_positive": [
        lambda: Payment.objects.update(amount=0),
        lambda: again(Payment.objects.get(), operation_number="8", amount=Decimal("-1")),
    ],
    "pagoefectivo_refunded_at_most_paid": [
        lambda: Payment.objects.update(refunded=Decimal("120.51")),
        lambda: Payment.objects.update(refunded=Decimal("-0.01")),
        lambda: Payment.objects.update(refunded=Decimal("120.50"), amount=Decimal("120.49")),
    ],
    "pagoefectivo_refund_id": [lambda: [new_refund(provider_id="R-1") for _each in range(2)]],
    "pagoefectivo_refund_amount_positive": [
        lambda: new_refund(amount=0),
        lambda: (new_refund(), Refund.objects.update(amount=Decimal("-0.01"))),
    ],
    "pagoefectivo_refund_approved_by_someone": [
        lambda: new_refund(status="approved"),
        lambda: new_refund(status="sent"),
        lambda: (new_refund(), Refund.objects.update(status="done")),
        lambda: (new_refund(status="approved", approved_by="eva"), Refund.objects.update(approved_by="")),
    ],
    "pagoefectivo_one_message": [lambda: again(Notification.objects.get())],
    "pagoefectivo_event_number": [lambda: event()],
    "pagoefectivo_one_delivery": [lambda: again(Delivery.objects.get())],
    "pagoefectivo_one_discrepancy": [lambda: (new_discrepancy(), new_discrepancy())],
    "pagoefectivo_resolved_by_someone": [
        lambda: new_discrepancy(status="resolved"),
        lambda: new_discrepancy(status="resolved", resolved_by="eva", resolved_at=timezone.now()),
        lambda: new_discrepancy(status="resolved", reason="because", resolved_at=timezone.now()),
        lambda: new_discrepancy(status="resolved", resolved_by="eva", reason="because"),
        lambda: (new_discrepancy(), Discrepancy.objects.update(status="resolved")),
    ],
    "pagoefectivo_one_statement": [lambda: (new_settlement(), new_settlement())],
    "pagoefectivo_draft_is_not_counted": [
        lambda: new_settlement(status="draft"),
        lambda: new_settlement(once=None),
        lambda: new_settlement(status="matching", once=None),
        lambda: new_settlement(once=False),
    ],
    "pagoefectivo_one_line": [lambda: (new_line(), new_line())],
    "pagoefectivo_line_counts_once": [lambda: (new_line(first=True), new_line(number=2, first=True))],
    "pagoefectivo_net_is_gross_less_fee": [
        lambda: new_line(net=Decimal("8.81")),
        lambda: new_line(net=Decimal("8.83")),
        lambda: (new_line(), SettlementLine.objects.update(fee=Decimal("0.99"))),
    ],
    "pagoefectivo_line_in_two_currencies": [
        lambda: new_line(payment_amount=Decimal("37.50")),
        lambda: new_line(payment_currency="USD"),
        lambda: new_line(rate=Decimal("3.75")),
        lambda: new_line(payment_amount=Decimal("37.50"), payment_currency="PEN"),
        lambda: new_line(payment_amount=Decimal("-37.50"), payment_currency="USD"),
        lambda: new_line(payment_amount=Decimal("37.50"), payment_currency="USD", rate=Decimal(0)),
    ],
    "pagoefectivo_ignored_for_reason": [
        lambda: new_line(status="ignored"),
        lambda: (new_line(), SettlementLine.objects.update(status="duplicate")),
    ],
    "pagoefectivo_one_match_of_line": [lambda: new_match(line=new_match().line, kind="sales")],
    "pagoefectivo_one_match_of_payment": [lambda: (new_match(), new_match())],
    "pagoefectivo_match_stands_or_not": [
        lambda: new_match(stands=False),
        lambda: new_match(line=(done := new_match(stands=None)).line, undoes=done),
    ],
    "pagoefectivo_one_refusal": [lambda: (new_refusal(), new_refusal())],
    "pagoefectivo_one_unknown_code": [lambda: (new_unknown_code(), new_unknown_code())],
    "pagoefectivo_one_alert": [lambda: (new_alert(), new_alert())],
    "pagoefectivo_deposit_is_not_zero": [lambda: new_deposit(amount=0)],
}
ALLOWED: list[Callable[[], object]] = [
    lambda: new_order(reference="shop-1", state="new", cip_id=None),
    lambda: new_order(reference="SHOP-1", newest=None, state="new", cip_id=None),
    lambda: (new_cip(), new_cip(transaction_code="ANOTHER")),
    lambda: new_cip(account="another", code=Cip.objects.get().code, transaction_code="x"),
    lambda: again(Payment.objects.get(), operation_number=None),
    lambda: again(Payment.objects.get(), operation_number="8"),
    lambda: Payment.objects.update(refunded=Decimal("120.50")),
    lambda: (new_refund(), new_refund(status="failed"), new_refund(status="done", approved_by="eva")),
    lambda: again(Notification.objects.get(), account="another"),
    lambda: (event(order=None, number=0), event(order=None, number=0)),
    lambda: again(Delivery.objects.get(), receiver="another"),
    lambda: (new_discrepancy(), new_discrepancy(subject="2")),
    lambda: new_discrepancy(status="resolved", resolved_by="eva", reason="because", resolved_at=timezone.now()),
    lambda: [new_settlement(status="draft", once=None) for _ in range(2)],
    lambda: (new_settlement(), new_settlement(account="another")),
    lambda: (new_line(), new_line(number=2), new_line(number=3, first=True)),
    lambda: new_line(payment_amount=Decimal("37.50"), payment_currency="USD", rate=Decimal("3.75")),
    lambda: new_line(gross=Decimal("-10.00"), fee=0, tax=0, net=Decimal("-10.00")),
    lambda: (new_match(stands=None), new_match(stands=None), new_match(), new_match(part=7), new_match(kind="sales")),
    lambda: new_deposit(amount=-1),
    lambda: (new_refusal(), new_refusal(channel="another"), new_refusal(reason="source")),
]


@pytest.fixture(autouse=True)
def book(django_capture_on_commit_callbacks: Any) -> Order:
    with django_capture_on_commit_callbacks(execute=True):
        order = make("SHOP-1", amount=Decimal("120.50"))
    post(paid(order))
    order.refresh_from_db()
    assert order.state == "paid"
    return order


def test_every_constraint_has_a_case() -> None:
    assert {constraint.name for model in MODELS for constraint in model._meta.constraints} == set(CASES)


@pytest.mark.parametrize(
    ("name", "broken"),
    [(name, broken) for name, breaks in CASES.items() for broken in breaks],
    ids=[f"{name.removeprefix('pagoefectivo_')}-{number}" for name in CASES for number, _ in enumerate(CASES[name])],
)
def test_what_breaks_it_is_refused(name: str, broken: Callable[[], object]) -> None:
    with pytest.raises((IntegrityError, OperationalError)) as caught, transaction.atomic():
        broken()
    # MariaDB calls a failed check an operational error, and that is its number.
    assert isinstance(caught.value, IntegrityError) or caught.value.args[0] == 4025
    # Of what must be unique SQLite names the columns and not the constraint.
    unnamed = getattr(caught.value.__cause__, "sqlite_errorname", "") == "SQLITE_CONSTRAINT_UNIQUE"
    assert unnamed or name in str(caught.value)


@pytest.mark.parametrize("allowed", ALLOWED)
def test_what_is_like_it_is_allowed(allowed: Callable[[], object]) -> None:
    allowed()


def test_the_database_has_each_of_them() -> None:
    with connection.cursor() as cursor:
        for model in MODELS:
            found = connection.introspection.get_constraints(cursor, model._meta.db_table)
            assert {constraint.name for constraint in model._meta.constraints} <= set(found)


def test_no_foreign_key_leaves_the_app() -> None:
    tables = {model._meta.db_table for model in MODELS}
    with connection.cursor() as cursor:
        for model in MODELS:
            for field in model._meta.get_fields():
                if field.is_relation and field.concrete:
                    assert field.related_model in MODELS
                    assert isinstance(field, models.ForeignKey)
                    assert field.remote_field.on_delete is models.PROTECT
            relations = connection.introspection.get_relations(cursor, model._meta.db_table)
            assert {relation[1] for relation in relations.values()} <= tables
            assert bool(relations) == (model not in ALONE)


def test_what_money_hangs_on_is_not_deleted(book: Order) -> None:
    new_discrepancy(order=book, notification=Notification.objects.get(), payment=Payment.objects.get())
    new_refund()
    for model in (Order, Cip, Notification, Payment):
        with pytest.raises(ProtectedError):
            model._base_manager.get().delete()
        with pytest.raises(ProtectedError):
            model._base_manager.all().delete()
    with pytest.raises(ProtectedError):
        cancel_order(make("SHOP-2")).delete()


# Events are history.


def one() -> OrderEvent:
    return OrderEvent.objects.first() or OrderEvent()


def fresh() -> OrderEvent:
    return OrderEvent(order=Order.objects.get(), number=99, kind="noted", actor_name="x", created_at=timezone.now())


FORGERIES: dict[str, Callable[[], Any]] = {
    "save": lambda: one().save(),
    "save a field": lambda: one().save(update_fields=["reason"]),
    "save a new one": lambda: fresh().save(),
    "save_base": lambda: one().save_base(),
    "delete": lambda: one().delete(),
    "create": lambda: OrderEvent.objects.create(order=Order.objects.get(), number=99),
    "bulk_create": lambda: OrderEvent.objects.bulk_create([fresh()]),
    "bulk_update": lambda: OrderEvent.objects.bulk_update([one()], ["reason"]),
    "get_or_create": lambda: OrderEvent.objects.get_or_create(order=Order.objects.get(), number=99),
    "update_or_create": lambda: OrderEvent.objects.update_or_create(pk=one().pk, defaults={"reason": "x"}),
    "update": lambda: OrderEvent.objects.update(reason="x"),
    "filter, update": lambda: OrderEvent.objects.filter(pk=one().pk).order_by("pk").update(reason="x"),
    "filter, delete": lambda: OrderEvent.objects.filter(pk=one().pk).delete(),
    "_raw_delete": lambda: OrderEvent.objects.all()._raw_delete("default"),
    "_base_manager, update": lambda: OrderEvent._base_manager.update(reason="x"),
    "_base_manager, delete": lambda: OrderEvent._base_manager.all().delete(),
    "_default_manager": lambda: OrderEvent._default_manager.using("default").update(reason="x"),
    "order.events, create": lambda: Order.objects.get().events.create(number=99, kind="noted"),
    "order.events, update": lambda: Order.objects.get().events.update(reason="x"),
    "order.events, delete": lambda: Order.objects.get().events.all().delete(),
    "order.events, clear": lambda: Order.objects.get().events.clear(),
    "order.events, remove": lambda: Order.objects.get().events.remove(one(), bulk=False),
    "order.events, set": lambda: Order.objects.get().events.set([]),
    "order.events, add": lambda: Order.objects.get().events.add(one()),
    "asave": lambda: one().asave(),
    "adelete": lambda: one().adelete(),
    "acreate": lambda: OrderEvent.objects.acreate(number=99),
    "abulk_create": lambda: OrderEvent.objects.abulk_create([fresh()]),
    "abulk_update": lambda: OrderEvent.objects.abulk_update([one()], ["reason"]),
    "aget_or_create": lambda: OrderEvent.objects.aget_or_create(number=99),
    "aupdate_or_create": lambda: OrderEvent.objects.aupdate_or_create(number=99),
    "aupdate": lambda: OrderEvent.objects.aupdate(reason="x"),
    "filter, adelete": lambda: OrderEvent.objects.filter(number=1).adelete(),
}


def finish(result: Any) -> None:
    if asyncio.iscoroutine(result):
        asyncio.run(result)


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_events_are_never_changed(forge: Callable[[], Any]) -> None:
    before = list(OrderEvent.objects.values())
    with pytest.raises(TypeError, match="history"), transaction.atomic():
        finish(forge())
    assert list(OrderEvent.objects.values()) == before


def test_events_hold_no_personal_data() -> None:
    told = " ".join(str(value) for row in OrderEvent.objects.values() for value in row.values())
    assert "ana" not in told.lower()


def test_overdue_orders_are_those_that_can_still_be_paid(book: Order) -> None:
    late = make("SHOP-2")
    assert list(Order.objects.overdue(late.expires_at)) == []
    assert list(Order.objects.overdue(late.expires_at + timedelta(seconds=1))) == [late]
    assert (list(Order.objects.open()), list(Order.objects.paid())) == ([late], [book])
