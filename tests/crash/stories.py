"""Every flow as a short story: what was before, what is done when the process dies, and how it may end."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.db import transaction

from pagoefectivo_django.flows import (
    adopt_code,
    approve_refund,
    assign_discrepancy,
    cancel_order,
    close_refund,
    comment_on,
    enter_deposit,
    extend_order,
    import_settlement,
    issue_code,
    mark_paid,
    match_line,
    publish_events,
    refresh_order,
    refund_order,
    reissue_code,
    reopen_discrepancy,
    resolve_discrepancy,
    send_refund,
    unmatch_line,
)
from pagoefectivo_django.flows.privacy.erase import erase_payer
from pagoefectivo_django.flows.refunds.refund import give_account
from pagoefectivo_django.flows.reports.balance import balance
from pagoefectivo_django.models import Match, Order, Payment, Refund, Settlement, SettlementLine
from pagoefectivo_django.states import Kind, OrderState, RefundStatus
from pagoefectivo_django.workdays import lima_day
from tests.factories import statements
from tests.sandbox.running import lima
from tests.sandbox.running import order as charge
from tests.shop.models import Heard

from .receivers import deaf
from .stage import AMOUNT, HintingStage, LinkingStage, Stage, tried

NEW, PENDING = OrderState.NEW, OrderState.PENDING
PAID, EXPIRED, CANCELLED = OrderState.PAID, OrderState.EXPIRED, OrderState.CANCELLED
REJECTED, REFUNDED = OrderState.REJECTED, OrderState.REFUNDED
#: What may be asked when a process dies while it asks for a code: the provider mails it to the payer all the same.
TWO_CODES = {Kind.LOST_CODE, Kind.DUPLICATE_PAYMENT}
#: What may be asked when the payer pays a code on its way out.
CANCELLED_AND_PAID = {Kind.PAID_AFTER_CANCEL, Kind.DUPLICATE_PAYMENT}

Step = Callable[[Stage], object]


def _nothing(stage: Stage) -> Iterator[str]:
    return iter(())


@dataclass(frozen=True)
class Story:
    """One flow, killed at every point of ``act``."""

    act: Step
    #: What is there before; nothing of it is counted.
    scene: Step
    #: In which states the orders may be when all is quiet,
    ends: Set[OrderState]
    #: and in which if the process died before it committed anything, and nobody asked again,
    before: Set[OrderState] = frozenset()
    #: or if it died in the middle of what only a person goes on with, and nobody did.
    halfway: Set[OrderState] = frozenset()
    #: What a person may be asked.
    asks: Set[Kind] = frozenset()
    #: Whoever wanted it wants it again after the crash (a person, the shop, the provider's repetition).
    again: Step | None = None
    #: They certainly do: nobody else could know of it.
    sure: bool = False
    #: The payer may be quicker than whoever goes on.
    early: bool = False
    #: In the end the payer pays whatever can be paid.
    pays: bool = False
    #: When it is done; the clock of those who go on is not behind that.
    at: timedelta = timedelta(0)
    #: How far the clock then runs.
    hours: float = 13
    channel: str = "pagoefectivo_django.channels.pagoefectivo.PagoEfectivoChannel"
    #: The provider is that of ``tests/providers/hinting_server.py``.
    hinting: bool = False
    #: The provider is that of ``tests/providers/linking_server.py``.
    linking: bool = False
    #: Two providers, and the alias of the one that is asked first: ``default``, the sandbox, or ``hinting``.
    first: str = ""
    #: What else has to hold.
    also: Callable[[Stage], Iterator[str]] = field(default=_nothing)


def sold(stage: Stage) -> None:
    stage.sell()


def nothing(stage: Stage) -> None:
    pass


# A code.


def in_atomic(stage: Stage) -> None:
    with transaction.atomic():
        Heard.objects.create(signal="shop", reference=stage.reference, event=uuid4(), state="")
        stage.sell()


def stand_or_fall_together(stage: Stage) -> Iterator[str]:
    shop, ours = Heard.objects.filter(signal="shop").exists(), Order.objects.exists()
    if shop != ours:
        yield f"the shop's row {'stands' if shop else 'does not stand'}, ours {'does' if ours else 'does not'}"


def answer_lost(stage: Stage) -> None:
    with stage.misbehaving("POST", "/v1/cips$", "drop"):
        stage.sell()


def issued_after_lost(stage: Stage) -> None:
    answer_lost(stage)
    stage.tick(minutes=2)


def lost_twice(stage: Stage) -> None:
    with stage.misbehaving("POST", "/v1/cips$", "drop", times=2):
        stage.sell()
        stage.tick(minutes=2)
    stage.tick(minutes=4)


def no_code_yet(stage: Stage) -> None:
    with stage.misbehaving("POST", "authorizations", "503", times=2):
        stage.sell()


def issue(stage: Stage) -> None:
    issue_code(stage.order(), now=stage.now)


# A payment.


def unheard(stage: Stage) -> None:
    stage.sell()
    stage.take(stage.order().code)


def paid(stage: Stage) -> None:
    stage.sell()
    stage.pay(stage.order().code)


def paid_and_heard(stage: Stage) -> None:
    paid(stage)
    publish_events(stage.now)


def erase(stage: Stage) -> None:
    erase_payer(email="ana@example.com", actor="eva", reason="Asked by letter.")


def erased_whole_or_not_at_all(stage: Stage) -> Iterator[str]:
    for order in Order.objects.all():
        told = order.events.filter(fact="forgotten").count()
        signs = {order.email == "", order.payer_data == {}, order.forgotten_at is not None, told > 0}
        if len(signs) > 1 or told > 1:
            yield f"order {order} is erased by half: {order.email!r}, {order.forgotten_at}, {told} events"


def tell_all(stage: Stage) -> None:
    stage.notify_all()


def tell_last(stage: Stage) -> None:
    stage.notify(stage.codes()[0]["cip"])


def paid_in_short(stage: Stage) -> None:
    stage.sell()
    stage.take(stage.order().code, payload="old")


def both_paid(stage: Stage) -> None:
    """The payer pays the code that they were told first, and then the one that took its place."""
    stage.sell()
    first = stage.order().code
    reissue_code(stage.order())
    stage.take(first, force=True)
    stage.take(stage.order().code)


def reversed_unheard(stage: Stage) -> None:
    paid(stage)
    stage.sandbox.tell("reverse", cip=int(stage.order().code))


def foreign(stage: Stage) -> None:
    """Another program of the merchant's sells on the same account."""
    made = stage.sandbox.call("POST", "/v1/cips", charge(transactionCode=f"X-{stage.reference}", amount=35.5))
    stage.take(made.json()["data"]["cip"])


