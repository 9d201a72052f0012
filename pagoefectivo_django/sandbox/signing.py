"""The request hash, the bearer token and the webhook signature, written from the protocol file."""

import base64
import hashlib
import hmac
import json
import secrets
import uuid
from datetime import datetime

#: Protocol 2.3: a short service code, 3 to 5 characters.
CODE_SERVICE = "SAND"

_TOKEN_KEY = secrets.token_bytes(32)


def request_hash(service_id: int, access_key: str, secret_key: str, date_request: str) -> str:
    """Return the SHA-256 of the four values joined by full stops, in lower-case hex (protocol 2.2)."""
    joined = ".".join((str(service_id), access_key, secret_key, date_request))
    return hashlib.sha256(joined.encode()).hexdigest()


def notice_signature(secret_key: str, body: bytes) -> str:
    """Return the HMAC-SHA256 of the raw body; the key is the secret's own characters, not decoded (protocol 6.2)."""
    return hmac.new(secret_key.encode(), body, hashlib.sha256).hexdigest()


def make_token(service_id: int, expires: datetime) -> str:
    """Return a JWT of a little over 200 characters, with the claims seen in real tokens (protocol 2.3)."""
    claims = {
        "sub": CODE_SERVICE,
        "jti": str(uuid.uuid4()),
        "nameid": str(service_id),
        "exp": int(expires.timestamp()),
    }
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    return f"{signed}.{_base64(hmac.new(_TOKEN_KEY, signed.encode(), hashlib.sha256).digest())}"


def _part(value: dict[str, object]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
