"""A shop process and its payers: it sells, they pay through the sandbox in every manner, both change their minds."""

from __future__ import annotations

import io
import json
import os
import random
import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from pagoefectivo_django.errors import PagoEfectivoError
from pagoefectivo_django.flows import (
    approve_refund,
    cancel_order,
    create_order,
    extend_order,
    issue_code,
    refresh_order,
    refund_order,
    reissue_code,
)
from pagoefectivo_django.flows.orders.open_link import open_link
from pagoefectivo_django.models import Order
from pagoefectivo_django.models.clock import current_time
from pagoefectivo_django.models.database import FIRST_PAUSE
from pagoefectivo_django.payer import Payer
from tests.providers.control import Hinting, LinkingAfar
from tests.sandbox.running import PATIENCE, lima, wait_for

from .routes import ANY, LINKS

#: In so many orders: one that every shop process sells, trouble at the provider for whoever asks it next, and a
#: comparison of all books.
SHARED, TROUBLED, RECONCILED = 20, 5, 10
TROUBLES = [("search", "500"), ("search", "503"), ("search", "401"), ("search", "drop"), ("search", "slow")]
TROUBLES += [("delete", "500"), ("delete", "drop"), ("delete", "slow"), ("update", "500"), ("update", "drop")]
#: Seconds in which a worker has done what comes after a provider was down: a killed worker's lease and the minute after
#: a lost answer, or the pauses of four failures in a row (40, 80, 160, 320 s), as some orders of a full storm do.
PATIENT = PATIENCE + sum((FIRST_PAUSE * 2**failures).total_seconds() for failures in (1, 2, 3, 4))
#: Seconds for which an order that finds its way waits for a provider that is down.
AWAITED = 15.0
#: What leaves it open whether there is a code.
UNANSWERED = ("drop", "503")
#: What a payer's webhook may suffer on its way where it is of no matter to the end.
HARMLESS = ["", "", "webhook_twice", "webhook_late"]

ANA = Payer(email="ana@example.com", name="Ana", phone="999888777")


