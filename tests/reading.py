"""What the tests read back: rows as the database has them now, what the provider was asked, and what pages show."""

import hashlib
import re
import time
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.db.models import Model
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.dashboard import dashboard
from pagoefectivo_django.flows.reports.balance import balance
from pagoefectivo_django.models import Cip, Discrepancy, Notification, Order, OrderEvent, Payment
from pagoefectivo_django.models.database import database
from tests.factories.messages import post

#: Statements that begin, end and time transactions.
CONTROL = re.compile(
    r"(SELECT clock_timestamp|SELECT UTC_TIMESTAMP|BEGIN|START|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET autocommit)\b",
    re.IGNORECASE,
)


def fresh(order: Order) -> Order:
    """Return an order as the database has it now, with its code."""
    return Order.objects.select_related("cip").get(pk=order.pk)


def state_of(order: Order) -> str:
    """Return an order's state, after reading the order again."""
    order.refresh_from_db()
    return str(order.state)


def status_of(row: Model) -> str:
    """Return a row's status, after reading the row again."""
    row.refresh_from_db()
    return str(row.status)  # type: ignore[attr-defined]


def code_statuses(**about: object) -> list[str]:
    """Return the statuses of codes, the oldest first."""
    return list(Cip.objects.filter(**about).order_by("pk").values_list("status", flat=True))


def payment_statuses(**about: object) -> list[str]:
    """Return the statuses of payments, the oldest first."""
    return list(Payment.objects.filter(**about).order_by("pk").values_list("status", flat=True))


def payments(**about: object) -> list[tuple[str | None, str]]:
    """Return the operation number and the status of payments, the oldest first."""
    return list(Payment.objects.filter(**about).order_by("pk").values_list("operation_number", "status"))


def discrepancies(status: str = "open", **about: object) -> list[str]:
    """Return the kinds of discrepancies that have this status; of all with an empty one."""
    rows = Discrepancy.objects.filter(**about | ({"status": status} if status else {}))
    return sorted(rows.values_list("kind", flat=True))


def event_kinds(order: Order) -> list[str]:
    """Return the kinds of an order's events, the oldest first, without notes."""
    return list(OrderEvent.objects.filter(order=order).exclude(kind="noted").values_list("kind", flat=True))


def books_hold() -> None:
    """Fail unless what the book of soles says of payments, lines and deposits agrees."""
    books = balance("PEN")
    assert books.holds, books.equations


def kept(body: bytes) -> Notification:
    """Return the row that keeps a message."""
    return Notification.objects.using(database()).get(identity=hashlib.sha256(body).hexdigest())


def calls(name: str) -> list[str]:
    """Return what the provider was asked about in the calls of a name, in their order."""
    return [about for call, about in MemoryChannel.calls if call == name]


def searches() -> list[list[str]]:
    """Return the codes of each look-up, in their order."""
    return [about.split(",") for about in calls("look_up")]


def page(client: Client, row: Model) -> str:
    """Return a record's own page of the admin."""
    meta = row._meta
    answer = client.get(reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def first_page(client: Client) -> str:
    """Return the admin's first page of the app."""
    return client.get("/admin/pagoefectivo/").content.decode()


def dashboard_now() -> dict[str, Any]:
    """Return what the first page is made of for a person who may see everything."""
    request = RequestFactory().get("/")
    request.user = User.objects.filter(username="eva").first() or User.objects.create_superuser("eva")
    return dashboard(request, timezone.now())


def voucher(order: Order) -> str:
    """Return an order's voucher page, with plain blanks."""
    return Client().get(reverse("pagoefectivo:voucher", args=[order.token])).content.decode().replace("\u00a0", " ")


def within_a_minute(count: Callable[[], Any]) -> Any:
    """Count from nothing, and once more if another minute began meanwhile."""
    for _ in range(3):
        cache.clear()
        begun = time.time() // 60
        counted = count()
        if time.time() // 60 == begun:
            break
    return counted


def statements(body: bytes) -> list[str]:
    """Return the statements, without those that only begin and end transactions, with which a message is applied."""

    def apply() -> None:
        assert post(body).status_code == 200

    return [sql for sql in statements_of(apply) if "shop_heard" not in sql]


def statements_of(action: Callable[[], object]) -> list[str]:
    """Return the statements of an action, without those that only begin, end and time transactions."""
    with CaptureQueriesContext(connection) as captured:
        action()
    return [query["sql"] for query in captured if not CONTROL.match(query["sql"])]
