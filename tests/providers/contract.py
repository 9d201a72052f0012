"""What every channel to a real provider promises besides, over real HTTP; its provider is a ``Control``.

A test of an ability that the channel does not declare, or of a move that its provider has not got, is skipped with that
reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.utils import timezone

from pagoefectivo_django import strict_json
from pagoefectivo_django.channels.base import Channel, Charge, CodeRef, Incoming, Report
from pagoefectivo_django.channels.reading import encode
from pagoefectivo_django.channels.rest import RestChannel
from pagoefectivo_django.errors import InvalidSignature, OutcomeUnknown, PagoEfectivoError, Refused, Unavailable
from pagoefectivo_django.money import Money
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.states import Fact, RefundStatus
from tests.channels.contract import NOBODYS, ChannelContract, needs, new_number

from .between import PAGE, SPOILED, Between, always, between, changed, lost, slow, unheard
from .control import Control

#: What a provider may say of the payer in an answer, and no error and no log may repeat.
ANA = Payer(email="ana@example.com", name="Ana", last_name="Quispe", phone="999 888 777")
STRANGE = Payer(
    email="a.b-c+1@example.com",
    name="Ñandú 漢字 ☃ 🐧",
    last_name="O'Brien <b>&amp;\"\\ \u202ea",
    phone="999 888 777",
)
#: The methods that change something at the provider: after no clear answer nobody knows whether they did.
CHANGING = ("issue", "extend", "delete", "refund")
NEVER_TWICE = ("issue", "refund")
#: Seconds that a provider is slow, and the channel's patience.
SLOW, TIMEOUT = 0.8, 0.2


@pytest.mark.once
class ProviderContract(ChannelContract):
    """Give ``control`` as a fixture that yields the provider's ``Control``, one for all tests of the class."""

    #: The moves of a provider, and what a look-up says after each.
    MOVES: ClassVar = {
        "pay": Fact.PAYMENT,
        "process": Fact.IN_PROCESS,
        "expire": Fact.CODE_EXPIRED,
        "cancel": Fact.CODE_DELETED,
        "fail": Fact.CODE_FAILED,
    }

    @pytest.fixture
    def control(self) -> Iterator[Control]:
        raise NotImplementedError

    @pytest.fixture
    def between(self, control: Control) -> Iterator[Between]:
        with between(control.site) as middle:
            yield middle

    @pytest.fixture
    def channel(self, control: Control, between: Between) -> Channel:
        return self.behind(between, control)

    def behind(self, between: Between, control: Control) -> Channel:
        """The channel whose provider is reached through a server in between."""
        self.control, self.silent, self.currency = control, control.silent, control.currency
        self.document = control.document
        return control.channel(between.site)

    def pay(self, channel: Channel, ref: CodeRef) -> None:
        self.control.pay(ref)

    def notification(self, channel: Channel, report: Report) -> Incoming:
        self.control.pay(report.ref)
        message: Incoming = self.control.messages(report.ref)[-1]
        return message

    def does(self, move: str) -> Callable[..., None]:
        """A move of the provider; skips the test where there is none."""
        if move in self.control.lacks:
            pytest.skip(self.control.lacks[move])
        function: Callable[..., None] = getattr(self.control, move)
        return function

    def paid(self, channel: Channel) -> Report:
        report = self.issue(channel)
        self.control.pay(report.ref)
        return report

    # Facts.

    def test_has_each_move_that_the_provider_does_not_lack(self, control: Control) -> None:
        moves = [*self.MOVES, "take_back", "finish"]
        implemented = {move for move in moves if getattr(type(control), move) is not getattr(Control, move)}
        can_refund = control.channel(control.site).can_refund
        assert implemented >= {*moves} - {*control.lacks} - (set() if can_refund else {"finish"})

    def test_each_method_that_asks_has_its_call(self, control: Control) -> None:
        channel = control.channel(control.site)
        able = [name for name in ("look_up", "find", "extend", "delete", "refund") if getattr(channel, f"can_{name}")]
        assert {*control.calls} == {"issue", *able} | ({"look_up_refunds"} if channel.can_refund else set())

    @pytest.mark.parametrize("move", list(MOVES))
    def test_shows_each_fact(self, channel: Channel, move: str) -> None:
        needs(channel, "look_up")
        move_it = self.does(move)
        ref = self.issue(channel).ref
        move_it(ref)
        assert self.seen(channel, ref).fact == self.MOVES[move]

    def test_a_payment_is_paid_after_it_was_in_process(self, channel: Channel) -> None:
        needs(channel, "look_up")
        process = self.does("process")
        ref = self.issue(channel).ref
        process(ref)
        self.control.pay(ref)
        assert self.seen(channel, ref).fact == Fact.PAYMENT

    def test_a_payment_taken_back_is_told(self, channel: Channel) -> None:
        take_back = self.does("take_back")
        report = self.paid(channel)
        take_back(report.ref)
        if channel.tells_reversals:
            seen = self.seen(channel, report.ref)
            assert seen.fact == Fact.PAYMENT_REVERSED or seen.returned == report.amount
        else:
            (item,) = channel.read(channel.verify(self.control.messages(report.ref)[-1]).kept)
            assert isinstance(item, Report)
            assert item.fact == Fact.PAYMENT_REVERSED

    def test_reads_each_word_for_a_status(self, channel: Channel, between: Between) -> None:
        needs(channel, "look_up")
        ref = self.issue(channel).ref
        said = {}
        for word in self.control.words:
            between.spoil(self.control.calls["look_up"], changed(partial(_say, self.control, word)))
            seen = self.seen(channel, ref)
            said[word] = seen.fact
            assert seen.fact != Fact.UNKNOWN or word in seen.detail, "staff reads the word"
        assert said == dict(self.control.words)
        assert Fact.UNKNOWN in said.values(), "one word at least is of no meaning"

    @pytest.mark.parametrize("amount", ["0.10", "1.00", "9999.99"])
    def test_keeps_every_cent(self, channel: Channel, amount: str) -> None:
        report = self.issue(channel, amount=amount)
        assert report.amount == Decimal(amount)
        self.control.pay(report.ref)
        if channel.can_look_up:
            self.is_of_the_amount(self.seen(channel, report.ref), amount)

    def test_takes_every_name(self, channel: Channel) -> None:
        date = timezone.now().replace(microsecond=0) + timedelta(hours=20)
        words = "Café ’‘ \U0001f9c9 <script> \u202e"
        payer = replace(STRANGE, **self.document)
        report = channel.issue(Charge(new_number(), Decimal("35.50"), self.currency, date, payer, words))
        assert report.fact == Fact.ISSUED

    def test_reads_over_fields_of_a_message_that_it_does_not_know(self, channel: Channel) -> None:
        if not channel.signed(b""):
            pytest.skip("the channel can't sign")
        issued = self.issue(channel)
        plain = self.notification(channel, issued)
        body = encode(_with_more(strict_json.load(plain.body)))
        more = Incoming(body, {**plain.headers, **channel.signed(body)}, plain.query)
        assert channel.read(channel.verify(more).kept) == channel.read(channel.verify(plain).kept)

    def test_reads_over_fields_that_it_does_not_know(self, channel: Channel, between: Between) -> None:
        between.spoil(self.control.calls["issue"], changed(_with_more))
        ref = self.issue(channel).ref
        if channel.can_look_up:
            plain = self.seen(channel, ref)
            between.spoil(self.control.calls["look_up"], changed(_with_more))
            assert self.seen(channel, ref) == plain

    # Another account of the same provider.

    def test_neither_hears_nor_shows_another_account(self, channel: Channel, between: Between) -> None:
        if "other" in self.control.lacks:
            pytest.skip(self.control.lacks["other"])
        other = self.control.channel(between.site, other=True)
        assert other.account != channel.account
        report = self.issue(other)
        message = self.notification(other, report)
        assert other.verify(message)
        with pytest.raises(InvalidSignature):
            channel.verify(message)
        if channel.can_look_up:
            assert channel.look_up([report.ref]) == {}

    # Answers that are none.

    def test_an_answer_that_got_lost_is_found(self, channel: Channel, between: Between) -> None:
        between.spoil(self.control.calls["issue"], lost)
        with pytest.raises(OutcomeUnknown):
            self.issue(channel, number := new_number())
        assert self.control.made(number) == 1, "a request for a code is never sent twice"
        needs(channel, "find")
        found = channel.find(number)
        assert found
        assert (found.fact, found.transaction_code, found.amount) == (Fact.ISSUED, number, Decimal("35.50"))
        assert self.seen(channel, found.ref).fact == Fact.ISSUED

    def test_a_request_that_did_not_arrive_is_not_found(self, channel: Channel, between: Between) -> None:
        between.spoil(self.control.calls["issue"], unheard)
        with pytest.raises(OutcomeUnknown):
            self.issue(channel, number := new_number())
        assert self.control.made(number) == 0
        needs(channel, "find")
        assert channel.find(number) is None

    @pytest.mark.parametrize("call", ["issue", "look_up", "find", "extend", "delete", "refund", "look_up_refunds"])
    def test_takes_no_spoiled_answer_for_a_yes_or_a_no(self, channel: Channel, between: Between, call: str) -> None:
        ask = self._call(channel, call)
        for name, fault in SPOILED.items():
            between.spoil(self.control.calls[call], fault, times=2)  # what only reads is asked once more
            with pytest.raises(PagoEfectivoError) as raised:
                ask()
            between.mend()
            if call in CHANGING:
                assert isinstance(raised.value, OutcomeUnknown), (name, raised.value)
            if call in NEVER_TWICE:
                assert between.heard(self.control.calls[call]) <= len(SPOILED)
            assert not any(word and word in str(raised.value) for word in vars(ANA).values()), (name, raised.value)
        assert between.heard("elsewhere") == 0, "a redirect is never followed"

    def test_tells_nothing_to_a_server_whose_certificate_does_not_verify(
        self, control: Control, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with between(control.site, certificate) as middle:
            channel = self.behind(middle, control)
            for call in {"issue", "look_up", "refund"} & {*control.calls}:
                monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
                ask = self._call(channel, call)
                ask()  # to whoever trusts the certificate the provider is at hand
                heard = len(middle.calls)
                monkeypatch.delenv("REQUESTS_CA_BUNDLE")
                with pytest.raises(PagoEfectivoError) as raised:
                    self._call(channel, call)() if call == "issue" else ask()
                assert not isinstance(raised.value, Refused)
                assert call not in NEVER_TWICE or isinstance(raised.value, Unavailable), "certainly not sent"
                assert len(middle.calls) == heard

    def test_sorts_each_documented_error(self, channel: Channel, between: Between) -> None:
        if not isinstance(channel, RestChannel):
            pytest.skip("a channel with tables of its own has tests of its own")
        for code, row in channel.errors.items():
            between.spoil(self.control.calls["issue"], self.control.error(code))
            with pytest.raises(PagoEfectivoError) as raised:
                self.issue(channel)
            assert (type(raised.value), row.meaning in str(raised.value)) == (row.error, True), code

    def test_a_status_alone_is_no_no(self, channel: Channel, between: Between) -> None:
        """A proxy's page under a status of refusal refuses nothing: the provider may have made a code before."""
        for status in (400, 404, 409, 422, 500, 503):
            between.spoil(self.control.calls["issue"], always(status, PAGE))
            with pytest.raises(PagoEfectivoError) as raised:
                self.issue(channel)
            assert not isinstance(raised.value, Refused), status

    def test_waits_no_longer_than_it_was_told(self, control: Control, between: Between) -> None:
        self.behind(between, control)
        hasty = control.hasty(between.site, TIMEOUT)
        self.issue(hasty)  # what a first call needs besides, such as a token
        between.spoil(control.calls["issue"], slow(SLOW))
        begun = timezone.now()
        with pytest.raises(OutcomeUnknown):
            self.issue(hasty)
        assert timezone.now() - begun < timedelta(seconds=SLOW)

    @pytest.mark.parametrize("call", ["issue", "look_up"])
    @pytest.mark.parametrize("wrong", [None, "", "x", 7, -1, 1e300, True, [], {}, "9" * 70], ids=str)
    def test_no_field_of_another_kind_is_a_mistake(
        self, channel: Channel, between: Between, call: str, wrong: Any
    ) -> None:
        """The answer is read without the field, or can't be read: no other error, and no code for another amount."""
        ask = self._call(channel, call)
        for place in _places(self._answer(between, call, ask)):
            between.spoil(self.control.calls[call], changed(partial(_set, place, wrong)))
            try:
                said = ask()
            except PagoEfectivoError:
                continue
            for report in said.values() if isinstance(said, dict) else [said]:
                assert isinstance(report, Report)
                assert report.code or report.provider_id
                if call == "issue":
                    assert (report.amount, report.currency) == (Decimal("35.50"), self.currency), (place, wrong)

    # Refunds.

    def test_a_refund_takes_as_long_as_it_takes(self, channel: Channel) -> None:
        needs(channel, "refund")
        report = self.paid(channel)
        sent = channel.refund(report.ref, Money(Decimal("35.50"), self.currency), new_number())
        if sent.status == RefundStatus.SENT:
            finish = self.does("finish")
            assert channel.look_up_refunds([sent.provider_id]) == {sent.provider_id: sent}
            finish(sent.provider_id)
            assert channel.look_up_refunds([sent.provider_id])[sent.provider_id].status == RefundStatus.DONE
        if channel.tells_reversals:
            seen = self.seen(channel, report.ref)
            assert seen.fact in (Fact.PAYMENT_REVERSED, Fact.PAYMENT)
            assert seen.returned == report.amount

    def test_a_refund_that_fails_says_so(self, channel: Channel) -> None:
        needs(channel, "refund")
        finish = self.does("finish")
        sent = channel.refund(self.paid(channel).ref, Money(Decimal("5.50"), self.currency), new_number())
        finish(sent.provider_id, done=False)
        assert channel.look_up_refunds([sent.provider_id])[sent.provider_id].status == RefundStatus.FAILED

    def _call(self, channel: Channel, call: str) -> Callable[[], object]:
        """A call of one method, after what it needs; skips the test where the channel has none."""
        if call == "issue":
            return lambda: self.issue(channel)
        needs(channel, call.replace("look_up_refunds", "refund"))
        if call in ("refund", "look_up_refunds"):
            ref = self.paid(channel).ref
            if call == "refund":
                return lambda: channel.refund(ref, Money(Decimal("35.50"), self.currency), new_number())
            return lambda: channel.look_up_refunds(["ref-1"])
        ref = self.issue(channel).ref
        return {
            "look_up": lambda: channel.look_up([ref, NOBODYS]),
            "find": lambda: channel.find(ref.transaction_code),
            "extend": lambda: channel.extend(ref, timezone.now() + timedelta(days=2)),
            "delete": lambda: channel.delete(ref),
        }[call]

    def _answer(self, between: Between, call: str, ask: Callable[[], object]) -> Any:
        """The provider's answer to a call."""
        heard: list[Any] = []

        def hear(answer: Any) -> Any:
            heard.append(answer)
            return answer

        between.spoil(self.control.calls[call], changed(hear))
        ask()
        return heard[0]


def _say(control: Control, word: str, answer: Any) -> Any:
    return control.say(answer, word)


def _with_more(answer: Any) -> Any:
    """An answer with unknown fields in each of its objects."""
    if isinstance(answer, list):
        return [_with_more(each) for each in answer]
    if isinstance(answer, dict):
        return {name: _with_more(value) for name, value in answer.items()} | {"madeUp": {"a": [1, None, "ñ", 0.1]}}
    return answer


def _places(answer: Any, *above: str | int) -> Iterator[tuple[str | int, ...]]:
    """The way to each value in an answer."""
    if isinstance(answer, dict | list):
        for name, value in answer.items() if isinstance(answer, dict) else enumerate(answer):
            yield (*above, name)
            yield from _places(value, *above, name)


def _set(place: tuple[str | int, ...], value: Any, answer: Any) -> Any:
    *above, name = place
    inside = answer
    for each in above:
        inside = inside[each]
    inside[name] = value
    return answer
