"""Discrepancies, opened as the flows open them, and answered."""

import itertools
from typing import Any

from django.utils import timezone

from pagoefectivo_django.actors import CLOCK
from pagoefectivo_django.flows import resolve_discrepancy
from pagoefectivo_django.flows.ledger.history import History
from pagoefectivo_django.flows.ledger.locked import lock_order
from pagoefectivo_django.flows.ledger.subject import Subject
from pagoefectivo_django.models import Discrepancy
from pagoefectivo_django.models.database import one_transaction
from pagoefectivo_django.states import Kind

_numbers = itertools.count(1)


def open_discrepancy(kind: Kind, *, evidence: str = "As made up.", **about: Any) -> Discrepancy:
    """Return a discrepancy that is open about a line, a settlement or an order."""
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


def resolve(answer: str = "ignore") -> None:
    """Give every open discrepancy the same answer."""
    for discrepancy in Discrepancy.objects.open():
        resolve_discrepancy(discrepancy, answer, actor="marta", reason="A glitch, says the portal.")
