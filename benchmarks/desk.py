"""The operator's desk: every list, filter and search, and the dashboard, as requests.

A shop that sells every 63 seconds, so a million orders are two years, and a thousand the last 17 hours: a page shows as
many rows of both, and what differs is how they are found.
"""

import statistics
import time
from collections.abc import Iterator
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import override_settings
from django.urls import reverse

from benchmarks import books
from benchmarks.channels import ACCOUNT
from pagoefectivo_django.models import (
    ApiCall,
    Cip,
    Delivery,
    Discrepancy,
    Notification,
    Order,
    Payment,
    Refund,
    Settlement,
    SettlementLine,
)

#: When the n-th order was made; a fourth of the newest can still be paid.
_MADE = "now() - interval '6 hours' - ({count} - n) * interval '63 seconds'"
_STATE = (
    "CASE WHEN ({count} - n) * 63 < 2 * 86400 AND n % 4 = 0 THEN 'pending' WHEN n % 20 IN (1, 2, 3) THEN 'expired' "
    "ELSE 'paid' END"
)
_MORE = """
UPDATE pagoefectivo_order SET created_at = made, expires_at = made + interval '48 hours',
    paid_at = CASE state WHEN 'paid' THEN made + interval '5 hours' END,
    settled_at = CASE WHEN state = 'paid' AND n % 10 <> 5 AND ({count} < 10000 OR made < now() - interval '4 days')
        THEN made + interval '5 hours' END
FROM (SELECT n, {made} AS made FROM generate_series(1, {count}) AS n) AS times WHERE id = n;
UPDATE pagoefectivo_payment p SET paid_at = o.paid_at, first_heard_at = o.paid_at
FROM pagoefectivo_order o WHERE o.cip_id = p.cip_id;
UPDATE pagoefectivo_notification n SET received_at = p.paid_at, last_received_at = p.paid_at,
    status = CASE WHEN p.id % 10 = 7 THEN 'dead' ELSE 'applied' END
FROM pagoefectivo_payment p JOIN pagoefectivo_cip c ON c.id = p.cip_id WHERE n.account = c.account AND n.code = c.code;
INSERT INTO pagoefectivo_settlement (
    kind, account, reference, dated, currency, status, file_name, digest, once, reading, faults, fault_count,
    line_count, open_amount, imported_by, created_at, attempts, last_error)
SELECT 'settlement', '{account}', 'LIQ-' || d, (now() - d * interval '1 day')::date, 'PEN', 'done', 'f', d::text, true,
    '{{}}', '[]', 0, 0, 0, 'bench', now(), 0, ''
FROM generate_series(0, 740) AS d;
INSERT INTO pagoefectivo_settlementline (
    settlement_id, number, code, transaction_code, operation_number, currency, gross, fee, tax, net, paid_at, payer,
    collector, digest, first, status, about, data, reason)
SELECT s.id, o.id, c.code, c.transaction_code, '', 'PEN', o.amount, 1, 0.18, o.amount - 1.18, o.paid_at, '', '',
    md5(o.id::text), true, CASE WHEN o.id % 10 = 6 THEN 'discrepancy' ELSE 'matched' END, '', '{{}}', ''
FROM pagoefectivo_order o JOIN pagoefectivo_cip c ON c.id = o.cip_id
JOIN pagoefectivo_settlement s ON s.dated = o.settled_at::date;
INSERT INTO pagoefectivo_match (line_id, payment_id, kind, amount, rule, author, reason, created_at, stands, part)
SELECT l.id, p.id, 'settlement', l.gross, 'code', 'bench', '', now(), true, 0
FROM pagoefectivo_settlementline l JOIN pagoefectivo_cip c ON c.account = '{account}' AND c.code = l.code
JOIN pagoefectivo_payment p ON p.cip_id = c.id WHERE l.status = 'matched';
INSERT INTO pagoefectivo_discrepancy (
    order_id, kind, account, subject, cip_id, amount, currency, assigned_to, evidence, suggestion, status, resolution,
    resolved_by, resolved_at, closed_because, reason, created_at)
SELECT id, 'late_payment', '{account}', id::text, cip_id, amount, 'PEN', '', '[]', '',
    CASE WHEN id > {count} - 800 THEN 'open' ELSE 'resolved' END, '', 'bench', now(), '', 'x', created_at
FROM pagoefectivo_order WHERE id % 10 = 1;
INSERT INTO pagoefectivo_refund (
    payment_id, order_id, amount, currency, status, by_channel, provider_id, reason, requested_by, requested_at,
    approved_by, closed_at, data, outcome, bank, cci, holder, attempts, last_error)
SELECT p.id, o.id, 1, 'PEN', 'done', false, '', '', 'bench', o.paid_at, 'bench', o.paid_at, '{{}}', '', '', '',
    '', 0, ''
FROM pagoefectivo_order o JOIN pagoefectivo_payment p ON p.cip_id = o.cip_id WHERE o.id % 10 = 6;
INSERT INTO pagoefectivo_apicall (
    channel, account, method, path, status, error, began_at, milliseconds, trace, request, answer)
SELECT 'default', '{account}', 'POST', '/v1/cips', CASE WHEN id % 10 = 1 THEN 503 ELSE 201 END, '', created_at, 300,
    md5(id::text), '', '' FROM pagoefectivo_order WHERE created_at > now() - interval '30 days';
VACUUM ANALYZE
"""


