"""Do whatever is due, for ever."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from ...flows import tick

#: Seconds between two rounds in which nothing was due.
PAUSE = 1.0


class Command(BaseCommand):
    """A plain loop over ``tick``; any number of them may run."""

    help = "Applies waiting notifications, delivers events and asks providers, until it is stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="do one round and end")

    def handle(self, *args: Any, once: bool = False, **options: Any) -> None:
        try:
            while True:
                done = tick()
                if done:
                    self.stdout.write(str(done))
                if once:
                    return
                if not done:
                    time.sleep(PAUSE)
        except KeyboardInterrupt:
            return