class Shop:
    """One process of the shop: ``number`` of all, on a sandbox's address."""

    def __init__(self, sandbox: str, number: int, seed: str) -> None:
        self.sandbox, self.number, self.seed = sandbox, number, seed
        self.random = random.Random(f"{seed} {number}")
        self.did: Counter[str] = Counter()
        #: By reference.
        self.manners: dict[str, str] = {}
        #: The codes that the provider mailed, by their transaction codes, and what payers do once they have got them.
        self.mailed: dict[str, int] = {}
        self.later: list[Callable[[], None]] = []
        sites = {name: each["OPTIONS"].get("BASE_URL") for name, each in settings.PAGOEFECTIVO["CHANNELS"].items()}
        #: The providers' addresses in the settings, which refuse connections now and then.
        self.doors = [urlsplit(site) for site in sites.values() if site]
        sites |= {name: site for name, site in json.loads(os.environ.get("STORM_SITES", "{}")).items() if name in sites}
        #: The providers of hints and of links, where the shop has an account there.
        self.hints = Hinting(sites["hinting"]) if "hinting" in sites else None
        self.links = LinkingAfar(sites["linking"]) if "linking" in sites else None

    def run(self, orders: int) -> None:
        has = {"": True, "api": False, "hinting": bool(self.hints), "linking": bool(self.links)}
        has["any"] = has["hinting"] and has["linking"]
        names = [name for name, manner in MANNERS.items() if name != "shared" and has[manner.account]]
        for position in range(orders):
            if position % SHARED == 0:
                self.serve(f"STORM-all-{position}", "shared")
            if position % TROUBLED == 0:
                call, fault = self.random.choice(TROUBLES)
                self.fault(fault, call=call, times=self.random.randint(1, 3), seconds=0.3)
            if position % RECONCILED == RECONCILED - 1:
                self.reconcile()
            budget = self.number * orders + position
            self.serve(f"STORM-{self.number}-{position}", names[budget % len(names)])
        for pay in self.later:
            pay()

    def serve(self, reference: str, name: str) -> None:
        manner = MANNERS[name]
        self.manners[reference] = name
        if manner.account == "any":
            self.await_outage()
        with transaction.atomic():  # a code is asked for after its commit, and the fault must be there before it
            currency = "USD" if manner.account == "hinting" else "PEN"
            amount = self.amount(reference) + {"linking": LINKS, "any": ANY}.get(manner.account, 0)
            order = create_order(reference=reference, amount=amount, currency=currency, payer=ANA)
            if manner.account == "any":
                self.shake(reference)
            elif manner.fault and self.hints and manner.account == "hinting":
                self.hints.tell("fault", call="POST /payments$", about=f'"{reference}-', fault=manner.fault)
            elif manner.fault:
                self.fault(manner.fault, call="create", transactionCode=f"{reference}-", seconds=0.5)
        # A link is requested at a press.
        if manner.fault not in UNANSWERED and manner.account not in ("linking", "any"):
            self.see_code(order)
        manner.act(self, order)

    def await_outage(self) -> None:
        """Wait until a provider is down: whoever is up then takes the order."""

        def is_down() -> bool:
            for door in self.doors:
                try:
                    socket.create_connection((door.hostname or "", door.port or 80)).close()
                except ConnectionError:  # refused, or reset where the door closes at this moment
                    return True
            return False

        with suppress(AssertionError):  # none may be down for so long
            wait_for(is_down, AWAITED)
            self.did["sold while a provider was down"] += 1

    def amount(self, reference: str) -> Decimal:
        """What a reference costs, in every process the same."""
        return Decimal(random.Random(f"{self.seed} {reference}").randint(100, 99999)) / 100

    # What a shop does.

    def call(self, flow: Callable[..., Order], order: Order, *arguments: Any) -> None:
        """Do it; go on where trouble at the provider, or a payer who was faster, is told as an error."""
        try:
            flow(order, *arguments)
        except PagoEfectivoError as error:
            self.did[f"{flow.__name__}: {type(error).__name__}"] += 1
        self.see_code(order)

    @staticmethod
    def see_code(order: Order) -> None:
        """Wait for a code as a payer does at the voucher page, should a worker have been faster at asking for it.

        A worker that was killed while it asked holds the request until its lease is over; then another is asked for.
        """

        def shown() -> bool:
            order.reload()
            return bool(order.cip and order.cip.is_known)

        wait_for(shown, PATIENT)

    @staticmethod
    def is_paid(order: Order) -> bool:
        order.reload()
        return bool(order.state == "paid")

    def reconcile(self) -> None:
        try:
            call_command("pagoefectivo_reconcile", "--all", stdout=io.StringIO())
        except CommandError:
            self.did["reconcile: unanswered"] += 1

    def run_out(self, order: Order) -> None:
        """Let an order's date pass, here and there."""
        self.tell("expire", cip=order.code)
        Order.objects.filter(pk=order.pk).update(
            expires_at=timezone.now() - timedelta(hours=2), lapses_at=timezone.now()
        )

    def move(self, order: Order, to: str, **how: Any) -> None:
        """Move a payment at the provider of hints, if its state allows that."""
        order.reload()
        assert order.cip
        assert self.hints
        self.hints.tell("move", id=order.cip.provider_id, to=to, **how)

    def press(self, order: Order) -> str:
        """Press for a link until there is one, and return the provider's id of its page."""

        def opened() -> bool:
            try:
                return bool(open_link(order, current_time()))
            except PagoEfectivoError as error:
                self.did[f"open_link: {type(error).__name__}"] += 1
                return False

        wait_for(opened, PATIENT)
        order.reload()
        assert order.cip
        return str(order.cip.provider_id)

    def pay_page(self, page: str, *, times: int = 1) -> None:
        """Pay at the provider of links, whose message is repeated until the shop has taken it so many times."""
        assert self.links
        self.links.pay(page)
        message = self.links.message(page)

        def taken() -> bool:
            with suppress(requests.ConnectionError), requests.Session() as session:
                session.trust_env = False
                address, headers = f"{os.environ['STORM_URL']}/pay/webhooks/linking/", dict(message.headers)
                return session.post(address, message.body, headers=headers, timeout=PATIENCE).status_code == 200
            return False

        for _ in range(times):
            wait_for(taken)

    # What happens at the provider.

    def tell(self, name: str, **body: Any) -> bool:
        """Use a control of the sandbox; False if the code's state forbids it."""
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(f"{self.sandbox}/sandbox/{name}", json=body, timeout=PATIENCE)
        assert answer.status_code in (200, 409), f"{name} {body}: {answer.text}"
        return answer.status_code == 200

    def fault(self, fault: str, **where: Any) -> None:
        self.did[f"{where.get('call', 'webhook')} {fault}"] += where.get("times", 1)
        self.tell("faults", fault=fault, **where)

    def shake(self, reference: str) -> None:
        """Let each provider be down, lose its answer, refuse or be well when it is asked for an order's code."""
        assert self.hints
        assert self.links
        if there := self.random.choice(["", "503", "drop", "400"]):
            self.hints.tell("fault", call="POST /payments$", about=f'"{reference}-', fault=there)
        if there := self.random.choice(["", "503", "drop", "500"]):
            self.fault(there, call="create", transactionCode=f"{reference}-")
        if self.random.random() < 0.3:
            self.links.tell("lose")

    def pay(self, code: int | str, webhook: str = "", **more: Any) -> None:
        """Pay a code, whatever became of it; its webhook suffers what is asked for, in the old or the new form."""
        if webhook:
            self.fault(webhook, cip=code, seconds=self.random.uniform(0.2, 3))
        self.tell("pay", cip=code, **{"force": True, "payload": self.random.choice(["old", "new"])} | more)

    def pay_anyhow(self, code: int | str, **more: Any) -> None:
        self.pay(code, self.random.choice(HARMLESS), **more)

    def pay_meanwhile(self, code: str) -> threading.Thread:
        payer = threading.Thread(target=self.pay_anyhow, args=(code,))
        payer.start()
        return payer

    def mails(self) -> dict[str, int]:
        """The codes that the provider mailed to the payers, by transaction code."""
        with requests.Session() as session:
            session.trust_env = False
            cips = session.get(f"{self.sandbox}/sandbox/cips", timeout=PATIENCE).json()["cips"]
        return {cip["transactionCode"]: cip["cip"] for cip in cips}

    def first_code(self, order: Order) -> int:
        """The first code that was made for an order, as soon as there is one: a worker may be asking for it."""
        return min(wait_for(partial(self.codes_of, f"{order.reference}-"), PATIENT))

    def codes_of(self, name: str) -> list[int]:
        if not (mine := [code for each, code in self.mailed.items() if each.startswith(name)]):
            self.mailed = self.mails()
        return mine


