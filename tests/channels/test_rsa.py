"""RSA signatures agree with the library's own, and nothing that is no key is taken for one."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from pagoefectivo_django.channels.rsa import is_certificate, is_private_key, signature, verifies
from pagoefectivo_django.errors import Misconfigured

BODY = b'{"id": 1}'


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    formats = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(*formats)


def certificate(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "made-up")])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
    signed = built.not_valid_after(datetime(2040, 1, 1, tzinfo=UTC)).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize("digest", ["SHA1", "SHA256"])
def test_verifies_what_the_key_signed_and_nothing_else(key: rsa.RSAPrivateKey, digest: str) -> None:
    signed = key.sign(BODY, padding.PKCS1v15(), getattr(hashes, digest)())
    assert verifies(certificate(key), signed, BODY, digest)
    assert not verifies(certificate(key), signed, BODY + b" ", digest)
    assert not verifies(certificate(key), b"", BODY, digest)
    assert not verifies(certificate(rsa.generate_private_key(65537, 2048)), signed, BODY, digest)


def test_signs(key: rsa.RSAPrivateKey) -> None:
    key.public_key().verify(signature(pem(key), BODY), BODY, padding.PKCS1v15(), hashes.SHA256())


def test_what_is_no_key_is_told(key: rsa.RSAPrivateKey) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    assert is_private_key(pem(key).decode())
    assert is_certificate(certificate(key).decode())
    for text in ("", "x", pem(key)[:-40].decode(), certificate(key).decode(), pem(other).decode(), "é\ud800"):
        assert not is_private_key(text)
    for text in ("", "x", certificate(key)[:-40].decode(), pem(key).decode()):
        assert not is_certificate(text)
    with pytest.raises(Misconfigured):
        verifies(certificate(other), b"", BODY, "SHA256")
    with pytest.raises(Misconfigured):
        verifies(b"", b"", BODY, "SHA256")
