"""Compare our book of codes with the provider's now."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ...channels import get_channel
from ...conf import conf
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

    def handle(self, *args: Any, all: bool = False, channel: str | None = None, **options: Any) -> None:
        account = get_channel(channel).account if channel else ""
        now = timezone.now()
        if all:
            self.stdout.write(f"watched={watch_again(now, account)}")
        found = reconcile(Turn(now), account=account, patient=True)
        names = ("asked", "paid", "differ", "lost", "unanswered")
        self.stdout.write(" ".join(f"{name}={found[name]}" for name in names))
        if found["unanswered"]:
            raise CommandError("The provider did not answer about some codes; run it again later, nothing is lost.")