# Manners: what shop and payers do about one order, and how that may end.


@dataclass(frozen=True)
class Manner:
    act: Callable[[Shop, Order], None]
    #: The states that the order may end in, and the discrepancies that may be open then.
    states: frozenset[str]
    kinds: frozenset[str]
    #: What happens when its code is asked for.
    fault: str = ""
    #: The alias of the account, if not the first: ``hinting`` or ``linking``, a server of ``tests/providers``; or
    #: ``any``, where the order finds its way; or ``api``, where the callers of the API make the order.
    account: str = ""


MANNERS: dict[str, Manner] = {}

Act = Callable[[Shop, Order], None]


def ends(*states: str, kinds: tuple[str, ...] = (), fault: str = "", account: str = "") -> Callable[[Act], Act]:
    def keep(act: Act) -> Act:
        MANNERS[act.__name__] = Manner(act, frozenset(states), frozenset(kinds), fault, account)
        return act

    return keep


@ends("paid")
def paid_new(shop: Shop, order: Order) -> None:
    shop.pay(order.code, payload="new")


@ends("paid")
def paid_minimal(shop: Shop, order: Order) -> None:
    shop.pay(order.code, payload="old")


@ends("paid")
def told_twice(shop: Shop, order: Order) -> None:
    shop.pay(order.code, "webhook_twice")


@ends("paid")
def told_late(shop: Shop, order: Order) -> None:
    shop.pay(order.code, "webhook_late")


@ends("paid")
def never_told(shop: Shop, order: Order) -> None:
    shop.pay(order.code, "webhook_never")


@ends("paid")
def told_without_proof(shop: Shop, order: Order) -> None:
    shop.pay(order.code, "webhook_bad_signature")


@ends("paid", fault="slow")
def issued_slowly(shop: Shop, order: Order) -> None:
    shop.pay_anyhow(order.code)


@ends("paid", fault="401")
def token_refused(shop: Shop, order: Order) -> None:
    shop.pay_anyhow(order.code)


@ends("paid")
def shared(shop: Shop, order: Order) -> None:
    """Sold by every process; only one payment is taken."""
    shop.call(issue_code, order)
    shop.pay(order.code, force=False)


@ends("paid")
def asked_at_once(shop: Shop, order: Order) -> None:
    shop.pay_anyhow(order.code)
    shop.call(refresh_order, order)


@ends("paid")
def extended(shop: Shop, order: Order) -> None:
    shop.call(extend_order, order, order.expires_at + timedelta(hours=2))
    shop.pay_anyhow(order.code)


@ends("paid")
def extended_meanwhile(shop: Shop, order: Order) -> None:
    payer = shop.pay_meanwhile(order.code)
    shop.call(extend_order, order, order.expires_at + timedelta(hours=2))
    payer.join()


@ends("paid")
def reissued(shop: Shop, order: Order) -> None:
    shop.call(reissue_code, order)
    shop.pay_anyhow(order.code)


