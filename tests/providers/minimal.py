"""The channel of the manual's page "Add a channel": as short as a channel to a real provider can be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from pagoefectivo_django import strict_json
from pagoefectivo_django.channels.base import Charge, CodeRef, Hint, Incoming, Proof, Report, Trust, fingerprint
from pagoefectivo_django.channels.reading import read_amount, read_code, read_currency, read_mapping, read_moment
from pagoefectivo_django.channels.reading import read_text as text
from pagoefectivo_django.channels.rest import RestChannel, Row
from pagoefectivo_django.channels.signing import signer, unverified
from pagoefectivo_django.errors import Malformed, OutcomeUnknown, Refused
from pagoefectivo_django.states import Fact

WORDS = {"open": Fact.ISSUED, "paid": Fact.PAYMENT, "expired": Fact.CODE_EXPIRED}


class MinimalChannel(RestChannel):
    """A merchant's account at Quipu Pay."""

    provider, title = "quipu", "Quipu Pay"
    hosts: ClassVar = {"sandbox": "https://sandbox.quipu.example/", "production": "https://api.quipu.example/"}
    needed = ("MERCHANT", "API_KEY", "WEBHOOK_SECRETS")
    option_names = ("ENVIRONMENT", "BASE_URL", "TIMEOUT", *needed)
    errors: ClassVar = {
        "amount_too_large": Row("the amount is above the limit", Refused),
        "not_found": Row("unknown", Refused),
    }
    can_look_up = True
    currencies = frozenset(("PEN",))
    log_fields = frozenset(("amount", "code", "currency", "error", "id", "number", "paid_at", "state"))

    @property
    def account_id(self) -> str:
        return self.key("MERCHANT")

    def headers(self, method: str, path: str, content: bytes) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key('API_KEY')}"}

    def error_code(self, said: Mapping[str, Any]) -> str:
        return text(said.get("error"))

    def issue(self, charge: Charge) -> Report:
        asked = {"number": charge.transaction_code, "amount": charge.amount, "currency": charge.currency}
        report = self._report(self.ask("POST", "charges", asked | {"email": charge.payer.email}))
        echo = (report.fact, report.transaction_code, report.amount, report.currency)
        if echo != (Fact.ISSUED, charge.transaction_code, charge.amount, charge.currency):
            raise OutcomeUnknown(f"Quipu Pay made {report.provider_id}, and not as the request says.")
        return report

    def look_up(self, refs: Iterable[CodeRef]) -> dict[CodeRef, Report]:
        found = {}
        for ref in (each for each in refs if each.provider_id):
            try:
                found[ref] = self._report(self.ask("GET", f"charges/{ref.provider_id}"))
            except Refused as error:
                if error.codes != ("not_found",):
                    raise
        return found

    def verify(self, incoming: Incoming) -> Proof:
        signature = incoming.header("Quipu-Signature")
        secret = signer(self.secrets(self.options), incoming.body, signature)
        if secret is None:
            raise unverified(signature)
        kept = Incoming(incoming.body, {"Quipu-Signature": signature})
        return Proof(Trust.SIGNED_BODY, fingerprint(secret), hashlib.sha256(incoming.body).hexdigest(), kept)

    def read(self, incoming: Incoming) -> list[Report | Hint]:
        try:
            report = self._report(read_mapping(strict_json.load(incoming.body).get("charge")))
        except OutcomeUnknown as error:
            raise Malformed(str(error)) from None
        return [report if report.fact == Fact.PAYMENT else Hint(self.account, provider_id=report.provider_id)]

    def _report(self, said: Mapping[str, Any]) -> Report:
        names = {name: text(said.get(name), 64) for name in ("id", "number", "state")}
        amount, code = read_amount(said.get("amount")), read_code(said.get("code"))
        if not (all(names.values()) and amount and code):
            raise OutcomeUnknown("Quipu Pay's answer about a charge can't be read.")
        return Report(
            account=self.account, fact=WORDS.get(names["state"], Fact.UNKNOWN), code=code, provider_id=names["id"],
            transaction_code=names["number"], amount=amount, currency=read_currency(said.get("currency")),
            paid_at=read_moment(said.get("paid_at")), detail=names["state"] if names["state"] not in WORDS else "",
        )  # fmt: skip
