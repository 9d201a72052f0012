"""SMS by Sinch's REST API.

Facts: developers.sinch.com, "SMS API reference": ``POST /xms/v1/{service_plan_id}/batches`` with a bearer token, and
"HTTP status codes for the SMS REST API": a refusal is ``{"code": …, "text": …}``; its text may repeat the number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from django.core.checks import CheckMessage, Error

from ..channels.http import Answer, Call, Deadline, send
from ..conf import host_of
from ..errors import Misconfigured, OutcomeUnknown, Refused, Unavailable
from ..errors import gettext_noop as _
from ..texts import visible
from .base import Carrier

#: The regions of Sinch's servers; an account belongs to one region.
REGIONS = ("us", "eu", "au", "br", "ca")
NEEDED = ("SERVICE_PLAN_ID", "API_TOKEN", "FROM")
#: Seconds for an answer.
TIMEOUT = 10.0
#: Refusals with status 403 that concern the number and not the account.
ABOUT_THE_NUMBER = ("illegal_number_type",)


class SinchCarrier(Carrier):
    """A service plan at Sinch.

    OPTIONS: ``SERVICE_PLAN_ID``, ``API_TOKEN``, ``FROM`` (a number, short code or name that Sinch has registered for
    the plan), ``REGION`` (``us`` by default) or ``BASE_URL``.
    """

    option_names = (*NEEDED, "REGION", "BASE_URL")

    @classmethod
    def check(cls, alias: str, options: Mapping[str, Any]) -> list[CheckMessage]:
        found: list[CheckMessage] = [
            Error(
                f"{name} of carrier {alias!r} is missing.",
                hint="Add it to OPTIONS; Sinch's dashboard shows it.",
                id="pagoefectivo.E001",
            )
            for name in _missing(options)
        ]
        found += [
            Error(
                f"{name} of carrier {alias!r} is no text, or has a blank or something invisible at its end.",
                hint="Copy it once more from Sinch's dashboard.",
                id="pagoefectivo.E007",
            )
            for name in NEEDED
            if options.get(name) not in (None, "") and not _is_key(options[name])
        ]
        if options.get("BASE_URL") and not host_of(options["BASE_URL"]):
            problem = f"BASE_URL of carrier {alias!r} is not an address."
            found.append(Error(problem, hint="It begins with https://.", id="pagoefectivo.E007"))
        if not options.get("BASE_URL") and options.get("REGION", "us") not in REGIONS:
            problem = f"REGION of carrier {alias!r} is unknown."
            hint = f"Use one of {', '.join(REGIONS)}, or set BASE_URL."
            found.append(Error(problem, hint=hint, id="pagoefectivo.E007"))
        return found

    def send(self, to: str, text: str) -> None:
        if missing := _missing(self.options):
            raise Misconfigured(
                _("Carrier %(carrier)s lacks %(names)s in its OPTIONS."),
                code="carrier_options_missing",
                carrier=self.alias,
                names=", ".join(missing),
            )
        base = self.options.get("BASE_URL") or f"https://{self.options.get('REGION', 'us')}.sms.api.sinch.com"
        batch = {"from": str(self.options["FROM"]), "to": [to], "body": text}
        call = Call(
            method="POST",
            url=f"{str(base).rstrip('/')}/xms/v1/{quote(str(self.options['SERVICE_PLAN_ID']), safe='')}/batches",
            timeout=TIMEOUT,
            headers={"Content-Type": "application/json"},
            content=json.dumps(batch).encode(),
            bearer=str(self.options["API_TOKEN"]),
        )
        _judge(send(call, Deadline(TIMEOUT)))


def _judge(answer: Answer) -> None:
    """Raise the error that an answer means, or return after a success."""
    if answer.status in (200, 201):
        return
    code = _code(answer)
    said = f"{answer.status} {code}".rstrip()
    if answer.status == 400 or code in ABOUT_THE_NUMBER:
        raise Refused(
            _("Sinch answered %(answer)s: this text or number is not taken."),
            code="text_refused",
            codes=(code,),
            answer=said,
        )
    if answer.status in (401, 403, 404):
        raise Misconfigured(
            _(
                "Sinch answered %(answer)s: check SERVICE_PLAN_ID, API_TOKEN, FROM and REGION of the carrier, and your "
                "account."
            ),
            code="carrier_refuses_keys",
            answer=said,
        )
    if answer.status == 429:
        raise Unavailable(
            _("Sinch answered %(answer)s: too many texts at once; this one is sent later."),
            code="carrier_too_busy",
            answer=said,
        )
    raise OutcomeUnknown(
        _("Sinch answered %(answer)s: the text may or may not have been sent."), code="text_perhaps_sent", answer=said
    )


def _code(answer: Answer) -> str:
    """Return Sinch's error code of a refusal, or an empty text, without the refusal's text: a number may be inside."""
    try:
        code = str(json.loads(answer.body)["code"])
    except (ValueError, KeyError, TypeError):
        return ""
    return code if re.fullmatch("[a-z_]{1,60}", code) else ""


def _missing(options: Mapping[str, Any]) -> list[str]:
    return [name for name in NEEDED if options.get(name) in (None, "")]


def _is_key(value: Any) -> bool:
    text = str(value)
    return type(value) in (str, int) and text.isprintable() and text == visible(text).strip()
