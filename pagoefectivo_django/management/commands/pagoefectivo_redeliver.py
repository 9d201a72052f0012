"""The command ``pagoefectivo_redeliver``: has events delivered again."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables

from ...errors import InvalidRequest
from ...flows.ledger.redeliver import redeliver
from ...models import Delivery
from ...models.database import database
from ..user import name_of_user


class Command(BaseCommand):
    """Makes deliveries due again; the worker calls the receivers. Exit code 1 if no delivery is meant."""

    help = (
        "Has events delivered again by the worker's next round: what was not heard, with --heard also what was. "
        "A receiver that was paused is tried at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--order", metavar="REFERENCE", help="the events of this order")
        parser.add_argument("--event", type=UUID, metavar="UUID", help="the event of this id")
        parser.add_argument("--receiver", metavar="NAME", help="the deliveries to this receiver")
        parser.add_argument("--heard", action="store_true", help="also what was heard; not with --receiver alone")
        parser.add_argument("--dry-run", action="store_true", help="only print the deliveries")

    @sensitive_variables()
    def handle(self, *args: Any, dry_run: bool = False, **options: Any) -> None:
        if not (options["order"] or options["event"] or options["receiver"]):
            raise CommandError("Say which deliveries: --order, --event or --receiver.", returncode=2)
        if options["heard"] and not (options["order"] or options["event"]):
            raise CommandError("All that a receiver ever heard is too much: add --order or --event.", returncode=2)
        rows = list(_meant(**options))
        if not rows:
            raise CommandError("No delivery is meant; --heard includes those that were heard.")
        due = len(rows)
        for row in rows:
            told = f"{row.event.order or '–'}: {row}"
            try:
                if not dry_run:
                    redeliver(row, actor=name_of_user())
            except InvalidRequest:  # the worker was faster
                due, told = due - 1, f"{told}: heard or begun meanwhile, left alone"
            self.stdout.write(told)
        self.stdout.write(f"{due} deliveries{'' if dry_run else ' are due again'}.")


def _meant(*, order: str, event: UUID | None, receiver: str, heard: bool, **others: Any) -> QuerySet[Delivery]:
    rows = Delivery.objects.using(database()).select_related("event__order").order_by("event__order", "event__number")
    if order:
        rows = rows.filter(event__order__reference=order)
    if event:
        rows = rows.filter(event=event)
    if receiver:
        rows = rows.filter(receiver=receiver)
    return rows if heard else rows.filter(delivered_at__isnull=True)
