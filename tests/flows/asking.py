"""Lines of statements and questions about them, as the flows write them."""

import itertools
from decimal import Decimal
from typing import Any

from django.utils import timezone

from pagoefectivo_django.actors import CLOCK
from pagoefectivo_django.flows.ledger.history import History
from pagoefectivo_django.flows.ledger.locked import lock_order
from pagoefectivo_django.flows.ledger.subject import Subject
from pagoefectivo_django.models import Discrepancy, Settlement, SettlementLine
from pagoefectivo_django.models.database import one_transaction
from pagoefectivo_django.states import Kind, LineStatus, SettlementStatus, StatementKind

_numbers = itertools.count(1)


def settlement(**changes: Any) -> Settlement:
    """Return a settlement that was imported, without lines."""
    number, now = next(_numbers), timezone.now()
    named: dict[str, Any] = {
        "kind": StatementKind.SETTLEMENT,
        "account": "memory:default",
        "reference": f"LIQ-{number}",
        "dated": timezone.localdate(now),
        "currency": "PEN",
        "status": SettlementStatus.DONE,
        "file_name": f"liq-{number}.txt",
        "digest": f"{number:064}",
        "once": True,
        "imported_by": "rosa",
        "created_at": now,
    }
    return Settlement.objects.create(**named | changes)


def line(of: Settlement | None = None, **changes: Any) -> SettlementLine:
    """Return a line of a settlement that is in question."""
    number = next(_numbers)
    named: dict[str, Any] = {
        "settlement": of or settlement(),
        "number": number,
        "code": f"77{number}",
        "currency": "PEN",
        "gross": Decimal("35.50"),
        "fee": Decimal("1.00"),
        "tax": Decimal("0.18"),
        "paid_at": timezone.now(),
        "digest": f"{number:064}",
        "first": True,
        "status": LineStatus.DISCREPANCY,
        "about": "no_such_order",
    }
    named |= changes
    return SettlementLine.objects.create(net=named["gross"] - named["fee"] - named["tax"], **named)


def ask(kind: Kind, *, evidence: str = "As made up.", **about: Any) -> Discrepancy:
    """Return a question that is asked about a line, a settlement or an order."""
    order, of = about.get("order"), about.get("line")
    money = {name: about.pop(name) for name in ("amount", "currency", "anew") if name in about}
    if of:
        about.setdefault("settlement", of.settlement)
    with one_transaction() as alias:
        locked = lock_order(order, alias=alias, actor=CLOCK) if order else None
        history = locked.history if locked else History(alias, timezone.now(), CLOCK)
        named = about | ({"order": locked.order} if locked else {})
        subject = Subject(f"line:{of.digest}" if of else f"asked:{next(_numbers)}", **named)
        history.open_discrepancy(kind, subject, {"at": history.now.isoformat(), "said": evidence}, **money)
        (locked or history).write()
    return Discrepancy.objects.get(kind=kind, subject=subject.text)
