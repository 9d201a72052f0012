"""What was counted in a storm, as lines for whoever watches."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pagoefectivo_django.models import Cip, Delivery, Discrepancy, Notification, Order, OrderEvent, Payment
from tests.storm.books import Taken
from tests.storm.running import Storm


def report(storm: Storm, payments: Sequence[Taken], sums: Mapping[str, Any], waits: Sequence[float]) -> str:
    flows = {name: count for name, count in storm.shops.items() if ":" in name}
    faults = {name: count for name, count in storm.shops.items() if ":" not in name}
    webhooks = [webhook for code in storm.codes for webhook in code["webhooks"]]
    failed = Delivery.objects.filter(attempts__gt=1).count()
    lines: dict[str, Any] = {
        "storm": f"{storm.size}, seed {storm.seed}",
        "seconds": ", ".join(f"{name} by {seconds:.1f}" for name, seconds in storm.seconds.items()),
        "orders": counted(Order.objects.values_list("state", flat=True)),
        "codes": counted(Cip.objects.values_list("status", flat=True)),
        "payments taken": counted("reversed" if each.reversed else "kept" for each in payments),
        "payments of ours": counted(Payment.objects.values_list("status", flat=True)),
        "found by polling": Payment.objects.filter(operation_number=None).count(),
        "theirs = ours": ", ".join(f"{currency} {a} = {b}" for currency, (a, b) in sorted(sums.items())),
        "discrepancies": counted(Discrepancy.objects.values_list("kind", flat=True)),
        "webhooks": counted(
            f"{_form(each)} {(each['fault'] or 'at once').removeprefix('webhook_')}" for each in webhooks
        ),
        "answers to them": counted(answer for each in webhooks for answer in each["answers"]),
        "kept messages": counted(f"{row.status} x{min(row.times_received, 2)}" for row in Notification.objects.all()),
        "faults": counted(faults),
        "providers down": counted(storm.down),
        "told to the shop": counted(flows),
        "events": counted(OrderEvent.objects.values_list("kind", flat=True)),
        "deliveries": f"{Delivery.objects.count()}, of which failed first: {failed}",
        "Celery's tasks": counted(storm.tasks),
        "workers' rounds": counted(storm.worked),
        "rounds after it": ", ".join(f"{name} {count}" for name, count in storm.rounds.items()),
        "lock waits": f"{len(waits)} over 200 ms, the longest {max(waits, default=0):.0f} ms",
    }
    return "\n".join(["", *(f"{name:>17}: {line}" for name, line in lines.items())])


def counted(things: Iterable[Any] | Mapping[str, int]) -> str:
    counts = Counter(things)
    return f"{sum(counts.values())}: " + ", ".join(
        f"{thing} {count}" for thing, count in sorted(counts.items(), key=str)
    )


def _form(webhook: Mapping[str, Any]) -> str:
    form = "new" if "transactionCode" in json.loads(webhook["body"])["data"] else "minimal"
    return f"{webhook['eventType']} {form}"
