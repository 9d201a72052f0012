"""The OPTIONS of a channel to EBANX, and the signature over each call."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from django.core.checks import Error, Warning

from ...errors import Misconfigured
from ...errors import gettext_noop as _
from ..options import Configured, Fault
from ..reading import encode
from ..rsa import is_certificate, is_private_key, signature

WITHOUT_PACKAGE = "RSA needs a further package too: pip install 'pagoefectivo-django[rsa]'."
TWO_KEYS: Fault = (
    *(Error, "pagoefectivo.E007", "is given beside KEY_ID or PRIVATE_KEY"),
    "EBANX replaces integration keys by signed calls: keep KEY_ID and PRIVATE_KEY, or INTEGRATION_KEY alone.",
)
NO_KEY: Fault = (
    *(Error, "pagoefectivo.E007", "is no RSA private key (PEM) without a password"),
    f"It is the text of the file whose public half EBANX registered. {WITHOUT_PACKAGE}",
)
NO_CERTIFICATE: Fault = (
    *(Error, "pagoefectivo.E003", "is no list of X.509 certificates (PEM)"),
    f"Write each certificate as one text, with its first and last line. {WITHOUT_PACKAGE}",
)
NOT_HEARD: Fault = (
    *(Warning, "pagoefectivo.W012", "is empty, so every notification is refused and payments are found by polling"),
    "List EBANX's public certificate, which its page about notifications offers.",
)
NO_CODES: Fault = (
    *(Error, "pagoefectivo.E008", "is no list of texts"),
    "Such as ['…']; pagoefectivo_doctor shows the code that EBANX answers with.",
)


class EbanxOptions(Configured):
    """A channel with the OPTIONS of an account at EBANX."""

    provider = "ebanx"
    hosts = {"sandbox": "https://sandbox.ebanxpay.com/", "production": "https://api.ebanxpay.com/"}
    other_hosts = {"sandbox.ebanx.com": "sandbox"}
    #: One of two generations of keys: the first name alone, or the other two.
    needed = ("INTEGRATION_KEY", "KEY_ID", "PRIVATE_KEY")
    option_names = (
        *("ENVIRONMENT", "BASE_URL", "TIMEOUT", "ACCOUNT", *needed, "WEBHOOK_CERTIFICATES", "NOT_FOUND_CODES"),
    )

    @classmethod
    def missing(cls, options: Mapping[str, Any]) -> list[str]:
        absent = super().missing(options)
        if "INTEGRATION_KEY" not in absent:
            return []
        return ["INTEGRATION_KEY, or KEY_ID with PRIVATE_KEY,"] if len(absent) == len(cls.needed) else absent[1:]

    @classmethod
    def faults(cls, options: Mapping[str, Any]) -> list[tuple[str, Fault]]:
        key, listed, codes = (options.get(name) for name in ("PRIVATE_KEY", "WEBHOOK_CERTIFICATES", "NOT_FOUND_CODES"))
        whole = isinstance(listed, list | tuple) and len(listed) == len(certificates(options))
        two = bool(options.get("INTEGRATION_KEY")) and len(super().missing(options)) < 2
        wrong = {
            "INTEGRATION_KEY": (TWO_KEYS, two),
            "PRIVATE_KEY": (NO_KEY, bool(key) and not (isinstance(key, str) and is_private_key(key))),
            "WEBHOOK_CERTIFICATES": (NO_CERTIFICATE, not whole) if listed else (NOT_HEARD, True),
            "NOT_FOUND_CODES": (NO_CODES, codes is not None and not _is_list_of_texts(codes)),
        }
        return super().faults(options) + [(name, fault) for name, (fault, is_wrong) in wrong.items() if is_wrong]

    @property
    def keys(self) -> tuple[str, str, str]:
        """The integration key, the id and the text of the private key; raises ``Misconfigured`` unless usable."""
        integration_key, key_id, private_key = (self.key(name) for name in self.needed)
        if integration_key and (key_id or private_key):
            raise Misconfigured(
                _("Channel %(channel)s has two generations of keys in its OPTIONS; leave one out."),
                code="two_generations_of_keys",
                channel=self.alias,
            )
        return integration_key, key_id, private_key

    @property
    def not_found_codes(self) -> frozenset[str]:
        """The error codes by which EBANX says that a payment does not exist."""
        codes = self.options.get("NOT_FOUND_CODES")
        return frozenset(codes if _is_list_of_texts(codes) else ())


def certificates(options: Mapping[str, Any]) -> list[bytes]:
    """Return EBANX's certificates in OPTIONS; what is no certificate verifies nothing and is left out."""
    listed = options.get("WEBHOOK_CERTIFICATES")
    texts = [each for each in listed if isinstance(each, str)] if isinstance(listed, list | tuple) else []
    return [text.encode() for text in texts if is_certificate(text)]


def signed(key_id: str, private_key: str, content: bytes) -> str:
    """Return a detached JWS over a call's body: RS256 over the body itself, not encoded (RFC 7515, 7797)."""
    protected = _base64url(encode({"alg": "RS256", "kid": key_id, "b64": False, "crit": ["b64"]}))
    made = signature(private_key.encode(errors="replace"), protected + b"." + content)
    return (protected + b".." + _base64url(made)).decode()


def _base64url(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def _is_list_of_texts(value: Any) -> TypeGuard[Sequence[str]]:
    return isinstance(value, list | tuple) and all(isinstance(each, str) and each for each in value)
