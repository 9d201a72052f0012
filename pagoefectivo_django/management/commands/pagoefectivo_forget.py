"""The command ``pagoefectivo_forget``: forgets old personal data, erases a payer, or prints a payer's data."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any, TypedDict

from django.core.management.base import BaseCommand, CommandError
from django.views.decorators.debug import sensitive_variables

from ...errors import InvalidRequest
from ...flows.outbox.budget import TimeBudget
from ...flows.privacy.erase import erase_payer, hand_out
from ...flows.privacy.forget import forget
from ..user import name_of_user


class Whom(TypedDict):
    """The payer, by e-mail address or by document number; the unused key is ""."""

    email: str
    document_number: str


class Command(BaseCommand):
    """Without arguments, forgets all personal data past its age at once, as the worker does little by little."""

    help = "Forgets personal data by age; --erase takes one payer out of all orders, --export prints what is kept."

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--erase", metavar="EMAIL", help="take this payer out of every order")
        which.add_argument("--export", metavar="EMAIL", help="print what is kept of this payer, as JSON")
        parser.add_argument("--document", action="store_true", help="what is given is a document's number")
        parser.add_argument("--reason", default="", help="why somebody is erased; kept in the orders' history")

    @sensitive_variables()
    def handle(self, *args: Any, **options: Any) -> None:
        given = options["erase"] or options["export"] or ""
        whom = Whom(email="", document_number=given) if options["document"] else Whom(email=given, document_number="")
        try:
            if options["export"]:
                found = hand_out(**whom, actor=name_of_user())
                self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2, default=str))
            elif options["erase"]:
                done = erase_payer(**whom, actor=name_of_user(), reason=options["reason"])
                self.stdout.write(f"{len(done.erased)} order(s) name nobody any more.")
                if done.kept:
                    orders = ", ".join(done.kept)
                    self.stdout.write(f"{len(done.kept)} follow when nothing needs their payer: {orders}")
            else:
                self.stdout.write(f"{forget(TimeBudget())} row(s) were forgotten.")
        except InvalidRequest as error:
            raise CommandError(error.sentence, returncode=2) from None
