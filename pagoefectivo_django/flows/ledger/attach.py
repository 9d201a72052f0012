"""A restored backup has forgotten codes: each is attached to the order that its transaction code names."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from ...channels.base import Channel, Report
from ...errors import OutcomeUnknown
from ...models import Cip, Heartbeat, Order
from ...models.database import LEASE, database, one_transaction
from ...states import CipStatus, Fact
from ..provider.transaction_codes import reference_in
from .locked import open_unit_of_work

#: The heartbeat that says from which moment the database was restored last.
RESTORED = "restored from"
#: Orders of one reference that are looked at.
MOST_NAMED = 100


def declare_restored(moment: datetime) -> None:
    """Remember that the database is a backup of this moment: what was issued since may be unknown here."""
    Heartbeat.objects.using(database()).update_or_create(name=RESTORED, defaults={"beaten_at": moment})


def restored_from() -> datetime | None:
    """Return the moment of the backup that was restored last, None if none ever was."""
    found = Heartbeat.objects.using(database()).filter(name=RESTORED).values_list("beaten_at", flat=True)
    return found.first()


def attach_forgotten(
    channel: Channel, answer: Report, now: datetime, order: Order | None = None, *, wait: bool = True
) -> bool:
    """Give a code that no row of ours has to the order that its transaction code names; False if it names none.

    Only after a restored backup, and only to the one order of that reference, amount and currency; or to the ``order``
    that a person chose, if its reference is named. The answer is the provider's: it is not applied here. ``wait``
    False: raises ``OutcomeUnknown`` if somebody else holds that order.
    """
    reference = reference_in(answer.transaction_code, channel)
    if not reference or answer.asked_at is None or (order is None and restored_from() is None):
        return False
    if Cip.objects.using(database()).filter(account=answer.account, transaction_code=answer.transaction_code).exists():
        return False
    if order is None:
        named = Order.objects.using(database()).filter(reference=reference, currency=answer.currency)
        orders = [each for each in named[:MOST_NAMED] if each.amount == answer.amount]
        if len(orders) != 1:
            return False
        order = orders[0]
    elif order.reference.casefold() != reference.casefold():
        return False
    with one_transaction() as alias:
        unit = open_unit_of_work([order.pk], alias=alias, now=now, actor="pagoefectivo", wait=wait)
        locked = next(iter(unit.locked_orders), None)
        if locked is None:
            raise OutcomeUnknown(f"Somebody else holds order {order}; its code is attached later.")
        cip = Cip(
            order=locked.order,
            channel=channel.alias,
            account=channel.account,
            transaction_code=answer.transaction_code,
            status=CipStatus.LOST,
            live=None,
            expires_at=answer.expires_at or locked.order.expires_at,
            asked_at=now,
            changed_at=now,
            poll_at=now + LEASE,
        )
        try:
            with transaction.atomic(using=alias):
                cip.save(using=alias, force_insert=True)
        except IntegrityError:
            return True  # somebody else found it at the same moment
        locked.note(Fact.LOST, cip, "A restored backup had forgotten this code.")
        locked.write()
    return True
