"""The OPTIONS of a PagoEfectivo channel beside those of every channel to an HTTP API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.checks import Error, Warning
from django.core.exceptions import ValidationError

from ...errors import Misconfigured
from ...errors import gettext_noop as _
from ...payer import check_email
from ..options import Configured, Fault

#: Headers that each call sets itself.
TAKEN = ("accept-language", "authorization", "content-length", "content-type", "host", "origin", "transfer-encoding")
ODD = "Compare it with what PagoEfectivo gave you: it may be cut, or in the place of another key."
WRONG: dict[str, Fault] = {
    "REQUEST_ID_HEADER": (
        Error,
        "pagoefectivo.E007",
        "is not a header's name, or one that each call needs for itself",
        "Such as 'X-Request-ID'; '' sends none.",
    ),
    "ADMIN_EMAIL": (
        Error,
        "pagoefectivo.E007",
        "is not an e-mail address of at most 100 characters",
        "PagoEfectivo would refuse every code for it; one address without a name, or leave it out.",
    ),
    "SERVICE_ID": (Error, "pagoefectivo.E007", "is not a whole number", "Write it as an int."),
    "ACCESS_KEY": (Warning, "pagoefectivo.W001", "does not have 20 letters and digits", ODD),  # protocol 2.1
    "SECRET_KEY": (Warning, "pagoefectivo.W001", "does not have 40 characters of the base64 alphabet", ODD),
}


@dataclass(frozen=True)
class Keys:
    """The keys given to a merchant by PagoEfectivo."""

    service_id: int
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


class PagoEfectivoOptions(Configured):
    """A channel with the OPTIONS of a service at PagoEfectivo."""

    provider = "pagoefectivo"
    #: The base addresses of protocol 1.1.
    hosts = {
        "sandbox": "https://pre1a.services.pagoefectivo.pe/v1/",
        "production": "https://services.pagoefectivo.pe/v1/",
    }
    #: The obsolete sandbox without TLS.
    other_hosts = {"pre.services.pagoefectivo.pe": "sandbox"}
    needed = ("SERVICE_ID", "ACCESS_KEY", "SECRET_KEY")

    @property
    def account_id(self) -> str:
        return str(self.service_id)

    @property
    def service_id(self) -> int:
        if not (service_id := _service_id(self.options)):
            raise Misconfigured(
                _("Channel %(channel)s has no SERVICE_ID that is a whole number in its OPTIONS."),
                code="service_id_no_number",
                channel=self.alias,
            )
        return service_id

    @property
    def keys(self) -> Keys:
        access_key, secret_key = self.key("ACCESS_KEY"), self.key("SECRET_KEY")
        return Keys(self.service_id, access_key, secret_key)

    @classmethod
    def secrets(cls, options: Mapping[str, Any]) -> list[bytes]:
        """Return the secrets that may sign a notification: by default the secret key alone."""
        given = options.get("WEBHOOK_SECRETS")
        return super().secrets({"WEBHOOK_SECRETS": options.get("SECRET_KEY") if given is None else given})

    @classmethod
    def faults(cls, options: Mapping[str, Any]) -> list[tuple[str, Fault]]:
        access_key, secret_key = str(options.get("ACCESS_KEY") or ""), str(options.get("SECRET_KEY") or "")
        header = str(options.get("REQUEST_ID_HEADER") or "")
        wrong = {
            "REQUEST_ID_HEADER": re.fullmatch("[A-Za-z0-9-]*", header) is None or header.lower() in TAKEN,
            "ADMIN_EMAIL": bool(options.get("ADMIN_EMAIL")) and not _is_email(options["ADMIN_EMAIL"]),
            "SERVICE_ID": "SERVICE_ID" not in cls.missing(options) and not _service_id(options),
            "ACCESS_KEY": access_key and not re.fullmatch("[A-Za-z0-9]{20}", access_key),
            "SECRET_KEY": secret_key and not re.fullmatch("[A-Za-z0-9+/=]{40}", secret_key),
        }
        return super().faults(options) + [(name, WRONG[name]) for name, is_wrong in wrong.items() if is_wrong]


def _service_id(options: Mapping[str, Any]) -> int:
    """Return SERVICE_ID as an int, 0 if it is no whole number; environment variables give digits as text."""
    digits = str(options.get("SERVICE_ID"))
    return int(digits) if re.fullmatch("[0-9]{1,18}", digits) else 0


def _is_email(value: Any) -> bool:
    try:
        return isinstance(value, str) and check_email(value) == value
    except ValidationError:
        return False
