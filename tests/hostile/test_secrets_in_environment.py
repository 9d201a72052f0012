"""Kind 12: a blank after a comma is none of the secret that follows."""

from __future__ import annotations

from typing import Any

import environ
import pytest

from pagoefectivo_django.conf import from_env

KEYS = {
    "PAGOEFECTIVO_SERVICE_ID": "1234",
    "PAGOEFECTIVO_ACCESS_KEY": "EXAMPLEACCESSKEY0001",
    "PAGOEFECTIVO_SECRET_KEY": "ExampleSecretKey00000000000000000000/+01",
    "PAGOEFECTIVO_ENVIRONMENT": "sandbox",
}


def options(**written: str) -> dict[str, Any]:
    env = environ.Env()
    env.ENVIRON = KEYS | written
    found: dict[str, Any] = from_env(env)["CHANNELS"]["default"]["OPTIONS"]
    return found


@pytest.mark.parametrize("written", ["new, old", "new,old", " new , old ", "new,\told\n"])
def test_two_secrets_are_two(written: str) -> None:
    assert options(PAGOEFECTIVO_WEBHOOK_SECRETS=written)["WEBHOOK_SECRETS"] == ["new", "old"]
