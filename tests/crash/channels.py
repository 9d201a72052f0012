"""A provider that gives money back when it is asked: the sandbox, by its own control endpoint."""

from __future__ import annotations

import requests

from pagoefectivo_django.channels.base import CodeRef, RefundReport
from pagoefectivo_django.channels.pagoefectivo import PagoEfectivoChannel
from pagoefectivo_django.errors import OutcomeUnknown, Refused
from pagoefectivo_django.money import Money


class GivesBack(PagoEfectivoChannel):
    """Once for each payment: asked again, it refuses."""

    can_refund = True

    def refund(self, ref: CodeRef, money: Money, key: str) -> RefundReport:
        url = self.base_url.removesuffix("v1/") + "sandbox/reverse"
        try:
            with requests.Session() as session:
                answer = session.request("POST", url, json={"cip": int(ref.code)}, headers={}, timeout=20)
        except requests.RequestException as error:
            raise OutcomeUnknown(f"No answer ({type(error).__name__}).") from None
        if answer.status_code != 200:
            raise Refused(f"The provider answered {answer.status_code}.")
        return RefundReport()