def heard_by_nobody(stage: Stage) -> None:
    stage.sell()
    stage.take(stage.order().code)
    with deaf():
        stage.notify_all()


# A wish.


def cancel(stage: Stage) -> None:
    cancel_order(stage.order())


def extended(stage: Stage) -> Iterator[str]:
    if stage.wanted and stage.order().expires_at < stage.now + timedelta(hours=60):
        yield f"the order should have been extended, and ends at {stage.order().expires_at}"


def reissued(stage: Stage) -> Iterator[str]:
    if stage.wanted and stage.order().cips.count() < 2:
        yield "the order should have another code"


def extend(stage: Stage) -> None:
    extend_order(stage.order(), stage.now + timedelta(hours=72))


def reissue(stage: Stage) -> None:
    reissue_code(stage.order())


def reissue_and_lose(stage: Stage) -> None:
    with stage.misbehaving("POST", "/v1/cips$", "drop"):
        reissue(stage)


def revive(stage: Stage) -> None:
    extend_order(stage.order(), stage.now + timedelta(hours=72), now=stage.now)


def together(step: Step) -> Step:
    """Do it inside of a transaction of the shop's."""

    def within(stage: Stage) -> None:
        with transaction.atomic():
            step(stage)

    return within


def trying(step: Step) -> Step:
    """Do it where it may be too late."""

    def attempt(stage: Stage) -> None:
        tried(lambda: step(stage))

    return attempt


