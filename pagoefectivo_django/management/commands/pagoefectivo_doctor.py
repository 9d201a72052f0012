"""The command ``pagoefectivo_doctor``: reports obstacles to being paid, with remedies."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from django.views.decorators.debug import sensitive_variables

from ...doctor import Finding, Verdict, examine


class Command(BaseCommand):
    """Prints the doctor's findings. Exit code 0: no failure; 1: at least one failure."""

    help = "Looks at settings, database, cache, worker, provider, webhook and mail; moves no money, sends no message."
    requires_system_checks = ()  # the first step runs them; a failing check must not stop the later steps

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print a list of findings for programs")

    @sensitive_variables()
    def handle(self, *args: Any, **options: Any) -> None:
        found, for_people = list[Finding](), not options["json"]
        for finding in examine():
            found.append(finding)
            if for_people:
                self._print(finding)
        failed = sum(finding.verdict == Verdict.FAILURE for finding in found)
        if not for_people:
            self.stdout.write(json.dumps([asdict(finding) for finding in found], ensure_ascii=False, indent=2))
        else:
            self.stdout.write(f"{failed} failure(s) among {len(found)} findings.")
        if failed:
            raise SystemExit(1)

    def _print(self, finding: Finding) -> None:
        style = {Verdict.OK: self.style.SUCCESS, Verdict.WARNING: self.style.WARNING, Verdict.FAILURE: self.style.ERROR}
        self.stdout.write(f"{style[finding.verdict](f'{finding.verdict.value:8}')} {finding.step}: {finding.seen}")
        if finding.hint:
            self.stdout.write(f"         {finding.hint}")
