"""Notifications proven, by their bytes alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpRequest
from django.http.request import HttpHeaders
from hypothesis import given
from hypothesis import strategies as st

from pagoefectivo_django.channels.base import Incoming
from pagoefectivo_django.channels.pagoefectivo import PagoEfectivoChannel
from pagoefectivo_django.channels.pagoefectivo.notices import compact
from pagoefectivo_django.errors import InvalidSignature, Unsigned
from tests.channels.examples import sign

from .examples import ACCESS_KEY, SECRET_KEY, payload

OLD, NEW = payload("notice_paid_old"), payload("notice_paid_new")
#: Protocol 6.2.
VECTORS = [
    (OLD, "1ab45ab05d1ff80969f8379100c361b753a1d72467e4927d1d808d4ed212b3ce"),
    (OLD.replace(b"35.50", b"35.5"), "913033329c2730d2c189421bb99fa01bad243bffd312d7c740a5b554cf3ce631"),
    (NEW, "12d041e72ae4b93729ba16fb45d696933582b19c4a7428544b55fd6da0a73625"),
]
SIGNATURE = VECTORS[0][1]


@pytest.fixture
def make() -> Callable[..., PagoEfectivoChannel]:
    given_ = {"ENVIRONMENT": "sandbox", "SERVICE_ID": 1234, "ACCESS_KEY": ACCESS_KEY, "SECRET_KEY": SECRET_KEY}
    return lambda **options: PagoEfectivoChannel("default", given_ | options)


def verifies(channel: PagoEfectivoChannel, body: bytes, signature: Any) -> bool:
    try:
        channel.verify(Incoming(body, {"PE-Signature": signature}))
    except InvalidSignature as error:
        said = str(error)
    else:
        return True
    assert said == "The notification has no valid signature."  # whatever the reason
    return False


class TestProve:
    @pytest.mark.parametrize(("body", "signature"), VECTORS)
    def test_worked_examples(self, make: Callable[..., PagoEfectivoChannel], body: bytes, signature: str) -> None:
        assert make().verify(Incoming(body, {"PE-Signature": signature})).kept.headers == {"PE-Signature": signature}

    def test_hex_in_capitals(self, channel: PagoEfectivoChannel) -> None:
        assert channel.verify(Incoming(OLD, {"PE-Signature": SIGNATURE.upper()})).kept.headers == {
            "PE-Signature": SIGNATURE
        }

    def test_any_spelling_of_the_header(self, channel: PagoEfectivoChannel) -> None:
        request = HttpRequest()
        request.META["HTTP_PE_SIGNATURE"] = SIGNATURE
        assert channel.verify(Incoming(OLD, request.headers)).kept.headers == {"PE-Signature": SIGNATURE}
        assert channel.verify(Incoming(OLD, HttpHeaders(request.META))).kept.headers == {"PE-Signature": SIGNATURE}
        assert channel.verify(Incoming(OLD, {"pe-signature": SIGNATURE})).kept.headers == {"PE-Signature": SIGNATURE}

    @pytest.mark.parametrize(
        "signature",
        [
            *("", " ", "0" * 64, SIGNATURE[:-1], SIGNATURE + "0", SIGNATURE + "\n", " " + SIGNATURE),
            *("ñ" * 64, "٣" * 64, "g" * 64, "\ud800" * 64, f"sha256={SIGNATURE}", None, 7, SIGNATURE.encode()),
        ],
    )
    def test_no_proof(self, channel: PagoEfectivoChannel, signature: Any) -> None:
        assert not verifies(channel, OLD, signature)

    def test_no_header(self, channel: PagoEfectivoChannel) -> None:
        with pytest.raises(Unsigned, match=r"^The notification has no valid signature\.$"):
            channel.verify(Incoming(OLD))

    @pytest.mark.parametrize("body", [OLD + b"0", OLD.replace(b"35.50", b"35.51"), b"", b"\xff\x00", OLD[:-1]])
    def test_other_bytes(self, channel: PagoEfectivoChannel, body: bytes) -> None:
        assert not verifies(channel, body, SIGNATURE)

    def test_several_secrets(self, make: Callable[..., PagoEfectivoChannel]) -> None:
        channel = make(WEBHOOK_SECRETS=["new secret", "old secret"])
        assert verifies(channel, OLD, sign(OLD, "new secret"))
        assert verifies(channel, OLD, sign(OLD, "old secret"))
        assert not verifies(channel, OLD, SIGNATURE)  # SECRET_KEY is not among them

    @pytest.mark.parametrize("secrets", [[], [""], (), "", 0, [None], [b"bytes"], {"a": 1}])
    def test_no_secret_refuses(self, make: Callable[..., PagoEfectivoChannel], secrets: Any) -> None:
        channel = make(WEBHOOK_SECRETS=secrets)
        for secret in ("", SECRET_KEY, "a", "bytes"):
            assert not verifies(channel, OLD, sign(OLD, secret))

    def test_no_key_at_all_refuses(self) -> None:
        assert not verifies(PagoEfectivoChannel("default", {}), OLD, sign(OLD, ""))

    def test_a_forgotten_list(self, make: Callable[..., PagoEfectivoChannel]) -> None:
        channel = make(WEBHOOK_SECRETS="a secret")
        assert verifies(channel, OLD, sign(OLD, "a secret"))
        assert not verifies(channel, OLD, sign(OLD, "a"))


class TestBlanks:
    """Signed may be the text without indentation (protocol 6.2)."""

    def test_the_indented_sample(self, channel: PagoEfectivoChannel) -> None:
        indented = OLD.replace(b",", b",\r\n\t ").replace(b":", b" : ")
        assert verifies(channel, indented, SIGNATURE)

    def test_a_blank_inside_a_text_counts(self, channel: PagoEfectivoChannel) -> None:
        assert not verifies(channel, OLD.replace(b'"PEN"', b'"PEN "'), SIGNATURE)
        assert not verifies(channel, OLD.replace(b'"7001"', b'"70 01"'), SIGNATURE)

    def test_an_amount_is_not_rewritten(self, channel: PagoEfectivoChannel) -> None:
        assert not verifies(channel, OLD.replace(b"35.50", b"35.5"), SIGNATURE)

    @given(st.data())
    def test_any_indentation_outside_of_texts(self, data: st.DataObject) -> None:
        texts = st.text() | st.sampled_from(['"', "\\", ' " ', "\\\\", "a b", "\t", "\\ "])
        values = st.recursive(
            st.none() | st.booleans() | st.integers() | texts,
            lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
            max_leaves=8,
        )
        value = data.draw(values)
        plain = json.dumps(value, separators=(",", ":"), ensure_ascii=data.draw(st.booleans()))
        plain = plain.encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass")
        pieces = []
        for token in _tokens(plain):
            pieces += [token, data.draw(st.text(" \t\r\n", max_size=3))]
        indented = "".join(pieces).encode("utf-8", "surrogatepass")
        body = plain.encode("utf-8", "surrogatepass")
        assert compact(indented) == (body if indented != body else None)
        channel = PagoEfectivoChannel("default", {"SECRET_KEY": SECRET_KEY})
        assert verifies(channel, indented, sign(body))

    @given(st.text(), st.text(" \t\r\n", min_size=1, max_size=3), st.integers(min_value=0))
    def test_a_changed_blank_inside_a_text(self, text: str, blanks: str, where: int) -> None:
        # As a lenient sender would write it: control characters stand in the text as they are.
        where %= len(text) + 1
        changed = text[:where] + blanks + text[where:]
        body, other = (
            b'{"data":"' + _escaped(each).encode("utf-8", "surrogatepass") + b'"}' for each in (text, changed)
        )
        channel = PagoEfectivoChannel("default", {"SECRET_KEY": SECRET_KEY})
        assert compact(other) is None
        assert not verifies(channel, other, sign(body))

    @pytest.mark.parametrize(
        "hostile",
        [
            b'"' * 65536,
            b'"' + b'\\"' * 32768,
            b"\\" * 65536,
            b'"' + b"\\" * 65535,
            b" " * 65536,
            b'" ' * 32768,
            b'\\" ' * 21845,
            b'"' + b"a" * 65535,
        ],
    )
    def test_linear_time(self, hostile: bytes) -> None:
        def seconds() -> float:
            begin = time.perf_counter()
            compact(hostile)
            return time.perf_counter() - begin

        assert min(seconds() for _ in range(9)) < 0.02

    def test_every_other_byte_stays(self) -> None:
        assert compact(b'{"a": "b c\\" \\\\" , "d\\\\\\" e": 1.50 }') == b'{"a":"b c\\" \\\\","d\\\\\\" e":1.50}'
        assert compact(b'{ "a": "b \xff"}') is None  # no JSON, with blanks and without


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _tokens(text: str) -> list[str]:
    """Cut a JSON text where blanks may stand, by hand rather than as the code does it."""
    tokens, current, inside, escaped = [], "", False, False
    for letter in text:
        if inside:
            current += letter
            if escaped:
                escaped = False
            elif letter == "\\":
                escaped = True
            elif letter == '"':
                inside = False
                tokens.append(current)
                current = ""
        elif letter == '"':
            inside, current = True, letter
        elif letter in "{}[],:":
            tokens += [current, letter] if current else [letter]
            current = ""
        else:
            current += letter
    return [*tokens, current] if current else tokens
