"""What every channel promises; each channel's test class inherits it and says how its provider is moved."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from pagoefectivo_django.channels.base import Channel, Charge, CodeRef, Incoming, Report
from pagoefectivo_django.errors import InvalidSignature, Malformed, Refused
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.states import Fact

from .examples import look_up


class ChannelContract:
    """Hooks: a channel, a way to pay at its provider, and what its provider would send."""

    @pytest.fixture
    def channel(self) -> Channel:
        raise NotImplementedError

    def pay(self, channel: Channel, code: str) -> None:
        """Let the provider take the payment of a code."""
        raise NotImplementedError

    def notification(self, channel: Channel, report: Report) -> tuple[bytes, dict[str, str]]:
        """Return the body and headers that tell of a payment of a code."""
        raise NotImplementedError

    # The contract.

    def issue(self, channel: Channel, transaction_code: str = "ORDER-1-1") -> Report:
        payer = Payer(email="ana@example.com", name="Ana", last_name="Quispe", phone="999 888 777")
        date = timezone.now().replace(microsecond=0) + timedelta(hours=20)
        return channel.issue(Charge(transaction_code, Decimal("35.50"), "PEN", date, payer, concept="Two T-shirts"))

    def test_issues_a_code(self, channel: Channel) -> None:
        report = self.issue(channel)
        assert (report.fact, report.account, report.transaction_code) == (Fact.ISSUED, channel.account, "ORDER-1-1")
        assert report.code.isdigit()
        assert (report.amount, report.currency) == (Decimal("35.50"), "PEN")
        assert report.expires_at
        assert abs(report.expires_at - timezone.now() - timedelta(hours=20)) < timedelta(minutes=1)

    def test_every_request_makes_another_code(self, channel: Channel) -> None:
        assert self.issue(channel).code != self.issue(channel, "ORDER-1-2").code

    def test_searches_by_code(self, channel: Channel) -> None:
        one, two = self.issue(channel), self.issue(channel, "ORDER-2-1")
        found = look_up(channel, [two.code, "99999999", "000" + one.code])
        assert set(found) == {one.code, two.code}
        assert {code: report.transaction_code for code, report in found.items()} == {
            one.code: "ORDER-1-1",
            two.code: "ORDER-2-1",
        }
        assert {report.fact for report in found.values()} == {Fact.ISSUED}
        assert look_up(channel, []) == {}

    def test_shows_a_payment(self, channel: Channel) -> None:
        report = self.issue(channel)
        self.pay(channel, report.code)
        found = look_up(channel, [report.code])[report.code]
        assert (found.fact, found.amount, found.currency) == (Fact.PAYMENT, Decimal("35.50"), "PEN")
        assert found.paid_at
        assert abs(found.paid_at - timezone.now()) < timedelta(minutes=1)

    def test_extends(self, channel: Channel) -> None:
        report = self.issue(channel)
        date: datetime = timezone.now().replace(microsecond=0) + timedelta(days=9)
        channel.extend(CodeRef(report.code), date)
        assert look_up(channel, [report.code])[report.code].expires_at == date

    def test_deletes_once(self, channel: Channel) -> None:
        report = self.issue(channel)
        channel.delete(CodeRef(report.code))
        assert look_up(channel, [report.code])[report.code].fact == Fact.CODE_DELETED
        with pytest.raises(Refused):
            channel.delete(CodeRef(report.code))

    def test_a_paid_code_is_not_deleted(self, channel: Channel) -> None:
        report = self.issue(channel)
        self.pay(channel, report.code)
        with pytest.raises(Refused):
            channel.delete(CodeRef(report.code))

    def test_believes_what_is_proven(self, channel: Channel) -> None:
        issued = self.issue(channel)
        body, headers = self.notification(channel, issued)
        proof = channel.verify(Incoming(body, headers))
        (read,) = channel.read(proof.kept)
        assert isinstance(read, Report)
        assert (read.fact, read.code, read.account) == (Fact.PAYMENT, issued.code, channel.account)
        assert (read.amount, read.currency) == (Decimal("35.50"), "PEN")

    def test_believes_nothing_else(self, channel: Channel) -> None:
        body, headers = self.notification(channel, self.issue(channel))
        said = set()
        for forged, given in (
            (body.replace(b"35.5", b"95.5"), headers),
            (body, {}),
            (body, {name: value[:-1] for name, value in headers.items()}),
            (body, dict.fromkeys(headers, "é" * 64)),
            (b"", headers),
        ):
            with pytest.raises(InvalidSignature) as refusal:
                channel.verify(Incoming(forged, given))
            said.add(str(refusal.value))
        assert len(said) == 1, "a forger learns nothing from the answer"

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"data": null}', b"[" * 20_000, b'{"a": NaN}'])
    def test_what_cannot_be_read_is_malformed(self, channel: Channel, body: bytes) -> None:
        with pytest.raises(Malformed):
            channel.read(Incoming(body))
