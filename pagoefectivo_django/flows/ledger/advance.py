"""``advance``, the only function that applies reports and decisions to orders, codes and payments."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from enum import StrEnum

from ...actors import PROVIDER, Actor
from ...channels.base import Report
from ...conf import conf
from ...models import Cip, Order
from ...models.clock import current_time
from ...models.database import database, one_transaction
from ...states import CipStatus, Fact
from ...traces import traced
from ..provider.routes import Channels, preferred
from .codes import ended, in_process, issued, out_of_process, refused, unknown
from .contradictions import close_lost, heard, is_answer
from .decisions import Decision, decide
from .locked import NAMES, LockedOrder, UnitOfWork, named_in, open_unit_of_work
from .payments import shop_accepts, took_back, took_payment, unknown_time


class Outcome(StrEnum):
    """Result of applying one report or decision."""

    APPLIED = "applied"
    #: The report names no code of ours; nothing was written.
    NOT_OURS = "not_ours"
    #: The code changed after the provider was asked; nothing was written, ask again.
    STALE = "stale"
    #: Another transaction holds the order and the caller did not wait; nothing was written, try again later.
    LOCKED = "locked"
    #: An earlier message about the same code is not applied yet and must be applied first.
    BEHIND = "behind_an_earlier"
    #: The payment seems late only because the report names no payment time; ask the provider for the time first.
    ASK_FIRST = "ask_first"


#: By fact, the function that applies a report to its code and, through the state table, to the order. The last argument
#: says whether the shop asked for the change; for a payment, whether the shop accepts the payment though late.
WHAT_BECOMES: dict[Fact, Callable[[LockedOrder, Cip, Report, bool], None]] = {
    Fact.ISSUED: issued,
    Fact.REFUSED: refused,
    Fact.LOST: refused,
    Fact.PAYMENT: took_payment,
    Fact.CODE_EXPIRED: ended,
    Fact.CODE_DELETED: ended,
    Fact.PAYMENT_REVERSED: took_back,
    Fact.IN_PROCESS: in_process,
    Fact.CODE_FAILED: refused,
    Fact.UNKNOWN: unknown,
    Fact.ABSENT: unknown,
}


@traced()
def advance(
    *changes: Report | Decision,
    actor: Actor | str = PROVIDER,
    wanted: bool = False,
    may_ask: bool = False,
    wait: bool = True,
    now: datetime | None = None,
    orders: Collection[int] = (),
) -> list[Outcome]:
    """Apply reports and decisions to codes and orders in one transaction; return an ``Outcome`` per change, in order.

    Orders are locked in key order and read again. ``wanted``: the shop wants the change (an extension, a new code, a
    code to adopt). ``may_ask``: the caller can still ask the provider for the time of a payment. ``wait`` False: a
    change to an order held by another transaction is skipped as ``LOCKED``, so a held order never stops a batch.
    ``orders``: keys of all orders concerned, from a caller who has just read the keys; saves a query.
    Raises ``InvalidRequest`` for a decision that the order's situation forbids; then nothing is written.
    """
    if not changes:
        return []
    now = now or current_time()
    accepted = {change for change in changes if isinstance(change, Report) and shop_accepts(change, now)}
    routes = _chosen_routes(changes, now)
    outcomes = []
    with one_transaction() as alias:
        wanted_orders = set(orders) or _orders_of(changes, alias)
        unit = open_unit_of_work(wanted_orders, alias=alias, now=now, actor=actor, wait=wait)
        for locked in unit.locked_orders:
            locked.route = routes.get(locked.order.pk)
        held = wanted_orders - {locked.order.pk for locked in unit.locked_orders}
        find = _finder(unit)
        for change in changes:
            if held and not wait and _orders_of((change,), alias) & held:
                outcomes.append(Outcome.LOCKED)
                continue
            if isinstance(change, Decision):
                decide(unit, change)
                outcomes.append(Outcome.APPLIED)
                continue
            counts = change in accepted if change.fact == Fact.PAYMENT else wanted
            outcomes.append(_outcome(find(change), change, counts, may_ask))
        unit.write()
    return outcomes


def _outcome(found: tuple[LockedOrder, Cip] | None, report: Report, wanted: bool, may_ask: bool) -> Outcome:
    """Apply a report to the order and code that it names, and return what became of it."""
    if not found:
        return Outcome.NOT_OURS
    locked, cip = found
    if is_stale(report, cip):
        return Outcome.STALE
    if may_ask and report.fact == Fact.PAYMENT and unknown_time(locked, cip, report):
        return Outcome.ASK_FIRST
    _apply(locked, cip, report, wanted)
    return Outcome.APPLIED


def _apply(locked: LockedOrder, cip: Cip, report: Report, wanted: bool) -> None:
    before, lost = cip.answer, cip.status == CipStatus.LOST and not cip.is_known
    WHAT_BECOMES[report.fact](locked, cip, report, wanted)
    out_of_process(locked, cip, report.fact)
    if is_answer(report, cip):
        heard(locked, cip, report, before)
    if lost and cip.is_known:
        close_lost(locked, cip)


def is_stale(report: Report, cip: Cip) -> bool:
    """Return whether a code changed after the provider was asked, which makes the answer useless.

    A payment is stale only if a reversal was recorded meanwhile. Versions rise when the batch is written, so several
    answers of one batch about one code are all compared with the version before the batch.
    """
    if report.version is None or not cip.is_known:
        return False
    if report.fact == Fact.PAYMENT:
        return cip.reversed_version > max(report.version, 0)
    return cip.version != report.version


def _finder(unit: UnitOfWork) -> Callable[[Report], tuple[LockedOrder, Cip] | None]:
    """Return a function from a report to the locked order and code named in the report."""
    by_name: dict[tuple[str, str, str], list[LockedOrder]] = {}
    for locked in unit.locked_orders:
        for cip in locked.cips:
            for name in NAMES:
                if value := getattr(cip, name):
                    by_name.setdefault((cip.account, name, value), []).append(locked)

    def find(report: Report) -> tuple[LockedOrder, Cip] | None:
        for name in NAMES:
            # If two names are of two different codes of ours, the first of ``NAMES`` decides.
            for locked in by_name.get((report.account, name, getattr(report, name)), ()):
                if cip := locked.cip_of(report):
                    return locked, cip
        return None

    return find


def names_order(report: Report) -> bool:
    """Return whether a report names a code of an order of ours, by any of its names."""
    return bool(_orders_of((report,), database()))


def _chosen_routes(changes: tuple[Report | Decision, ...], now: datetime) -> dict[int, Channels]:
    """Return the channels that the shop's own function chooses for orders whose code was refused, by the orders' keys.

    The function may take its time, so no lock is held while the function runs. Empty without such a function.
    """
    ends = tuple(one for one in changes if isinstance(one, Report) and one.fact in (Fact.REFUSED, Fact.CODE_FAILED))
    if not ends or not isinstance(conf.routes, str):
        return {}
    orders = Order.objects.using(database()).filter(pk__in=_orders_of(ends, database()))
    return {order.pk: preferred(order, now) for order in orders}


def _orders_of(changes: tuple[Report | Decision, ...], alias: str) -> set[int]:
    pks = {change.order.pk for change in changes if isinstance(change, Decision) and change.order}
    reports = [change for change in changes if isinstance(change, Report)]
    if not reports:
        return pks
    return pks | set(Cip.objects.using(alias).filter(named_in(reports)).values_list("order_id", flat=True))
