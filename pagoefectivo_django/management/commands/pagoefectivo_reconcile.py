"""Compare our book of codes with the provider's now."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ...channels import get_channel
from ...conf import conf
from ...flows.balance import TERMS, ages, all_books, open_questions
from ...flows.reconcile import reconcile, watch_again
from ...flows.turn import Turn


class Command(BaseCommand):
    """What the worker does by itself, for whoever wants to see it now."""

    help = (
        "Asks the provider about the codes that are due and applies its answers. Interrupted, it goes on where it was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--all", action="store_true", help="every code that is watched, due or not")
        parser.add_argument("--channel", choices=sorted(conf.channels), help="only the account of this channel")
        parser.add_argument("--report", action="store_true", help="only print the books: nobody is asked")
        parser.add_argument("--since", type=date.fromisoformat, help="with --report: the first day, in Lima")
        parser.add_argument("--until", type=date.fromisoformat, help="with --report: the last day, in Lima")

    def handle(self, *args: Any, all: bool = False, channel: str | None = None, **options: Any) -> None:
        if options["report"]:
            self._report(options["since"], options["until"])
            return
        account = get_channel(channel).account if channel else ""
        now = timezone.now()
        if all:
            self.stdout.write(f"watched={watch_again(now, account)}")
        found = reconcile(Turn(now), account=account, patient=True)
        names = ("asked", "paid", "differ", "lost", "unanswered")
        self.stdout.write(" ".join(f"{name}={found[name]}" for name in names))
        if found["unanswered"]:
            raise CommandError("The provider did not answer about some codes; run it again later, nothing is lost.")

    def _report(self, since: date | None, until: date | None) -> None:
        """Print the equation for each currency; fails if it does not hold, which no data should bring about."""
        broken = []
        for books in all_books(since, until):
            self.stdout.write(f"{books.currency}")
            for name in TERMS:
                self.stdout.write(f"  {name.replace('_', ' '):14}{getattr(books, name):>20,.2f}")
            for text, left, right in books.equations:
                self.stdout.write(f"  {'ok ' if left == right else 'NOT'} {text}: {left:,.2f} and {right:,.2f}")
                broken += [] if left == right else [f"{books.currency} {text}"]
            for age in ages(books.currency, timezone.now()):
                self.stdout.write(f"  not settled since {age} days: {age.count} payments, {age.amount:,.2f}")
        self.stdout.write(f"open discrepancies: {open_questions()}")
        if broken:
            raise CommandError(f"The books do not add up: {'; '.join(broken)}. Please report this.")
