"""RSA signatures, by the library ``cryptography`` (extra ``rsa``), imported when a signature is first needed."""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from ..errors import Misconfigured
from ..errors import gettext_noop as _


def verifies(certificate: bytes, signature: bytes, content: bytes, digest: str) -> bool:
    """Return whether the key of an X.509 certificate (PEM) made a signature (PKCS #1 v1.5) over bytes.

    ``digest`` is ``SHA1`` or ``SHA256``. Raises ``Misconfigured`` for a certificate that can't be read.
    """
    library = _library()
    try:
        key = library.x509.load_pem_x509_certificate(certificate).public_key()
        key.verify(signature, content, library.padding.PKCS1v15(), getattr(library.hashes, digest)())
    except library.InvalidSignature:
        return False
    except (ValueError, TypeError, AttributeError):  # no certificate, or one of a key that is not RSA
        raise Misconfigured(
            _("A certificate can't be read, or its key is not an RSA key."), code="certificate_unreadable"
        ) from None
    return True


def signature(private_key: bytes, content: bytes) -> bytes:
    """Return the signature (PKCS #1 v1.5, SHA-256) of a private key (PEM) over bytes; ``Misconfigured`` for no key."""
    library = _library()
    try:
        key = _key(private_key)
        return bytes(key.sign(content, library.padding.PKCS1v15(), library.hashes.SHA256()))
    except (ValueError, TypeError, AttributeError, library.UnsupportedAlgorithm):
        raise Misconfigured(
            _("The private key can't be read, or is not an RSA key without a password."), code="private_key_unreadable"
        ) from None


@lru_cache(maxsize=8)
def _key(private_key: bytes) -> Any:
    """Return the library's key. Reading checks the key's numbers, which takes longer than a signature."""
    return _library().serialization.load_pem_private_key(private_key, password=None)


def is_installed() -> bool:
    """Return whether the package ``cryptography`` is there."""
    try:
        _library()
    except Misconfigured:
        return False
    return True


def is_certificate(text: str) -> bool:
    """Return whether a text is an X.509 certificate (PEM); False, too, where the package is missing."""
    try:
        _library().x509.load_pem_x509_certificate(text.encode(errors="replace"))
    except (ValueError, Misconfigured):
        return False
    return True


def is_private_key(text: str) -> bool:
    """Return whether a text is an RSA private key (PEM) without a password."""
    try:
        signature(text.encode(errors="replace"), b"")
    except Misconfigured:
        return False
    return True


def _library() -> SimpleNamespace:
    """Return the parts of ``cryptography`` that are used; raises ``Misconfigured`` where the package is missing."""
    try:
        from cryptography import x509
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding
    except ImportError:
        raise Misconfigured(
            _("RSA needs a further package: pip install 'pagoefectivo-django[rsa]'."), code="rsa_not_installed"
        ) from None
    return SimpleNamespace(
        x509=x509, InvalidSignature=InvalidSignature, UnsupportedAlgorithm=UnsupportedAlgorithm,
        hashes=hashes, serialization=serialization, padding=padding,
    )  # fmt: skip
