"""HMAC-SHA256 signatures in hex, as most providers sign their messages."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from ..errors import InvalidSignature, Unsigned
from ..errors import gettext_noop as _


def hex_hmac(secret: bytes, content: bytes) -> str:
    """Return the signature of bytes by a secret: HMAC-SHA256 in hex, in small letters."""
    return hmac.new(secret, content, hashlib.sha256).hexdigest()


def signer(secrets: Iterable[bytes], content: bytes, *signatures: str) -> bytes | None:
    """Return the secret that made one of the signatures over bytes, compared in constant time; None if no secret did.

    A text that is no signature, such as an empty one or one beyond ASCII, is nobody's.
    """
    given = [each.lower().encode(errors="replace") for each in signatures]
    for secret in secrets:
        signed = hex_hmac(secret, content).encode()
        if any(hmac.compare_digest(signed, each) for each in given):
            return secret
    return None


def unverified(header: str) -> InvalidSignature:
    """Return the error for a message that no secret verifies: one for every reason, so that a forger learns nothing.

    ``header``: what came in place of the signature; an empty text makes the message ``Unsigned``.
    """
    kind = InvalidSignature if header.strip() else Unsigned
    return kind(_("The notification has no valid signature."), code="signature_invalid")
