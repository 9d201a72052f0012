"""The command ``pagoefectivo_settle``: imports a statement of the provider."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count
from django.views.decorators.debug import sensitive_variables

from ...actors import IMPORT
from ...conf import conf
from ...errors import PagoEfectivoError
from ...flows.outbox.budget import TimeBudget
from ...flows.settlements.imports import confirm_settlement, discard_settlement, match_settlement, read_settlement, told
from ...models import Settlement
from ...money import CURRENCIES
from ...states import LineStatus, SettlementStatus
from ...wording.reading import reading_lines


class Command(BaseCommand):
    """Shows how a file is read, then imports the file; importing the same file again changes nothing."""

    help = (
        "Reads a statement (PagoEfectivo's CIP report, its settlement text, or one of PAGOEFECTIVO['STATEMENTS']), "
        "shows how, and matches its lines. Killed, it goes on when run again; so does the worker."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the file")
        parser.add_argument("--channel", default="", choices=["", *sorted(conf.channels)], help="whose statement it is")
        parser.add_argument("--format", default="", help="where it can't be detected")
        parser.add_argument("--currency", default="", choices=["", *CURRENCIES], help="where the file doesn't say")
        parser.add_argument("--decimal", default="", choices=["", ".", ","], help="where it can't be detected")
        parser.add_argument("--reference", default="", help="the transfer's number; default: the file's name")
        parser.add_argument("--date", type=date.fromisoformat, help="the day it counts for; default: today in Lima")
        parser.add_argument("--preview", action="store_true", help="only show how it is read")
        parser.add_argument("--skip-bad", action="store_true", help="leave out lines that can't be read")

    @sensitive_variables()
    def handle(self, *args: Any, file: str, preview: bool, skip_bad: bool, **options: Any) -> None:
        try:
            with open(file, "rb") as source:
                settlement = read_settlement(
                    source,
                    file,
                    actor=IMPORT,
                    channel=options["channel"],
                    format=options["format"],
                    currency=options["currency"],
                    decimal=options["decimal"],
                    reference=options["reference"],
                    dated=options["date"],
                    progress=lambda lines: self._progress("read", lines),
                )
            self._show(settlement)
            if settlement.status == SettlementStatus.DRAFT:
                settlement = self._confirm(settlement, preview=preview, skip_bad=skip_bad)
            if not preview and settlement.status == SettlementStatus.MATCHING:
                matched = match_settlement(
                    settlement,
                    TimeBudget(),
                    patient=True,
                    progress=lambda line: self._progress("matched up to line", line),
                )
                self._tell(matched)
        except OSError as error:
            raise CommandError(f"{file} can't be opened: {error.strerror}.") from None
        except PagoEfectivoError as error:
            raise CommandError(error.sentence) from None

    def _confirm(self, draft: Settlement, *, preview: bool, skip_bad: bool) -> Settlement:
        try:
            return draft if preview else confirm_settlement(draft, skip_bad=skip_bad)
        finally:
            if Settlement.objects.filter(pk=draft.pk, status=SettlementStatus.DRAFT).exists():
                discard_settlement(draft)

    def _show(self, settlement: Settlement) -> None:
        for line in reading_lines(settlement.reading):
            self.stdout.write(line)
        self.stdout.write(
            f"{settlement.get_kind_display()} {settlement} of {settlement.account}, {settlement.dated}, "
            f"{settlement.currency}: lines={settlement.line_count} bad={settlement.fault_count}"
        )
        if settlement.fault_count:
            self.stdout.write(told(settlement))
        if settlement.status == SettlementStatus.DONE:
            self.stdout.write(f"This file was imported on {settlement.created_at:%Y-%m-%d}; nothing changes.")

    def _tell(self, settlement: Settlement) -> None:
        counts = dict(settlement.lines.values_list("status").annotate(count=Count("pk")).order_by())
        self.stdout.write(" ".join(f"{status}={counts.get(status, 0)}" for status in LineStatus.values))

    def _progress(self, what: str, count: int) -> None:
        if self.stdout.isatty():
            self.stdout.write(f"{what}: {count:,}", ending="\r")
