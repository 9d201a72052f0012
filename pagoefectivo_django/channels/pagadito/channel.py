"""The channel to Pagadito: one method for each call of the protocol (aggregators 4.3, additions B.5)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.core.checks import Error

from ...errors import OutcomeUnknown, Refused, Unavailable
from ...states import Fact
from .. import failures, rsa
from ..base import Charge, CodeRef, Examination, Hint, Incoming, Presents, Proof, Report
from ..options import Fault
from ..reading import clean, read_address, read_mapping, read_text
from ..rest import RestChannel
from . import notices
from .rows import ERRORS, FACTS, NO_TRANSACTION

REGISTERED, STATUS_TOLD = "PG1002", "PG1003"
NO_RSA: Fault = (
    *(Error, "pagoefectivo.E007", "is of no use for messages, since the package cryptography is missing"),
    "pip install 'pagoefectivo-django[rsa]'.",
)


class PagaditoChannel(RestChannel):
    """An account at Pagadito, which presents a link that lasts ten minutes; orders are in USD alone.

    OPTIONS: ``UID``, ``WSK`` (needed); ``ENVIRONMENT`` (``sandbox`` or ``production``) or ``BASE_URL``, whose origin
    then counts as Pagadito's for the certificates of messages; ``TIMEOUT`` (8 s); ``ACCOUNT``, a name for the account
    in our records (``main``).

    Assumptions, where the sources are silent: a token stands for the amount of its request, since an answer about the
    status names none; a token has at most 64 characters; ``url_product`` may be left out; the error codes of the older
    interface hold (``rows``); ``date_trans``, whose zone is unknown, is not read.
    """

    provider, title = "pagadito", "Pagadito"
    hosts = {
        "sandbox": "https://sandbox-connect.pagadito.com/api/v2/",
        "production": "https://connect.pagadito.com/api/v2/",
    }
    needed = ("UID", "WSK")
    option_names = ("ENVIRONMENT", "BASE_URL", "TIMEOUT", "ACCOUNT", *needed)
    errors = ERRORS
    errors_in_success = True
    can_look_up = True
    presents = Presents.LINK
    currencies = frozenset({"USD"})
    life = timedelta(minutes=10)
    log_fields = frozenset(
        ("amount", "code", "currency", "date_trans", "ern", "extended_expiration", "price", "quantity", "status")
    )

    @property
    def batch_size(self) -> int:
        return min(super().batch_size, self.most_calls)

    def issue(self, charge: Charge) -> Report:
        title = clean(charge.concept, 100) or charge.transaction_code
        wanted = {
            "ern": charge.transaction_code,
            "amount": charge.amount,
            "currency": charge.currency,
            "details": [{"quantity": 1, "description": title, "price": charge.amount}],
        }
        data = self._told(self.ask("POST", "exec-trans", wanted), REGISTERED)
        token, url = read_text(data.get("token"), 64), read_address(data.get("url"))
        if not token or not url:
            raise failures.unreadable(self.title)
        return Report(
            account=self.account,
            fact=Fact.ISSUED,
            transaction_code=charge.transaction_code,
            amount=charge.amount,
            currency=charge.currency,
            provider_id=token,
            url=url,
        )

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        """Return Pagadito's reports on tokens, one call for each; an error in one is an error in all."""
        found: dict[CodeRef, Report] = {}
        for ref in refs:
            if not ref.provider_id:
                continue
            try:
                said = self.ask("POST", "get-status", {"token": ref.provider_id}, repeatable=True)
            except Refused as error:
                if error.codes != (NO_TRANSACTION,):
                    raise
                continue
            found[ref] = self._report(ref, self._told(said, STATUS_TOLD))
        return found

    def verify(self, incoming: Incoming) -> Proof:
        further = self.base_url if self.options.get("BASE_URL") else ""
        return notices.verify(incoming, self.key("WSK").encode(), further)

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        return [notices.read(incoming.body, self.account)]

    def examine(self) -> Examination:
        try:
            self.ask("POST", "get-status", {"token": "pagoefectivo-django"}, repeatable=True)  # nosec B105 # no password
        except OutcomeUnknown as error:
            raise error.recast(Unavailable) from None
        except Refused:
            pass  # a no to a token of nobody's, after the keys were taken
        return Examination(urlsplit(self.base_url).netloc, None)

    def headers(self, method: str, path: str, content: bytes) -> dict[str, str]:
        pair = f"{self.key('UID')}:{self.key('WSK')}".encode(errors="replace")
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    def error_code(self, said: Mapping[str, Any]) -> str:
        code = read_text(said.get("code"))
        return code if re.fullmatch("PG[2-9][0-9]{3}", code) else ""

    @classmethod
    def secrets(cls, options: Mapping[str, Any]) -> list[bytes]:
        """Return the secret without which nobody knows the text that is signed: the WSK."""
        return super().secrets({"WEBHOOK_SECRETS": options.get("WSK")})

    @classmethod
    def faults(cls, options: Mapping[str, Any]) -> list[tuple[str, Fault]]:
        return super().faults(options) + ([] if rsa.is_installed() else [("WSK", NO_RSA)])

    def _told(self, said: Mapping[str, Any], code: str) -> dict[str, Any]:
        """Return the data of an answer with a code of success; raises ``OutcomeUnknown`` for any other answer."""
        if read_text(said.get("code")) == code and (data := read_mapping(said.get("data"))):
            return data
        raise failures.unreadable(self.title)

    def _report(self, ref: CodeRef, data: Mapping[str, Any]) -> Report:
        """Return the state of a token; raises ``OutcomeUnknown`` for an answer without one."""
        if not (status := read_text(data.get("status"))):
            raise failures.unreadable(self.title)
        fact = FACTS.get(status, Fact.UNKNOWN)
        return Report(
            account=self.account,
            fact=fact,
            provider_id=ref.provider_id,
            as_issued=fact == Fact.PAYMENT,
            operation_number=read_text(data.get("reference")),
            detail="" if fact in (Fact.ISSUED, Fact.PAYMENT) else clean(status, 40),
        )
