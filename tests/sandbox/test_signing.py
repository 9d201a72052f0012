"""The worked examples of protocol 2.2 and 6.2, against the sandbox's own recipe; every value is invented."""

import base64
import json
from datetime import datetime, timedelta

import pytest

from pagoefectivo_django.sandbox.dates import LIMA
from pagoefectivo_django.sandbox.signing import make_token, notice_signature, request_hash

SECRET = "ExampleSecretKey00000000000000000000/+01"
PAID = b'{"eventType":"cip.paid","operationNumber":"7001","data":{"cip":"20304050","currency":"PEN","amount":'


def test_request_hash():
    made = request_hash(1234, "EXAMPLEACCESSKEY0001", SECRET, "2026-11-22T10:00:00-05:00")
    assert made == "d341b0570d2ca509f62d53b5a36d5b1bce50bac34580c9ffec052aa4281873bf"


@pytest.mark.parametrize(
    ("body", "length", "signature"),
    [
        (PAID + b"35.50}}", 107, "1ab45ab05d1ff80969f8379100c361b753a1d72467e4927d1d808d4ed212b3ce"),
        (PAID + b"35.5}}", 106, "913033329c2730d2c189421bb99fa01bad243bffd312d7c740a5b554cf3ce631"),
        (
            PAID + b'35.50,"paymentDate":"2026-11-22T10:05:00-05:00","transactionCode":"ORDER-1001"}}',
            180,
            "12d041e72ae4b93729ba16fb45d696933582b19c4a7428544b55fd6da0a73625",
        ),
    ],
)
def test_notice_signature(body, length, signature):
    assert len(body) == length
    assert notice_signature(SECRET, body) == signature


@pytest.mark.parametrize("service", [1, 1234, 99999])
def test_the_token_looks_like_the_real_one(service):
    expires = datetime.now(LIMA) + timedelta(hours=2)
    token = make_token(service, expires)
    assert 200 <= len(token) <= 210
    header, claims, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split("."))
    assert json.loads(header)["alg"] == "HS256"
    assert json.loads(claims)["nameid"] == str(service)
    assert json.loads(claims)["exp"] == int(expires.timestamp())
    assert len(signature) == 32