@ends("paid")
def reissued_meanwhile(shop: Shop, order: Order) -> None:
    payer = shop.pay_meanwhile(order.code)
    shop.call(reissue_code, order)
    payer.join()


@ends("paid")
def reissued_without_an_answer(shop: Shop, order: Order) -> None:
    """The old code is deleted, but nobody says so until somebody asks; then the payer has the old code or a new one."""
    shop.fault("drop", call="delete", cip=order.code)
    shop.fault("500", call="search", cip=order.code, times=2)
    shop.call(reissue_code, order)
    shop.call(refresh_order, order)
    shop.later.append(lambda: shop.pay_anyhow(order.code))


@ends("paid", kinds=("duplicate_payment",))
def paid_on_both_codes(shop: Shop, order: Order) -> None:
    old = order.code
    shop.call(reissue_code, order)
    both = [old, order.code]
    shop.random.shuffle(both)
    for code in both:
        shop.pay_anyhow(code)


@ends("paid", kinds=("duplicate_payment",))
def paid_twice(shop: Shop, order: Order) -> None:
    shop.pay_anyhow(order.code)
    shop.pay_anyhow(order.code)


@ends("cancelled")
def cancelled(shop: Shop, order: Order) -> None:
    shop.call(cancel_order, order)


@ends("paid", "cancelled", kinds=("paid_after_cancel",))
def cancelled_meanwhile(shop: Shop, order: Order) -> None:
    payer = shop.pay_meanwhile(order.code)
    shop.call(cancel_order, order)
    payer.join()


@ends("paid", "cancelled", kinds=("paid_after_cancel",))
def paid_after_cancel(shop: Shop, order: Order) -> None:
    shop.call(cancel_order, order)
    shop.pay_anyhow(order.code)


@ends("pending", "refunded", kinds=("reversed",))
def reversed_after(shop: Shop, order: Order) -> None:
    shop.pay(order.code)
    shop.tell("reverse", cip=order.code)


@ends("pending", "refunded", kinds=("reversed",))
def reversed_before(shop: Shop, order: Order) -> None:
    """The payment's webhook comes after that of its reversal."""
    shop.pay(order.code, "webhook_late")
    shop.tell("reverse", cip=order.code)


@ends("paid", fault="drop")
def answer_lost(shop: Shop, order: Order) -> None:
    """The payer has the code from the provider's mail."""
    shop.later.append(lambda: shop.pay_anyhow(shop.first_code(order)))


@ends("expired", fault="drop")
def answer_lost_and_never_told(shop: Shop, order: Order) -> None:
    shop.later.append(lambda: shop.pay(shop.first_code(order), "webhook_never"))


@ends("expired", fault="drop")
def answer_lost_and_not_paid(shop: Shop, order: Order) -> None:
    pass


@ends("paid", "expired", fault="503")
def provider_down(shop: Shop, order: Order) -> None:
    """Another code is issued a minute later, and paid if the payer is still there."""

    def pay() -> None:
        order.reload()
        if order.code:
            shop.pay_anyhow(order.code)

    shop.later.append(pay)


@ends("paid")
def paid_in_time_told_after(shop: Shop, order: Order) -> None:
    shop.run_out(order)
    shop.pay(order.code, "webhook_late", paymentDate=lima(hours=-3))


@ends("pending", "expired", kinds=("late_payment",))
def paid_too_late(shop: Shop, order: Order) -> None:
    shop.run_out(order)
    shop.pay_anyhow(order.code)


@ends("expired")
def code_expired(shop: Shop, order: Order) -> None:
    shop.tell("expire", cip=order.code, notify=True)


@ends("paid")
def paid_though_expired(shop: Shop, order: Order) -> None:
    """The provider ends the code before our date, and the collector takes money for it all the same."""
    shop.tell("expire", cip=order.code, notify=True)
    shop.pay_anyhow(order.code)


# The provider of hints.


@ends("paid", account="hinting")
def hinted_in_process(shop: Shop, order: Order) -> None:
    """Two facts, told by equal bytes; the first may come after the second."""
    shop.move(order, "in_process", after=shop.random.uniform(0, 1))
    shop.move(order, "approved", times=2, after=shop.random.uniform(0, 1))


@ends("paid", account="hinting")
def hinted_never(shop: Shop, order: Order) -> None:
    shop.move(order, "approved", times=0)


@ends("paid", fault="drop", account="hinting")
def hinted_answer_lost(shop: Shop, order: Order) -> None:
    """The code is found by our number, and never asked for again."""
    shop.see_code(order)
    shop.move(order, "approved")


