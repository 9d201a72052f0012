"""HTTP requests and answers, exact JSON, and error bodies (protocol 3.4)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from email.message import Message
from typing import Any, NoReturn

Json = dict[str, Any]

MESSAGES = {
    "es": {
        100: "Solicitud exitosa.",
        111: "La solicitud contiene datos inválidos.",
        112: "El dato es obligatorio.",
        113: "El valor del dato no es válido.",
        166: "Ocurrió un error interno.",
        508: "El servicio asociado al token no es válido.",
        511: "El monto supera el máximo permitido.",
    },
    "en": {
        100: "Successful request.",
        111: "The request contains invalid data.",
        112: "The item is required.",
        113: "The value is not valid.",
        166: "An internal error occurred.",
        508: "The service bound to the token is not valid.",
        511: "The amount is above the maximum allowed.",
    },
}


@dataclass(frozen=True)
class Request:
    """An HTTP request with the whole body."""

    method: str
    path: str
    query: str = ""
    headers: Message = field(default_factory=Message)
    body: bytes = b""

    @property
    def messages(self) -> dict[int, str]:
        """The messages by code, in Spanish unless the request asks for English (protocol 1.2)."""
        english = self.headers.get("Accept-Language", "").lower().startswith("en")
        return MESSAGES["en" if english else "es"]


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes = b""
    content_type: str = "application/json; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Entry:
    """An inner error: 112 (missing) or 113 (not valid), and the camelCase field."""

    code: int
    field: str


def read_json(body: bytes) -> Any:
    """Return JSON with decimals exactly as written; raises ``ValueError`` for any other text."""
    try:
        return json.loads(body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse_constant)
    except (ArithmeticError, RecursionError) as error:
        raise ValueError("not usable as JSON") from error


def read_object(body: bytes) -> Json | None:
    """Return a JSON object, or None for any other body."""
    try:
        value = read_json(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def write_json(value: object) -> str:
    """Return compact JSON; a Decimal keeps its digits, which `json` cannot do."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        pairs = (f"{write_json(str(key))}:{write_json(item)}" for key, item in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(write_json(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def encode(text: str) -> bytes:
    """Return UTF-8; half a surrogate pair, possible in JSON but not in UTF-8, becomes a question mark."""
    return text.encode(errors="replace")


def json_answer(status: int, value: object) -> Answer:
    """Return an answer with a JSON body."""
    return Answer(status, encode(write_json(value)))


def refusal(request: Request, code: int, entries: Sequence[Entry] = (), status: int = 400) -> Answer:
    """Return an answer with the error body of protocol 3.4; codes are text, as in the vendor's sample."""
    messages = request.messages
    data = [{"code": str(entry.code), "message": messages[entry.code], "field": entry.field} for entry in entries]
    return json_answer(status, {"code": str(code), "message": messages[code], "data": data})


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