def dearer(stage: Stage) -> None:
    stage.sell(amount=Decimal("130.00"), replace=True)


def one_stands(stage: Stage) -> Iterator[str]:
    status = Order.objects.filter(state__in=(NEW, PENDING, PAID))
    if status.count() != 1:
        yield f"{status.count()} orders of one cart stand"


def one_stands_at_most(stage: Stage) -> Iterator[str]:
    """None does if the process died after the old order was cancelled, and the shop didn't come again."""
    return iter(() if not Order.objects.exclude(state=CANCELLED).exists() else one_stands(stage))


# By hand.


def adopt(stage: Stage) -> None:
    adopt_code(stage.order(), str(stage.codes()[0]["cip"]), actor="ana")


def mark(stage: Stage) -> None:
    taken = stage.codes()[0]["payments"][0]
    mark_paid(stage.order(), taken["operationNumber"], "ana", "Seen in the portal.")


def paid_after_cancel(stage: Stage) -> None:
    stage.sell()
    code = stage.order().code
    cancel_order(stage.order())
    stage.pay(code, force=True)


def accept(stage: Stage) -> None:
    resolve_discrepancy(stage.discrepancy(), "accept", actor="ana", reason="There is stock.")


def refund_due(stage: Stage) -> None:
    resolve_discrepancy(stage.discrepancy(), "refund_due", actor="ana", reason="No stock.")


def one_refund(stage: Stage) -> Iterator[str]:
    refunds = Refund.objects.all()
    if stage.discrepancy().resolution and [refund.amount for refund in refunds] != [AMOUNT]:
        yield f"the answer was that a refund is due, and there are {[*refunds]}"


# The money arrives.


def settle(stage: Stage) -> None:
    # By a moment that stays, so that the file is the same when it is imported again.
    data = statements.text([statements.line(stage.order(), paid_at=stage.order().created_at)])
    import_settlement(io.BytesIO(data), "LIQ-1001.txt", actor="ana", currency="PEN")


def settled(stage: Stage) -> Iterator[str]:
    """Killed while it was read, the file is not there; else every line came to its end."""
    counted = Settlement.objects.counted().count()
    if counted > 1 or Match.objects.filter(stands=True).count() != counted:
        yield f"{counted} settlements and {Match.objects.count()} matches"
    if stage.order().is_settled != bool(counted):
        yield f"order {stage.order()} is settled: {stage.order().is_settled}"
    yield from adds_up(stage)


def adds_up(stage: Stage) -> Iterator[str]:
    books = balance("PEN")
    if not books.holds:
        yield f"the books do not add up: {books.equations}"


def stranger(stage: Stage) -> None:
    """Paid, and settled by a line that nobody knows."""
    paid(stage)
    statements.load(statements.line(stage.order(), code="99999999", transaction_code=""))


def match_and_undo(stage: Stage) -> None:
    line = SettlementLine.objects.get()
    match_line(line, Payment.objects.get(), actor="ana", reason="It is this one.")
    unmatch_line(line, actor="eva", reason="It is not.")


def paid_and_settled(stage: Stage) -> None:
    paid(stage)
    settle(stage)


def deposit_twice(stage: Stage) -> None:
    """A person who sees that it is there does not enter it again."""
    settlement = Settlement.objects.get()
    for amount in (Decimal("100.00"), Decimal("18.61"))[settlement.deposits.count() :]:
        enter_deposit(settlement, amount, lima_day(stage.now), actor="ana")


def desk(stage: Stage) -> None:
    discrepancy = stage.discrepancy()
    tried(
        lambda: assign_discrepancy(discrepancy, "eva", actor="ana"),
        lambda: comment_on(discrepancy, "I asked the payer.", actor="eva"),
        lambda: resolve_discrepancy(discrepancy, "ignore", actor="eva", reason="They want nothing."),
        lambda: reopen_discrepancy(discrepancy, actor="ana", reason="They do."),
    )


