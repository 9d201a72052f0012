"""The command ``pagoefectivo_reconcile``: compares our codes with the provider's now."""

from __future__ import annotations

import codecs
import logging
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from ...channels import get_channel
from ...conf import conf
from ...errors import InvalidRequest
from ...flows.ledger.attach import declare_restored
from ...flows.outbox.budget import TimeBudget
from ...flows.reports.balance import TERMS, ages, all_books, open_discrepancies
from ...flows.worker.reconcile import reconcile, watch_again
from ...flows.worker.restore import codes_written, find_forgotten
from ...models import Delivery
from ...models.clock import current_time
from ...models.database import database

logger = logging.getLogger("pagoefectivo.worker")

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: The results of looking up codes, as ``find_forgotten`` counts.
LOOKED_UP = ("known", "found", "attached", "closed", "asked", "unknown")


def _moment(text: str) -> datetime:
    """Return a moment read from ISO 8601, by default in Django's time zone; raises ``ArgumentTypeError`` for the
    future.
    """
    moment = datetime.fromisoformat(text)
    moment = timezone.make_aware(moment) if timezone.is_naive(moment) else moment
    if moment > current_time():
        raise ArgumentTypeError(f"{text} is not over yet; give the moment of the backup.")
    return moment


class Command(BaseCommand):
    """Asks the provider about due codes now, as the worker does by itself, and prints the counts.

    Raises ``CommandError`` (exit code 1) if codes stay unanswered or unknown, or the books do not add up.
    """

    help = (
        "Asks the provider about the codes that are due and applies its answers. Interrupted, it goes on where it was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--all", action="store_true", help="every code that is watched, due or not")
        parser.add_argument("--channel", choices=sorted(conf.channels), help="only the account of this channel")
        parser.add_argument(
            "--after-restore", type=_moment, metavar="MOMENT", help="our database is a backup of this moment (ISO 8601)"
        )
        parser.add_argument(
            "--codes", type=Path, metavar="FILE", help="codes from the provider's portal, one a line: find their orders"
        )
        parser.add_argument("--report", action="store_true", help="only print the books: nobody is asked")
        parser.add_argument("--since", type=date.fromisoformat, help="with --report: the first day, in Lima")
        parser.add_argument("--until", type=date.fromisoformat, help="with --report: the last day, in Lima")

    @sensitive_variables()
    def handle(self, *args: Any, all: bool = False, channel: str | None = None, **options: Any) -> None:
        if options["report"]:
            self._report(options["since"], options["until"])
            return
        account = get_channel(channel).account if channel else ""
        now = current_time()
        if moment := options["after_restore"]:
            self._restored(moment)
        if all or moment:
            self.stdout.write(f"watched={watch_again(now, account, restored=moment)}")
        found = reconcile(TimeBudget(now), account=account, patient=True)
        names = ("asked", "paid", "differ", "lost", "unanswered")
        self.stdout.write(" ".join(f"{name}={found[name]}" for name in names))
        unknown = self._look_up(options["codes"], account) if options["codes"] else 0
        if unknown:
            raise CommandError(
                f"{unknown} of the codes are known to no account that answered; check them, or run it again."
            )
        if found["unanswered"]:
            raise CommandError("The provider did not answer about some codes; run it again later, nothing is lost.")

    def _restored(self, moment: datetime) -> None:
        """Record that the database was restored from a backup, and print which events receivers may hear again."""
        declare_restored(moment)
        waiting = Delivery.objects.using(database()).filter(delivered_at__isnull=True).count()
        text = (
            f"The database is a backup of {moment.isoformat()}. Receivers hear again of what happened since: {waiting} "
            "deliveries wait that may have been heard, and changes that are found again are events with new ids."
        )
        logger.warning("%s", text)
        self.stdout.write(text)

    def _look_up(self, path: Path, account: str) -> int:
        """Find the orders of codes from a file, and return the number of codes that no account knows."""
        try:
            data = path.read_bytes()
            lines = data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{path} can't be read ({type(error).__name__}); give a text file of codes.") from None
        try:
            codes = codes_written(lines)
        except InvalidRequest as error:
            raise CommandError(f"{path}: {error.sentence}") from None
        found = find_forgotten(codes, TimeBudget(), account=account)
        self.stdout.write(" ".join(f"{name}={found[name]}" for name in LOOKED_UP))
        return found["unknown"]

    def _report(self, since: date | None, until: date | None) -> None:
        """Print the equation of the books for each currency; raises ``CommandError`` if an equation does not hold, a
        bug.
        """
        broken = []
        for books in all_books(since, until):
            self.stdout.write(f"{books.currency}")
            for name in TERMS:
                self.stdout.write(f"  {name.replace('_', ' '):14}{getattr(books, name):>20,.2f}")
            for text, left, right in books.equations:
                self.stdout.write(f"  {'ok ' if left == right else 'NOT'} {text}: {left:,.2f} and {right:,.2f}")
                broken += [] if left == right else [f"{books.currency} {text}"]
            for age in ages(books.currency, current_time()):
                self.stdout.write(f"  not settled since {age} days: {age.count} payments, {age.amount:,.2f}")
        self.stdout.write(f"open discrepancies: {open_discrepancies()}")
        if broken:
            raise CommandError(f"The books do not add up: {'; '.join(broken)}. Please report this.")
