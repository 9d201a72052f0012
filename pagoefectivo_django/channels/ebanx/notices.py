"""EBANX's notifications: a form that names payments by their hashes, under RSA with SHA-1."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence
from urllib.parse import parse_qs

from ...errors import Malformed
from ...errors import gettext_noop as _
from .. import failures
from ..base import Hint, Incoming, Proof, Trust
from ..rsa import verifies
from ..signing import unverified

HEADER = "X-SignatureContent"


def verify(incoming: Incoming, certificates: Sequence[bytes], name_of: Callable[[bytes], str]) -> Proof:
    """Return the proof that the key of one of EBANX's certificates signed the body.

    SHA-1 is not collision-resistant, so the sender is proven and the content is not. The headers that name a digest and
    a certificate choose nothing: they are not signed.
    """
    text = incoming.header(HEADER)
    try:
        signature = base64.b64decode(text.encode(errors="replace"), validate=True)
    except binascii.Error:
        signature = b""
    for certificate in certificates if signature else ():
        if verifies(certificate, signature, incoming.body, "SHA1"):
            kept = Incoming(incoming.body, {HEADER: text})
            identity = hashlib.sha256(incoming.body).hexdigest()
            return Proof(Trust.SIGNED_SENDER, name_of(certificate), identity, kept)
    raise unverified(text)


def read(incoming: Incoming, account: str) -> list[Hint]:
    """Return a hint for each payment that a notification names; raises ``Malformed`` without any, or for no hash.

    The words for the kind of news (update, refund, chargeback) say nothing that the look-up does not say better.
    """
    try:
        form = parse_qs(incoming.body.decode("ascii"), strict_parsing=True, max_num_fields=100)
    except ValueError:
        raise Malformed(_("The notification is no form."), code="notification_no_form") from None
    hashes = [each.strip() for value in form.get("hash_codes", []) for each in value.split(",")]
    if not hashes or not all(re.fullmatch("[0-9A-Za-z]{1,64}", each) for each in hashes):
        raise failures.names_nothing()
    return [Hint(account, provider_id=each) for each in dict.fromkeys(hashes)]
