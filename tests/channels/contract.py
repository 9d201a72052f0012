"""What every channel promises; each channel's test class inherits it and says how its provider is moved."""

import itertools
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from pagoefectivo_django.channels.base import Channel, Charge, CodeRef, Incoming, Report, Trust
from pagoefectivo_django.errors import InvalidSignature, Malformed, Refused
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.states import Fact

#: A code of nobody, by every name that a code may have.
NOBODYS = CodeRef("99999999", "NOBODY-1-1", "nobody-1")
_numbers = itertools.count(1001)


def new_number() -> str:
    """Return a number of ours for a request: some providers take each only once."""
    return f"ORDER-{next(_numbers)}"


def needs(channel: Channel, *abilities: str) -> None:
    """Skip a test of abilities that a channel does not declare."""
    for ability in abilities:
        if not getattr(channel, f"can_{ability}"):
            pytest.skip(f"{type(channel).__name__} declares can_{ability} = False")


class ChannelContract:
    """Hooks: a channel, a way to pay at its provider, and what its provider would send."""

    #: What a look-up's answer does not name, of ``amount``, ``paid_at`` and ``transaction_code``.
    silent: frozenset[str] = frozenset()
    #: The currency of the orders.
    currency = "PEN"
    #: How much later than the date asked for a code may end, at a provider that takes days for dates.
    step = timedelta(minutes=1)

    @pytest.fixture
    def channel(self) -> Channel:
        raise NotImplementedError

    def pay(self, channel: Channel, ref: CodeRef) -> None:
        """Let the provider take the payment of a code."""
        raise NotImplementedError

    def notification(self, channel: Channel, report: Report) -> Incoming:
        """Return the message that tells of a payment of a code."""
        raise NotImplementedError

    def document(self) -> dict[str, str]:
        """Return the fields of the payer's document, where the provider needs one."""
        return {}

    # The contract.

    def issue(self, channel: Channel, transaction_code: str = "", amount: str = "35.50") -> Report:
        number = transaction_code or new_number()
        payer = replace(
            Payer(email="ana@example.com", name="Ana", last_name="Quispe", phone="999 888 777"), **self.document()
        )
        date = timezone.now().replace(microsecond=0) + timedelta(hours=20)
        return channel.issue(Charge(number, Decimal(amount), self.currency, date, payer, concept="Two T-shirts"))

    def seen(self, channel: Channel, ref: CodeRef) -> Report:
        """What the provider says about a code."""
        return channel.look_up([ref])[ref]

    def is_of_the_amount(self, report: Report, amount: str) -> None:
        """An answer names the amount, or says that the amount of the request counts."""
        told, as_issued = (report.amount, report.currency), "amount" in self.silent
        assert (report.as_issued, told) == (as_issued, (None, "") if as_issued else (Decimal(amount), self.currency))

    def test_issues_a_code(self, channel: Channel) -> None:
        report = self.issue(channel, number := new_number())
        assert (report.fact, report.account, report.transaction_code) == (Fact.ISSUED, channel.account, number)
        assert report.code or report.provider_id, "a code has a name"
        assert not report.code or report.code.isdigit()
        assert (report.amount, report.currency) == (Decimal("35.50"), self.currency)
        if report.expires_at:
            later = report.expires_at - timezone.now() - timedelta(hours=20)
            assert -timedelta(minutes=1) < later < self.step

    def test_every_request_makes_another_code(self, channel: Channel) -> None:
        one, two = self.issue(channel).ref, self.issue(channel).ref
        assert {one.code, one.provider_id} & {two.code, two.provider_id} <= {""}

    def test_looks_up_codes_and_leaves_out_what_the_provider_has_not(self, channel: Channel) -> None:
        needs(channel, "look_up")
        one, two = self.issue(channel).ref, self.issue(channel).ref
        found = channel.look_up([two, NOBODYS, one])
        assert {ref: report.transaction_code or ref.transaction_code for ref, report in found.items()} == {
            ref: ref.transaction_code for ref in (one, two)
        }
        assert {bool(report.transaction_code) for report in found.values()} == {"transaction_code" not in self.silent}
        assert {report.fact for report in found.values()} == {Fact.ISSUED}
        assert channel.look_up([]) == {}

    def test_shows_a_payment(self, channel: Channel) -> None:
        needs(channel, "look_up")
        report = self.issue(channel)
        self.pay(channel, report.ref)
        found = self.seen(channel, report.ref)
        assert found.fact == Fact.PAYMENT
        self.is_of_the_amount(found, "35.50")
        assert bool(found.paid_at) == ("paid_at" not in self.silent)
        if found.paid_at:
            assert abs(found.paid_at - timezone.now()) < timedelta(minutes=1)

    def test_extends(self, channel: Channel) -> None:
        needs(channel, "extend", "look_up")
        report = self.issue(channel)
        date: datetime = timezone.now().replace(microsecond=0) + timedelta(days=9)
        channel.extend(report.ref, date)
        assert self.seen(channel, report.ref).expires_at == date

    def test_deletes_once(self, channel: Channel) -> None:
        needs(channel, "delete", "look_up")
        report = self.issue(channel)
        channel.delete(report.ref)
        assert self.seen(channel, report.ref).fact == Fact.CODE_DELETED
        with pytest.raises(Refused):
            channel.delete(report.ref)

    def test_a_paid_code_is_not_deleted(self, channel: Channel) -> None:
        needs(channel, "delete")
        report = self.issue(channel)
        self.pay(channel, report.ref)
        with pytest.raises(Refused):
            channel.delete(report.ref)

    def test_believes_what_is_proven(self, channel: Channel) -> None:
        issued = self.issue(channel)
        proof = channel.verify(self.notification(channel, issued))
        (read,) = channel.read(proof.kept)
        assert read.account == channel.account
        # A message may name fewer names of a code than we know.
        names = {name: value for name in ("code", "provider_id", "transaction_code") if (value := getattr(read, name))}
        assert names
        assert names.items() <= vars(issued.ref).items()
        if proof.trust == Trust.SIGNED_BODY:
            assert isinstance(read, Report)
            assert (read.fact, read.amount, read.currency) == (Fact.PAYMENT, Decimal("35.50"), self.currency)

    def test_believes_nothing_else(self, channel: Channel) -> None:
        issued = self.issue(channel)
        true = self.notification(channel, issued)
        whole = channel.verify(true).trust == Trust.SIGNED_BODY
        name = (issued.provider_id if issued.provider_id in true.query and issued.provider_id else issued.code) or "?"
        said = set()
        for forged in (
            Incoming(true.body, {}, true.query),
            Incoming(true.body, {name: value[:-1] for name, value in true.headers.items()}, true.query),
            Incoming(true.body, dict.fromkeys(true.headers, "é" * 64), true.query),
            *(
                [Incoming(true.body.replace(b"35.5", b"95.5").replace(b"3550", b"9550"), true.headers, true.query)]
                if whole
                else []
            ),
            *([Incoming(b"", true.headers, true.query)] if whole else []),
            *([Incoming(true.body, true.headers, true.query.replace(name, f"{name}1"))] if true.query else []),
        ):
            with pytest.raises(InvalidSignature) as refusal:
                channel.verify(forged)
            said.add(str(refusal.value))
        assert len(said) == 1, "a forger learns nothing from the answer"

    def test_keeps_nothing_that_was_not_verified(self, channel: Channel) -> None:
        true = self.notification(channel, self.issue(channel))
        more = [Incoming(true.body, {**true.headers, "X-More": "made-up"}, f"{true.query}&more=made-up")]
        if channel.verify(true).trust != Trust.SIGNED_BODY:
            more.append(Incoming(b'{"made-up": 1}', true.headers, true.query))
        for each in more:
            with suppress(InvalidSignature):  # a provider may sign more than it needs
                kept = channel.verify(each).kept
                assert "made-up" not in repr((kept.body, dict(kept.headers), kept.query))

    def test_equal_messages_have_one_identity_and_messages_of_two_codes_two(self, channel: Channel) -> None:
        one, two = (self.notification(channel, self.issue(channel)) for _ in range(2))
        proofs = [channel.verify(each) for each in (one, one, two)]
        assert proofs[0].identity == proofs[1].identity != proofs[2].identity
        assert {len(proof.identity) for proof in proofs} == {64}
        assert {proof.key_id for proof in proofs} <= {*channel.fingerprints()}

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"data": null}', b"[" * 20_000, b'{"a": NaN}'])
    def test_what_cannot_be_read_is_malformed(self, channel: Channel, body: bytes) -> None:
        with pytest.raises(Malformed):
            channel.read(Incoming(body))