def refund_by_hand(stage: Stage) -> None:
    """What staff does in the admin; it looks where the refund stands and goes on from there."""
    refund = Refund.objects.first() or refund_order(stage.order(), actor="ana", reason="Out of stock.")
    if refund.status == RefundStatus.REQUESTED:
        approve_refund(refund, actor="eva")
    if not refund.cci:
        refund = give_account(refund, bank="BCP", cci="00219300123456789018", holder="Ana Quispe")
    if refund.status == RefundStatus.APPROVED:
        send_refund(refund, actor="eva")
    if refund.status == RefundStatus.SENT:
        close_refund(refund, done=True, actor="eva", reason="The bank says so.")


def refund_by_channel(stage: Stage) -> None:
    refund = Refund.objects.first() or refund_order(stage.order(), actor="ana", reason="Out of stock.")
    if refund.status == RefundStatus.REQUESTED:
        approve_refund(refund, actor="eva")
    stage.tick(minutes=1)


# The clock.


def short_lived(stage: Stage) -> None:
    stage.sell(expires_at=stage.now + timedelta(minutes=11))


def ended_there(stage: Stage) -> None:
    short_lived(stage)
    stage.sandbox.tell("expire", cip=int(stage.order().code), notify=True)


def paid_at_last(stage: Stage) -> None:
    """Paid in time; the shop hears of it when it looks for the last time."""
    short_lived(stage)
    stage.take(stage.order().code)


def expired(stage: Stage) -> None:
    ended_there(stage)
    stage.tick(minutes=45)


def paid_late(stage: Stage) -> None:
    expired(stage)
    stage.take(stage.order().code, force=True, paymentDate=lima(minutes=50))


def hint_and_round(stage: Stage) -> None:
    stage.notify_all()
    stage.tick()


def without_code(stage: Stage) -> None:
    with stage.misbehaving("POST", "authorizations", "503", times=2):
        short_lived(stage)


def everything_due(stage: Stage) -> None:
    """One order for each kind of work that a round does."""
    with stage.misbehaving("POST", "authorizations", "503", times=2):
        stage.sell("-new")
    stage.sell("-deaf")
    with deaf():
        stage.pay(stage.order("-deaf").code)
    stage.sell("-unwanted")
    with stage.misbehaving("DELETE", "/v1/cips", "503", times=4):
        tried(lambda: cancel_order(stage.order("-unwanted")))
    with stage.misbehaving("POST", "/v1/cips$", "drop"):
        stage.sell("-twice")
    stage.tick(minutes=2)
    stage.take(stage.codes("-twice")[0]["cip"])
    stage.notify(stage.codes("-twice")[0]["cip"])
    stage.sell("-past", expires_at=stage.now + timedelta(minutes=11))
    stage.sandbox.tell("expire", cip=int(stage.order("-past").code), notify=True)
    stage.notify(stage.order("-past").code)
    stage.sell("-unheard")
    stage.take(stage.order("-unheard").code)
    stage.sell("-near", expires_at=stage.now + timedelta(hours=15))


def tick(stage: Stage) -> None:
    stage.tick()


# A provider of another shape: ids, hints, refunds that take days.

HINTS: dict[str, Any] = {"channel": "tests.providers.hinting.HintingChannel", "hinting": True}


def name_of_code(stage: Stage) -> str:
    return str(stage.codes()[-1]["cip"])


def hinted_in_process(stage: Stage) -> None:
    """The provider examines a payment, and the shop has heard of it; then it is paid, and nobody has told the shop."""
    assert isinstance(stage, HintingStage)
    stage.sell()
    stage.process()
    hint_and_look(stage)
    stage.take(name_of_code(stage))


def hinted_paid(stage: Stage) -> None:
    stage.sell()
    stage.pay(name_of_code(stage))
    stage.tick(minutes=2)


def hint_and_look(stage: Stage) -> None:
    stage.notify_all()
    stage.tick(minutes=4)


