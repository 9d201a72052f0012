"""Pagadito's messages: an RSA signature over a text with the CRC-32 of the body, which proves the sender."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import zlib

from ... import strict_json
from ...errors import Malformed
from .. import failures, rsa
from ..base import Hint, Incoming, Proof, Trust, fingerprint
from ..reading import read_mapping, read_text
from ..signing import unverified
from . import certificates
from .rows import DIGESTS

logger = logging.getLogger("pagoefectivo.webhook")

ID, TIMESTAMP, ALGORITHM, ADDRESS, SIGNATURE = HEADERS = (
    *("PAGADITO-NOTIFICATION-ID", "PAGADITO-NOTIFICATION-TIMESTAMP", "PAGADITO-AUTH-ALGO", "PAGADITO-CERT-URL"),
    "PAGADITO-SIGNATURE",
)


def verify(incoming: Incoming, wsk: bytes, base_url: str) -> Proof:
    """Return the proof of a message signed by a certificate at an address of Pagadito's; else ``InvalidSignature``.

    A CRC-32 is no collision-resistant digest, so the sender is proven and the content is not. Raises ``Unavailable``
    where the certificate can't be fetched: such a message is not forged, and the sender shall repeat it.
    """
    headers = {name: incoming.header(name).strip() for name in HEADERS}
    refusal = unverified(headers[SIGNATURE])
    digest, signature = DIGESTS.get(headers[ALGORITHM].lower()), _decoded(headers[SIGNATURE])
    text = signed_text(headers, incoming.body)
    if not text or not signature or not certificates.is_pagaditos(headers[ADDRESS], base_url):
        raise refusal
    if not digest:
        named = "".join(letter for letter in headers[ALGORITHM] if letter.isalnum() or letter in "-_")[:40]
        logger.warning("A message names the signature algorithm %s, which is not among the known ones.", named)
        raise refusal
    if not rsa.verifies(certificates.fetch(headers[ADDRESS]), signature, text + wsk, digest):
        raise refusal
    kept = Incoming(incoming.body, headers)
    return Proof(Trust.SIGNED_SENDER, fingerprint(wsk), hashlib.sha256(text).hexdigest(), kept)


def signed_text(headers: dict[str, str], body: bytes) -> bytes:
    """Return the text that Pagadito signs, up to the WSK; empty for a body that is no JSON object."""
    try:
        event = read_text(strict_json.load(body).get("id"))
    except Malformed:
        return b""
    return "|".join((headers[ID], headers[TIMESTAMP], event, str(zlib.crc32(body)), "")).encode(errors="replace")


def read(body: bytes, account: str) -> Hint:
    """Return our number that a message names, as a hint; raises ``Malformed`` for a message without."""
    resource = read_mapping(strict_json.load(body).get("resource"))
    if number := read_text(resource.get("ern")):
        return Hint(account, transaction_code=number)
    raise failures.names_nothing()


def _decoded(signature: str) -> bytes:
    try:
        return base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return b""