def fill(count: int) -> None:
    """Write the last so many orders of a shop."""
    books.empty()
    books.write(count, account=ACCOUNT, mixed=False, state=_STATE.format(count=count))
    statements = _MORE.format(made=_MADE.format(count=count), count=count, account=ACCOUNT)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        for statement in statements.split(";\n"):
            cursor.execute(statement)
        cursor.execute("SET session_replication_role = DEFAULT")


def addresses() -> Iterator[str]:
    """Yield every list of the app with each of its filters and a search for each thing that can be searched."""
    paid = Payment.objects.select_related("cip__order").order_by("-pk")[10]
    terms = {
        Order: (paid.cip.order.reference, paid.cip.code, paid.operation_number, "BENCH-99", "ana@", "nothing"),
        Notification: (paid.cip.code, Notification.objects.latest("pk").identity, "nothing"),
        Delivery: (paid.cip.order.reference, "nothing"),
        Discrepancy: (Discrepancy.objects.latest("pk").order.reference, paid.cip.code, "nothing"),  # type: ignore[union-attr]
        Refund: (Refund.objects.latest("pk").order.reference, "nothing"),
        Settlement: ("LIQ-7", "nothing"),
        SettlementLine: (SettlementLine.objects.latest("pk").code, "LIQ-9", "nothing"),
        ApiCall: (ApiCall.objects.latest("pk").trace, "nothing"),
    }
    for model, words in terms.items():
        address = reverse(f"admin:pagoefectivo_{model._meta.model_name}_changelist")
        yield address
        if model in (Order, Notification, Delivery):
            yield f"{address}?p=10"
        for word in words:
            yield f"{address}?{urlencode({'q': word})}"
        request = RequestFactory().get(address)
        request.user = User.objects.get(username="bench")
        changes = admin.site.get_model_admin(model).get_changelist_instance(request)
        for spec in changes.filter_specs:
            for choice in spec.choices(changes):
                if (query := str(choice["query_string"])).strip("?"):
                    yield address + query


def median(client: Client, address: str) -> tuple[float, int]:
    """Return the seconds that a page takes, and how many rows its tables have."""
    answer = client.get(address)
    assert answer.status_code == 200, (address, answer.status_code)
    rows = answer.content.count(b"<tr>")
    times = []
    for _ in range(7):
        begin = time.perf_counter()
        client.get(address)
        times.append(time.perf_counter() - begin)
    return statistics.median(times), rows


@override_settings(ROOT_URLCONF="tests.urls", DEBUG=False)
def desk(count: int) -> tuple[dict[str, tuple[float, int]], float]:
    """Return the seconds of each list by its address without what differs, and of the dashboard."""
    admin.autodiscover()
    fill(count)
    User.objects.filter(username="bench").delete()
    client = Client()
    client.force_login(User.objects.create_superuser("bench"))
    assert Order.objects.count() == Cip.objects.count() == count
    found = {}
    for place, address in enumerate(addresses()):
        path, _, query = address.partition("?")
        found[f"{place:03} {path.split('/')[-2]} {query.split('=')[0]} {query[:40]}"] = median(client, address)
    return found, median(client, reverse("admin:app_list", args=["pagoefectivo"]))[0]
