"""Attach codes missing after a restored backup to the orders named in their transaction codes."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_noop as _

from ...actors import PROGRAM
from ...channels.base import Channel, Report
from ...errors import OutcomeUnknown
from ...models import Cip, Heartbeat, Order
from ...models.database import LEASE, database, one_transaction
from ...states import CipStatus, Fact
from ..provider.transaction_codes import reference_in
from .locked import open_unit_of_work

_HELD = _("Somebody else holds order %(order)s; its code is attached later.")
#: Name of the heartbeat whose time is the moment of the backup restored last.
RESTORED = "restored from"
#: Most orders of one reference that are compared.
MOST_NAMED = 100


def declare_restored(moment: datetime) -> None:
    """Record the moment of the backup from which the database was restored.

    Codes issued after the moment may be missing here; from now on ``attach_forgotten`` attaches such codes.
    """
    Heartbeat.objects.using(database()).update_or_create(name=RESTORED, defaults={"beaten_at": moment})


def restored_from() -> datetime | None:
    """Return the moment of the backup restored last, None if no restore was declared."""
    found = Heartbeat.objects.using(database()).filter(name=RESTORED).values_list("beaten_at", flat=True)
    return found.first()


def attach_forgotten(
    channel: Channel, answer: Report, now: datetime, order: Order | None = None, *, wait: bool = True
) -> bool:
    """Attach a code without a row here to the order named in the code's transaction code; False if nothing fits.

    Without ``order``: only after a restored backup, and only if exactly one order has the named reference and the
    answer's amount and currency. With ``order`` (chosen by a person): only if the order's reference is the named one.
    ``answer`` is the provider's answer about the code; the caller applies the answer with ``advance``. With ``wait``
    False raises ``OutcomeUnknown`` if another transaction holds the order.
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
        unit = open_unit_of_work([order.pk], alias=alias, now=now, actor=PROGRAM, wait=wait)
        locked = next(iter(unit.locked_orders), None)
        if locked is None:
            raise OutcomeUnknown(_HELD, code="locked_before_attaching", order=str(order))
        cip = Cip(
            order=locked.order,
            channel=channel.alias,
            account=channel.account,
            transaction_code=answer.transaction_code,
            status=CipStatus.LOST,
            live=None,
            expires_at=answer.expires_at,
            asked_at=now,
            changed_at=now,
            poll_at=now + LEASE,
        )
        try:
            with transaction.atomic(using=alias):
                cip.save(using=alias, force_insert=True)
        except IntegrityError:
            return True  # another process attached the same code at the same moment
        locked.note(Fact.LOST, cip, {"about": "restored_backup"})
        locked.write()
    return True
