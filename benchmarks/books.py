"""Books of any size, written by the database itself."""

from django.db import connection

from pagoefectivo_django.models import Cip, Order

#: Of twenty orders one is open, three are expired, sixteen paid; or all are open.
_MIXED = "CASE WHEN n % 20 = 0 THEN 'pending' WHEN n % 20 < 4 THEN 'expired' ELSE 'paid' END"
_OPEN = "'pending'"
PAID = "'paid'"
#: Keys begin at 1 after ``empty()``: the n-th order has the n-th code.
_ORDERS = """
INSERT INTO pagoefectivo_order (
    token, public_id,
    reference, newest, amount, currency, email, payer_data, concept, language, metadata, expires_at, created_at,
    state, paid_at, operation_number, cip_id, event_count, pending_action, action_requested_by, action_reason,
    deferred_action, attempts, last_error, lapses_at)
SELECT
    gen_random_uuid(), gen_random_uuid(),
    'BENCH-' || n, true, 35.50, 'PEN', 'ana@example.com', '{{}}', '', 'es', '{{}}', now() + {until},
    now(), state, CASE state WHEN 'paid' THEN now() END, '', n, 1, '', '', '', '', 0, '',
    CASE state WHEN 'pending' THEN now() + {until} + interval '30 minutes' END
FROM (SELECT n, {state} AS state FROM generate_series(1, {count}) AS n) AS numbers
"""
_CIPS = """
INSERT INTO pagoefectivo_cip (
    order_id, channel, account, transaction_code, code, status, live, expires_at, url, qr, asked_at, changed_at,
    early_reversals, version, reversed_version, answer, attempts, last_error, poll_at)
SELECT
    id, 'default', '{account}', reference, (70000000 + id)::text,
    CASE state WHEN 'pending' THEN 'current' ELSE state END, CASE state WHEN 'pending' THEN true END, expires_at, '',
    '',
    created_at, created_at, '[]', 0, 0, '', 0, '', CASE WHEN state <> 'expired' THEN now() + interval '12 hours' END
FROM pagoefectivo_order ORDER BY id
"""
_FOLLOWS = """
INSERT INTO pagoefectivo_payment (
    cip_id, account, operation_number, amount, currency, paid_at, first_heard_at, status, refunded)
SELECT id, account, id::text, 35.50, 'PEN', changed_at, changed_at, 'applied', 0
FROM pagoefectivo_cip WHERE status = 'paid';
INSERT INTO pagoefectivo_notification (
    channel, account, identity, item, trust, body, headers, query, code, fact, received_at, last_received_at,
    times_received, status, verified_by, forgotten, trace, attempts, last_error)
SELECT 'default', account, md5(id::text), 0, 'signed_body', '', '{}', '', code, 'payment', changed_at, changed_at,
    1, 'applied', '', false, '', 0, ''
FROM pagoefectivo_cip WHERE status = 'paid';
INSERT INTO pagoefectivo_orderevent (
    id, order_id, number, kind, fact, state_before, state_after, actor_kind, actor_name, data, reason, trace,
    created_at)
SELECT gen_random_uuid(), id, 1, 'order_created', '', '', '', 'worker', '', '{}', '', '', created_at
FROM pagoefectivo_order;
INSERT INTO pagoefectivo_delivery (event_id, receiver, delivered_at, attempts, last_error)
SELECT id, 'bench', created_at, 1, '' FROM pagoefectivo_orderevent
"""


def empty() -> None:
    """Begin with no order at all."""
    tables = [model._meta.db_table for model in Order._meta.apps.get_app_config("pagoefectivo").get_models()]
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")


def write(count: int, *, account: str, mixed: bool, until: str = "20 days", state: str = "") -> None:
    """Write so many orders with their codes, events and deliveries; all open, or ``mixed`` with what was paid."""
    state = state or (_MIXED if mixed else _OPEN)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # a million foreign keys are known to be right
        cursor.execute(_ORDERS.format(until=f"interval '{until}'", count=count, state=state))
        cursor.execute(_CIPS.format(account=account))
        cursor.execute(_FOLLOWS)
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("VACUUM ANALYZE")
    assert Order.objects.count() == Cip.objects.count() == count
