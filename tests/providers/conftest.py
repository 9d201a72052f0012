"""The providers, each in a process of its own, one for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.cache import cache

from pagoefectivo_django.channels.pagoefectivo import authorizations
from tests.sandbox.running import Client, running

from .control import Hinting, Linking, PagoEfectivo, hinting
from .linking_server import linking_provider


@pytest.fixture(scope="module")
def _sandbox() -> Iterator[PagoEfectivo]:
    other = PagoEfectivo.OTHER
    keys = ["--access-key", other["ACCESS_KEY"], "--secret-key", other["SECRET_KEY"]]
    with running("--service-id", "1234", "--service-id", other["SERVICE_ID"], *keys) as process:
        yield PagoEfectivo(process)


@pytest.fixture
def sandbox(_sandbox: PagoEfectivo) -> PagoEfectivo:
    """The sandbox, and no token from a test before."""
    for store in (authorizations._tokens, authorizations._locks, authorizations._warned):
        store.clear()
    cache.clear()
    return _sandbox


@pytest.fixture(scope="module")
def dialects() -> Iterator[Client]:
    """The sandbox, whose dialects the controls of further providers move."""
    with running() as process:
        yield process


@pytest.fixture(scope="module")
def hinter() -> Iterator[Hinting]:
    with hinting() as control:
        yield control


@pytest.fixture
def linker() -> Iterator[Linking]:
    with linking_provider() as provider:
        yield Linking(provider)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and its certificate, which nobody but the key itself has signed."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
    built = built.not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = built.add_extension(here, critical=True).sign(key, hashes.SHA256())
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path_factory.mktemp("tls") / "self-signed.pem"
    file.write_bytes(encoded + made.public_bytes(serialization.Encoding.PEM))
    return file