def refund_that_takes_hours(stage: Stage) -> None:
    """The provider ends a refund when it is asked about it for the second time."""
    refund_by_channel(stage)
    for hours in (2, 4):
        stage.tick(hours=hours)


# A provider of links: pressed for, short, not to be deleted, told in lists.

LINKS: dict[str, Any] = {"channel": "tests.providers.linking.LinkingChannel", "linking": True}


def press(stage: Stage) -> None:
    assert isinstance(stage, LinkingStage)
    stage.press()


def press_until_there_is_a_link(stage: Stage) -> None:
    """A request whose process died holds the next press up until its lease is over."""
    press(stage)
    if stage.order().state == NEW:
        stage.go_on(stage.latest() + timedelta(minutes=5))
        press(stage)


def press_and_pay(stage: Stage) -> None:
    press(stage)
    stage.pay(name_of_code(stage))


def press_in_vain_and_pay(stage: Stage) -> None:
    """The link of the first press is lost, and not found at once."""
    with stage.misbehaving("POST", "/pages$", "drop"), stage.misbehaving("GET", "/references/", "503", times=2):
        press(stage)
    press_and_pay(stage)


def sold_and_pressed(stage: Stage) -> None:
    stage.sell()
    press(stage)


def cancel_and_pay(stage: Stage) -> None:
    cancel(stage)
    stage.pay(name_of_code(stage))


# Two providers: the first gives way, and nothing is lost or doubled between each two steps of that.


def refused_then_sold(stage: Stage) -> None:
    """The sandbox takes no such amount; the other provider does."""
    stage.sell(amount=Decimal("31000.00"))


def down_then_sold(stage: Stage) -> None:
    with stage.misbehaving("POST", "authorizations", "503", times=2):
        stage.sell()


def lost_then_sold(stage: Stage) -> None:
    """The first provider made nothing, and says so when it is asked by our number."""
    with stage.misbehaving("POST", "/payments$", "503"):
        stage.sell()
    stage.tick(minutes=5)


def lost_and_made_then_sold(stage: Stage) -> None:
    """The first provider made a code, and nobody can ask it by our number: both codes can be paid."""
    answer_lost(stage)
    stage.tick(minutes=2)