@ends("paid", "expired", fault="503", account="hinting")
def hinted_provider_down(shop: Shop, order: Order) -> None:
    """Another is asked for minutes later, once the provider's no counts; by then the payer may be gone."""

    def pay() -> None:
        order.reload()
        if order.cip and order.cip.is_known:
            shop.move(order, "approved")

    shop.later.append(pay)


@ends("cancelled", account="hinting")
def hinted_cancelled(shop: Shop, order: Order) -> None:
    shop.call(cancel_order, order)


@ends("paid", "cancelled", kinds=("paid_after_cancel",), account="hinting")
def hinted_cancelled_meanwhile(shop: Shop, order: Order) -> None:
    payer = threading.Thread(target=shop.move, args=(order, "approved"))
    payer.start()
    shop.call(cancel_order, order)
    payer.join()


@ends("expired", account="hinting")
def hinted_code_expired(shop: Shop, order: Order) -> None:
    shop.move(order, "expired")


@ends("refunded", account="hinting")
def hinted_refunded(shop: Shop, order: Order) -> None:
    """Money goes back days later: at one of the provider's answers to our question."""
    shop.move(order, "approved")

    def give_back() -> None:
        wait_for(partial(shop.is_paid, order), PATIENT)
        approve_refund(refund_order(order, actor="ana", reason="Out of stock."), actor="eva")

    shop.later.append(give_back)


@ends("refunded", kinds=("reversed",), account="hinting")
def hinted_charged_back(shop: Shop, order: Order) -> None:
    shop.move(order, "approved")

    def take_back() -> None:
        wait_for(partial(shop.is_paid, order), PATIENT)
        shop.move(order, "charged_back")

    shop.later.append(take_back)


# The provider of links.


@ends("paid", account="linking")
def pressed(shop: Shop, order: Order) -> None:
    shop.pay_page(shop.press(order), times=2)


@ends("paid", account="linking")
def pressed_never_told(shop: Shop, order: Order) -> None:
    page = shop.press(order)
    assert shop.links
    shop.links.pay(page)


@ends("paid", account="linking")
def pressed_answer_lost(shop: Shop, order: Order) -> None:
    """The answer to whoever presses next is lost, and found by our number at once."""
    assert shop.links
    shop.links.tell("lose")
    shop.pay_page(shop.press(order))


@ends("paid", kinds=("duplicate_payment",), account="linking")
def pressed_reissued(shop: Shop, order: Order) -> None:
    """The payer pays on the first page, which nobody can delete, and on the second; in either order."""
    first = shop.press(order)
    shop.call(reissue_code, order)
    for page in {first, shop.press(order)}:
        shop.pay_page(page)


@ends("cancelled", "paid", kinds=("paid_after_cancel",), account="linking")
def pressed_cancelled(shop: Shop, order: Order) -> None:
    page = shop.press(order)
    shop.call(cancel_order, order)
    shop.pay_page(page)


@ends("expired", account="linking")
def pressed_unpaid(shop: Shop, order: Order) -> None:
    shop.press(order)


@ends("expired", account="linking")
def never_pressed(shop: Shop, order: Order) -> None:
    pass


# Three providers, which go up and down.


@ends("paid", "expired", kinds=("lost_code",), account="any")
def finds_its_way(shop: Shop, order: Order) -> None:
    """The payer pays what is on the voucher, and presses where there is a button, if anything is there in time."""

    def pay() -> None:
        with suppress(PagoEfectivoError):
            open_link(order, current_time())
        order.reload()
        if not (order.cip and order.cip.status == "current"):
            return
        if order.cip.channel == "hinting":
            shop.move(order, "approved")
        elif order.cip.channel == "linking":
            shop.pay_page(str(order.cip.provider_id))
        else:
            shop.pay_anyhow(order.code)

    shop.later.append(pay)


@ends("paid", "expired", kinds=("lost_code", "duplicate_payment"), account="any")
def finds_its_way_and_pays_what_was_mailed(shop: Shop, order: Order) -> None:
    """The sandbox mails its codes, also those whose answer got lost; the order may have another by then."""

    def pay() -> None:
        order.reload()
        for code in shop.codes_of(f"{order.reference}-"):
            if str(code) != order.code:
                shop.pay_anyhow(code)

    finds_its_way(shop, order)
    shop.later.append(pay)


# The API, whose callers are in ``caller``.


@ends("paid", account="api")
def called(shop: Shop, order: Order) -> None:
    """Created by all callers with one key, then paid."""
    shop.see_code(order)
    shop.pay_anyhow(order.code)


@ends("cancelled", account="api")
def called_off(shop: Shop, order: Order) -> None:
    """Created by all callers with one key, then cancelled by all with another; see ``caller``."""