STORIES: dict[str, Story] = {
    # A code.
    "create": Story(sold, nothing, {PAID}, asks=TWO_CODES, again=sold, early=True, pays=True),
    "create in atomic": Story(
        in_atomic, nothing, {PAID}, asks=TWO_CODES, again=in_atomic, early=True, pays=True, also=stand_or_fall_together
    ),
    "create, answer lost": Story(issued_after_lost, nothing, {PAID}, asks=TWO_CODES, early=True, pays=True),
    "create, both answers lost": Story(lost_twice, nothing, {PAID}, asks=TWO_CODES, early=True, pays=True),
    "create, refused": Story(lambda stage: stage.sell(amount=Decimal("31000.00")), nothing, {REJECTED}),
    "issue": Story(
        issue, no_code_yet, {PAID}, asks=TWO_CODES, again=issue, early=True, pays=True, at=timedelta(minutes=5)
    ),
    "issue by tick": Story(tick, no_code_yet, {PAID}, asks=TWO_CODES, early=True, pays=True, at=timedelta(minutes=5)),
    # A message.
    "webhook paid": Story(tell_all, unheard, {PAID}, again=tell_all),
    "webhook paid, minimal": Story(tell_all, paid_in_short, {PAID}, again=tell_all),
    "webhook paid twice": Story(tell_all, both_paid, {PAID}, asks={Kind.DUPLICATE_PAYMENT}, again=tell_all),
    "webhook reversed": Story(
        tell_last, reversed_unheard, {REFUNDED}, before={PAID}, asks={Kind.REVERSED}, again=tell_last, hours=26
    ),
    "webhook expired": Story(hint_and_round, ended_there, {EXPIRED}, again=tell_all, hours=1),
    "webhook late": Story(
        tell_all, paid_late, {EXPIRED}, asks={Kind.LATE_PAYMENT}, again=tell_all, at=timedelta(minutes=50), hours=1
    ),
    "webhook of an unknown code": Story(tell_all, foreign, set(), asks={Kind.UNMATCHED}, again=tell_all, sure=True),
    "publish": Story(lambda stage: publish_events(stage.now), heard_by_nobody, {PAID}, at=timedelta(hours=1)),
    # A wish.
    "cancel": Story(
        cancel, sold, {CANCELLED, PAID}, before={PENDING}, asks=CANCELLED_AND_PAID, again=trying(cancel), early=True
    ),
    "cancel in atomic": Story(
        together(cancel),
        sold,
        {CANCELLED, PAID},
        before={PENDING},
        asks=CANCELLED_AND_PAID,
        again=trying(together(cancel)),
        early=True,
    ),
    "cancel, paid meanwhile": Story(trying(cancel), unheard, {PAID}, again=trying(cancel)),
    "extend": Story(extend, sold, {PAID}, again=trying(extend), early=True, pays=True, also=extended),
    "extend in atomic": Story(
        together(extend), sold, {PAID}, again=trying(extend), early=True, pays=True, also=extended
    ),
    "extend, expired": Story(
        revive,
        expired,
        {PAID},
        before={EXPIRED},
        again=trying(revive),
        pays=True,
        also=extended,
        at=timedelta(minutes=50),
    ),
    "reissue in atomic": Story(
        together(reissue), sold, {PAID}, asks=TWO_CODES, again=trying(reissue), early=True, pays=True, also=reissued
    ),
    "reissue, answer lost": Story(
        reissue_and_lose, sold, {PAID}, asks=TWO_CODES, again=trying(reissue), early=True, pays=True, also=reissued
    ),
    "reissue": Story(
        reissue, sold, {PAID}, asks=TWO_CODES, again=trying(reissue), early=True, pays=True, also=reissued
    ),
    "reissue, paid meanwhile": Story(trying(reissue), unheard, {PAID}, again=trying(reissue)),
    "replace": Story(
        dearer,
        sold,
        {PAID, CANCELLED},
        asks=TWO_CODES,
        again=trying(dearer),
        early=True,
        pays=True,
        also=one_stands_at_most,
    ),
    "replace in atomic": Story(
        together(dearer),
        sold,
        {PAID, CANCELLED},
        asks=TWO_CODES | CANCELLED_AND_PAID,
        again=trying(dearer),
        early=True,
        pays=True,
        also=one_stands,
    ),
    "refresh": Story(lambda stage: refresh_order(stage.order()), unheard, {PAID}),
    # By hand.
    "adopt": Story(adopt, answer_lost, {PAID}, asks=TWO_CODES, again=trying(adopt), early=True, pays=True),
    "mark paid": Story(mark, unheard, {PAID}, again=trying(mark)),
    "resolve, accept": Story(
        accept, paid_after_cancel, {PAID}, before={CANCELLED}, asks={Kind.PAID_AFTER_CANCEL}, again=trying(accept)
    ),
    "erase": Story(erase, paid_and_heard, {PAID}, again=erase, also=erased_whole_or_not_at_all),
    "resolve, refund due": Story(
        refund_due,
        paid_after_cancel,
        {CANCELLED},
        asks={Kind.PAID_AFTER_CANCEL},
        again=trying(refund_due),
        also=one_refund,
    ),
    "refund by hand": Story(refund_by_hand, paid, {REFUNDED}, halfway={PAID}, again=trying(refund_by_hand)),
    "refund by the channel": Story(
        refund_by_channel,
        paid,
        {REFUNDED, PAID},
        asks={Kind.NOT_CONFIRMED},
        again=trying(refund_by_channel),
        channel="tests.crash.channels.GivesBack",
    ),
    # The money arrives.
    "settle": Story(settle, paid, {PAID}, again=trying(settle), also=settled),
    "settle, paid unheard": Story(settle, unheard, {PAID}, again=trying(settle), also=settled),
    "match and undo": Story(
        match_and_undo, stranger, {PAID}, asks={Kind.MISSING_HERE}, again=trying(match_and_undo), also=adds_up
    ),
    "deposit": Story(
        deposit_twice,
        paid_and_settled,
        {PAID},
        asks={Kind.PAYOUT_MISMATCH},
        again=trying(deposit_twice),
        also=adds_up,
    ),
    "desk": Story(desk, paid_after_cancel, {CANCELLED}, asks={Kind.PAID_AFTER_CANCEL}, again=desk, sure=True),
    # A provider of another shape.
    "hints, create": Story(sold, nothing, {PAID}, again=sold, early=True, pays=True, **HINTS),
    "hints, paid after in process": Story(hint_and_look, hinted_in_process, {PAID}, again=tell_all, **HINTS),
    "hints, cancel": Story(
        cancel,
        sold,
        {CANCELLED, PAID},
        before={PENDING},
        asks=CANCELLED_AND_PAID,
        again=trying(cancel),
        early=True,
        **HINTS,
    ),
    "hints, refund": Story(
        refund_that_takes_hours,
        hinted_paid,
        {REFUNDED, PAID},
        asks={Kind.NOT_CONFIRMED},
        again=trying(refund_by_channel),
        **HINTS,
    ),
    "links, press": Story(
        press_and_pay,
        sold,
        {PAID},
        before={NEW},
        halfway={NEW},
        asks={Kind.DUPLICATE_PAYMENT},
        again=press_until_there_is_a_link,
        pays=True,
        **LINKS,
    ),
    "links, answer lost": Story(
        press_in_vain_and_pay,
        sold,
        {PAID},
        before={NEW},
        halfway={NEW},
        asks={Kind.DUPLICATE_PAYMENT},
        again=press_until_there_is_a_link,
        pays=True,
        **LINKS,
    ),
    "links, cancel and pay": Story(
        cancel_and_pay,
        sold_and_pressed,
        {CANCELLED, PAID},
        asks=CANCELLED_AND_PAID,
        again=trying(cancel),
        early=True,
        pays=True,
        **LINKS,
    ),
    # Two providers.
    "failover, refused": Story(
        refused_then_sold,
        nothing,
        {PAID},
        asks=TWO_CODES,
        again=refused_then_sold,
        early=True,
        pays=True,
        first="default",
    ),
    "failover, down": Story(
        down_then_sold,
        nothing,
        {PAID},
        asks=TWO_CODES,
        again=sold,
        early=True,
        pays=True,
        first="default",
    ),
    "failover, answer lost and found by nobody": Story(
        lost_then_sold,
        nothing,
        {PAID},
        asks=TWO_CODES,
        early=True,
        pays=True,
        first="hinting",
    ),
    "failover, answer lost": Story(
        lost_and_made_then_sold,
        nothing,
        {PAID},
        asks=TWO_CODES,
        early=True,
        pays=True,
        first="default",
    ),
    # The clock.
    "expire, over there too": Story(tick, ended_there, {EXPIRED}, at=timedelta(minutes=45), hours=1),
    "expire, still open": Story(tick, short_lived, {EXPIRED, PAID}, early=True, at=timedelta(minutes=45), hours=1),
    "expire, paid unheard": Story(tick, paid_at_last, {PAID}, at=timedelta(minutes=45), hours=1),
    "expire, no code": Story(tick, without_code, {EXPIRED}, at=timedelta(minutes=45), hours=1),
    "remind": Story(tick, sold, {PAID}, pays=True, at=timedelta(hours=43), hours=2),
    "poll, paid unheard": Story(tick, unheard, {PAID}, at=timedelta(hours=13), hours=3),
    "poll, taken back unheard": Story(
        tick, reversed_unheard, {PAID}, asks={Kind.REVERSED}, at=timedelta(hours=26), hours=3
    ),
    "tick with everything due": Story(
        tick,
        everything_due,
        {PAID, PENDING, CANCELLED, EXPIRED},
        at=timedelta(hours=13),
        hours=2,
    ),
}
