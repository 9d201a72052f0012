"""Apply reports of payments and reversals: which payment counts, is held, or is undone."""

from __future__ import annotations

import logging
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from ...actors import PROGRAM
from ...channels.base import Report
from ...conf import conf
from ...errors import Misconfigured
from ...facts import money, utc
from ...models import Cip, Discrepancy, Match, Order, Payment
from ...models.database import database
from ...states import CipStatus, Fact, Kind, OrderState, PaymentStatus, Resolution, StatementKind
from ...transitions import ORDER_TABLE, Rule
from ..provider.accounts import channel_of
from .contradictions import contradict, now_confirmed
from .history import closed, evidence_of
from .locked import NAMES, LockedOrder, named_in, names_disagree
from .refunds import by_provider, confirmed, returned, taken_back
from .schedule import deadline
from .subject import Subject

logger = logging.getLogger("pagoefectivo.worker")


#: Kinds of discrepancy about the amount paid.
AMOUNTS = (Kind.AMOUNT_MISMATCH, Kind.CURRENCY_MISMATCH)


def took_payment(locked: LockedOrder, cip: Cip, report: Report, accepted: bool) -> None:
    """Apply a report of a payment: the payment counts, is held, or repeats a known payment."""
    locked.learn(cip, report)
    if report.amount is None or not report.currency:
        # The report says paid, but the amount can't be read: no payment is written, and a person decides.
        contradict(locked, Kind.AMOUNT_MISMATCH, report, cip)
        return
    if report.paid_at and not report.operation_number and cip.paid_at is None:
        cip.paid_at = report.paid_at
        locked.touch(cip)
    if known := same_payment(locked.payments_of(cip), report):
        _more_known(locked, cip, known, report)
        _reinstate(locked, cip, known, report)
    else:
        elsewhere = _is_elsewhere(locked, cip, report.payment_id)
        payment = Payment(
            cip=cip,
            account=cip.account,
            provider_id=None if elsewhere else report.payment_id or None,
            operation_number=_free_number(locked, cip, report),
            amount=report.amount,
            currency=report.currency,
            paid_at=report.paid_at or cip.paid_at,
            first_heard_at=report.received_at or locked.now,
        )
        kind = _discrepancy_kind(locked, cip, payment, report, accepted)
        locked.payments.append(payment)
        if cip.retry_at:  # the code was due for deletion: "still payable" is answered, and the payment is judged below
            discrepancies = Discrepancy.objects.using(locked.alias).filter(kind=Kind.STILL_PAYABLE, cip=cip).open()
            discrepancies.update(**closed(locked.actor, "paid", locked.now))
        locked.move_cip(cip, CipStatus.PAID)
        cip.retry_at = None
        _count(
            locked, cip, payment, report, Rule(discrepancy=kind) if kind else ORDER_TABLE[locked.state][Fact.PAYMENT]
        )
    _came_back(locked, cip, report)
    for payment in locked.payments_of(cip):
        if payment.paid_at is None and cip.paid_at and payment.status != PaymentStatus.REVERSED:
            _set_time(locked, cip, payment, cip.paid_at, report)


def receipt(cip: Cip, number: str | None) -> str:
    """Return the unique key of a vouched payment: account and operation number."""
    return f"{cip.account} {number}"


def _vouched_elsewhere(locked: LockedOrder, cip: Cip, number: str | None) -> list[Payment]:
    """Return payments of the order on further codes, vouched for by a person with the same receipt."""
    mine = [payment for payment in locked.payments if number and payment.vouched == receipt(cip, number)]
    return [payment for payment in mine if payment.cip_id != cip.pk]


def _is_elsewhere(locked: LockedOrder, cip: Cip, payment_id: str) -> bool:
    """Return whether a payment of another code has the provider's id."""
    named = Payment.objects.using(locked.alias).filter(account=cip.account, provider_id=payment_id)
    return bool(payment_id) and named.exclude(cip=cip).exists()


def _free_number(locked: LockedOrder, cip: Cip, report: Report) -> str | None:
    """Return the report's operation number; None if another payment of the code, by another id, has the number."""
    taken = {payment.operation_number for payment in locked.payments_of(cip)}
    return None if report.operation_number in taken else report.operation_number or None


def _may_be(payment: Payment, report: Report) -> bool:
    """Return whether a report may be about a payment of its code: two different ids are two payments."""
    return not (report.payment_id and payment.provider_id) or report.payment_id == payment.provider_id


def same_payment(known: list[Payment], report: Report) -> Payment | None:
    """Return the known payment that a report repeats, or None for a new payment.

    ``known``: payments of the report's code, oldest first. Equal ids at the provider: the same payment, always; two
    different ids: a new payment. An id missing on either side, and equal operation numbers: the same payment, always. A
    number missing on either side: the last payment, unless a reversal lies between. Two different numbers: a new
    payment.
    """
    number, known = report.operation_number, [payment for payment in known if _may_be(payment, report)]
    for payment in known if report.payment_id else []:
        if payment.provider_id == report.payment_id:
            return payment
    for payment in known if number else []:
        if payment.operation_number == number:
            return payment
    candidates = [payment for payment in known if not (number and payment.operation_number)]
    if not candidates:
        return None
    last = candidates[-1]
    if last.status != PaymentStatus.REVERSED:
        return last
    # No state of a search says "taken back" (protocol 4.1), so an answer may still show a reversed payment: an answer
    # with a payment time not after the reversed payment's repeats the reversed payment.
    old = report.asked_at and report.paid_at and report.paid_at <= (last.paid_at or last.first_heard_at)
    went_back = report.returned is not None and report.returned >= last.amount
    return last if old or went_back else None


def _discrepancy_kind(locked: LockedOrder, cip: Cip, payment: Payment, report: Report, accepted: bool) -> Kind | None:
    """Return the kind of discrepancy that keeps a payment from counting in any state of the order, or None."""
    # A reversal comes first: asked about the amount only, a person could accept money that went back long ago.
    if _went_back_early(locked, cip, payment) or report.returned:
        return Kind.REVERSED
    of_another_code = report.payment_id and not payment.provider_id  # ``took_payment`` left the id with that payment
    if of_another_code or names_disagree(report, cip):
        return Kind.UNMATCHED
    if payment.currency != locked.order.currency:
        return Kind.CURRENCY_MISMATCH
    if payment.amount != locked.order.amount:
        return Kind.AMOUNT_MISMATCH
    # An open order that is the newest of its reference can't have been ordered again, which saves the query.
    if (locked.order.newest is None or locked.state == OrderState.EXPIRED) and locked.ordered_again():
        return Kind.DUPLICATE_PAYMENT
    return Kind.LATE_PAYMENT if is_late(locked.order, payment) and not accepted else None


def _went_back_early(locked: LockedOrder, cip: Cip, payment: Payment) -> bool:
    """Return whether a reversal reported before a payment may belong to the payment, and use the reversal up.

    A payment without an operation number takes the reversal's number. Otherwise a later report of the reversed payment,
    with the number, would count as a new payment.
    """
    known = {each.operation_number for each in locked.payments_of(cip)}
    numbered = [payment.operation_number] if payment.operation_number else [*filter(None, cip.early_reversals)]
    meant = [number for number in (*numbered, "") if number in cip.early_reversals and number not in known]
    if not meant:
        return False
    cip.early_reversals.remove(meant[0])
    payment.operation_number = payment.operation_number or meant[0] or None
    locked.touch(cip)
    return True


def is_late(order: Order, payment: Payment) -> bool:
    """Return whether a payment was made after the order's date plus ``GRACE``.

    For a payment without a time, the moment when we first heard of the payment counts.
    """
    return (payment.paid_at or payment.first_heard_at) > deadline(order.expires_at)


def _more_known(locked: LockedOrder, cip: Cip, payment: Payment, report: Report) -> None:
    """Apply a repeated report to a known payment: a missing number or time is added, a contradiction is opened."""
    if report.payment_id and not payment.provider_id and not _is_elsewhere(locked, cip, report.payment_id):
        payment.provider_id = report.payment_id
        payment.save(using=locked.alias, update_fields=["provider_id"])
    numbered = bool(not payment.operation_number and _free_number(locked, cip, report))
    if numbered:
        payment.operation_number = report.operation_number
        payment.save(using=locked.alias, update_fields=["operation_number"])
        _show_payment(locked, cip, payment)
    if report.paid_at and report.operation_number and (numbered or payment.paid_at is None):
        _set_time(locked, cip, payment, report.paid_at, report)
    if names_disagree(report, cip):
        discrepancies = Discrepancy.objects.using(locked.alias).filter(payment=payment)
        names = {name: value for name in NAMES if (value := getattr(report, name))}
        shown = [
            said for discrepancy in discrepancies for said in discrepancy.evidence if names.items() <= said.items()
        ]
        if not shown:
            contradict(locked, Kind.UNMATCHED, report, cip, payment)
    told, owed = (report.amount, report.currency), (locked.order.amount, locked.order.currency)
    accepted = payment.status == PaymentStatus.APPLIED and told == owed  # the report now names the amount due
    if told != (payment.amount, payment.currency) and not accepted:
        contradict(locked, Kind.AMOUNT_MISMATCH, report, cip, payment)
    if report.asked_at and told == owed:
        # The provider's own answer confirms the amount due, so the suggested refund may be wrong; a person decides.
        doubts = Discrepancy.objects.using(locked.alias).filter(kind__in=AMOUNTS, payment=payment).open()
        doubts.update(suggestion="")


def _set_time(locked: LockedOrder, cip: Cip, payment: Payment, time: datetime, report: Report) -> None:
    if payment.paid_at != time:
        payment.paid_at = time
        payment.save(using=locked.alias, update_fields=["paid_at"])
        _show_payment(locked, cip, payment)
        _reconsider(locked, cip, payment, report)


def _reconsider(locked: LockedOrder, cip: Cip, payment: Payment, report: Report) -> None:
    """Count a payment held as late if the provider's time shows a payment in time."""
    if payment.status != PaymentStatus.HELD or payment.refunded or is_late(locked.order, payment):
        return
    late = Discrepancy.objects.using(locked.alias).filter(kind=Kind.LATE_PAYMENT, payment=payment).open()
    if late.update(**closed(PROGRAM, "paid_in_time", locked.now)):
        twice = Rule(discrepancy=Kind.DUPLICATE_PAYMENT) if locked.ordered_again() else None
        _count(locked, cip, payment, report, twice or ORDER_TABLE[locked.state][Fact.PAYMENT])
        tell_if_settled(locked, payment)


def _count(locked: LockedOrder, cip: Cip, payment: Payment, report: Report, rule: Rule) -> None:
    """Save a payment with the status given by a rule: the payment pays the order, or opens a discrepancy."""
    duplicate = rule.discrepancy == Kind.DUPLICATE_PAYMENT
    payment.status = PaymentStatus.APPLIED if rule.to else PaymentStatus.DUPLICATE if duplicate else PaymentStatus.HELD
    payment.save(using=locked.alias)
    if rule.to:
        pay(locked, payment, Fact.PAYMENT)
    elif rule.discrepancy:
        locked.open_discrepancy(rule.discrepancy, report, cip, payment)
        if _vouched_elsewhere(locked, cip, payment.operation_number):
            # The same receipt was vouched for on another code of the order: a refund of the seeming duplicate would
            # give the only payment back, so no refund is suggested.
            Discrepancy.objects.using(locked.alias).filter(kind=rule.discrepancy, payment=payment).update(suggestion="")


def pay(locked: LockedOrder, payment: Payment, fact: Fact, reason: str = "") -> None:
    """Apply a payment to the order: the order becomes paid, and further codes are dropped."""
    if payment.status != PaymentStatus.APPLIED:
        payment.status = PaymentStatus.APPLIED
        payment.save(using=locked.alias, update_fields=["status"])
    cip = next(cip for cip in locked.cips if cip.pk == payment.cip_id)
    locked.order.cip = cip
    locked.order.settled_at = None  # set by the settlement of an earlier, reversed payment, which is other money
    _show_payment(locked, cip, payment)
    locked.drop_others(cip)
    locked.move_order(OrderState.PAID, fact, cip, reason=reason)
    now_confirmed(locked, "paid")


def tell_if_settled(locked: LockedOrder, payment: Payment) -> None:
    """Set ``settled_at`` and record ``payment_settled`` if a settlement already lists a payment applied just now."""
    if payment.status != PaymentStatus.APPLIED or locked.order.settled_at:
        return
    matches = Match.objects.using(locked.alias).filter(
        payment=payment, kind=StatementKind.SETTLEMENT, part=0, stands=True
    )
    if match := matches.select_related("line__settlement").first():
        locked.order.settled_at = locked.now
        data = {"settlement": str(match.line.settlement)}
        locked.history.tell(locked.order, "payment_settled", "", locked.cip, data, before=locked.order.state)


def _pays(locked: LockedOrder, payment: Payment) -> bool:
    """Return whether a payment pays or has paid the order; a paid order is not paid by a wholly refunded payment."""
    if payment.status != PaymentStatus.APPLIED:
        return False
    return locked.state != OrderState.PAID or payment.refunded < payment.amount or not returned(locked, payment)


def _show_payment(locked: LockedOrder, cip: Cip, payment: Payment) -> None:
    """Copy time and operation number of a payment to the order, if the payment pays the order."""
    if _pays(locked, payment):
        locked.order.paid_at = payment.paid_at or payment.first_heard_at
        locked.order.operation_number = payment.operation_number or ""
        locked.touch(cip)


def took_back(locked: LockedOrder, cip: Cip, report: Report, wanted: bool) -> None:
    """Apply a reversal to the payment meant, or keep the reversal for a payment not heard of yet.

    Meant is the payment with the provider's id, else the payment with the reversal's operation number, else the last
    without a number; a reversal without a number means the only payment of the code. Where none is meant but payments
    stand, a discrepancy is opened.
    """
    number, mine = report.operation_number, locked.payments_of(cip)
    for elsewhere in _vouched_elsewhere(locked, cip, number):
        _went_back(locked, elsewhere, report)
    kept = [payment for payment in mine if payment.status != PaymentStatus.REVERSED]
    possible = [payment for payment in mine if _may_be(payment, report)]
    if identified := [payment for payment in possible if report.payment_id and payment.provider_id]:
        meant = identified
    elif exact := [payment for payment in possible if number and payment.operation_number == number]:
        meant = exact
    elif number:
        meant = [payment for payment in kept if payment in possible and payment.operation_number is None]
    else:
        meant = possible if len(mine) == 1 else []
    if meant:
        _went_back(locked, meant[-1], report)
        return
    if (number or not mine) and number not in cip.early_reversals:
        cip.early_reversals.append(number)
        locked.touch_reversed(cip)
        locked.note(Fact.PAYMENT_REVERSED, cip, {"about": "payment_not_known"})
    if kept:
        contradict(locked, Kind.REVERSED, report, cip)


def _came_back(locked: LockedOrder, cip: Cip, report: Report) -> None:
    """Apply the sum that, by a report of a payment, went back so far."""
    known = same_payment(locked.payments_of(cip), report) if report.returned else None
    if known and known.status != PaymentStatus.REVERSED:
        _returned_so_far(locked, cip, known, report)


def _returned_so_far(locked: LockedOrder, cip: Cip, payment: Payment, report: Report) -> None:
    """Reverse a payment that went back whole; open a discrepancy about a sum that refunds of ours don't explain."""
    assert report.returned is not None  # nosec B101 # narrows the type for mypy
    if report.returned >= payment.amount:
        _undo(locked, cip, payment, report)
        return
    unexplained = report.returned - by_provider(locked, payment)
    subject = Subject.of_payment(payment, cip, locked.order)
    discrepancy = Discrepancy.objects.using(locked.alias).filter(kind=Kind.REVERSED, subject=subject.text).first()
    sums = [Decimal(said["returned"]) for said in discrepancy.evidence if "returned" in said] if discrepancy else []
    if unexplained > 0 and report.returned not in sums:
        locked.history.open_discrepancy(
            Kind.REVERSED, subject, evidence_of(report), amount=unexplained, currency=payment.currency, anew=True
        )


def _reinstate(locked: LockedOrder, cip: Cip, payment: Payment, report: Report) -> None:
    """Hold a reversed payment that an answer, asked for later, shows as paid, and open a discrepancy.

    Only where the provider's answers tell reversals: elsewhere "paid" may be said of a reversed payment too.
    """
    kind = ORDER_TABLE[locked.state][Fact.REINSTATED].discrepancy
    whole = report.returned is not None and report.returned >= payment.amount
    if payment.status != PaymentStatus.REVERSED or not report.asked_at or whole or not kind:
        return
    try:
        tells = channel_of(cip).tells_reversals
    except Misconfigured:
        return
    if tells:
        payment.status = PaymentStatus.HELD
        payment.save(using=locked.alias, update_fields=["status"])
        locked.touch(cip)
        locked.open_discrepancy(kind, report, cip, payment, anew=True)


def _went_back(locked: LockedOrder, payment: Payment, report: Report) -> None:
    """Reverse a payment, or record a partial return; a payment reversed before stays as it is."""
    if payment.status == PaymentStatus.REVERSED:
        return
    cip = next(cip for cip in locked.cips if cip.pk == payment.cip_id)
    if report.returned is not None:
        _returned_so_far(locked, cip, payment, report)
        return
    told = (payment.amount if report.amount is None else report.amount, report.currency or payment.currency)
    if told == (payment.amount, payment.currency):
        _undo(locked, cip, payment, report)
    else:
        _part_came_back(locked, cip, payment, report)


def _part_came_back(locked: LockedOrder, cip: Cip, payment: Payment, report: Report) -> None:
    """Record a return of another amount than the payment's: the payment stands.

    A discrepancy is opened unless a refund of ours explains the amount, or the same evidence was recorded before.
    """
    heard = utc(report.received_at or report.asked_at or locked.now)
    evidence = evidence_of(report) | {"heard": heard}
    subject = Subject.of_payment(payment, cip, locked.order)
    discrepancy = Discrepancy.objects.using(locked.alias).filter(kind=Kind.REVERSED, subject=subject.text).first()
    if discrepancy and evidence in discrepancy.evidence:
        return
    if report.amount and report.currency in ("", payment.currency) and confirmed(locked, payment, report.amount, heard):
        return
    locked.history.open_discrepancy(
        Kind.REVERSED, subject, evidence,
        amount=report.amount, currency=report.currency or payment.currency, anew=True,
    )  # fmt: skip


def _undo(locked: LockedOrder, cip: Cip, payment: Payment, report: Report) -> None:
    made_it_paid = _pays(locked, payment)
    payment.status = PaymentStatus.REVERSED
    payment.operation_number = payment.operation_number or report.operation_number or None
    payment.save(using=locked.alias, update_fields=["status", "operation_number"])
    locked.touch_reversed(cip)
    for discrepancy in Discrepancy.objects.using(locked.alias).filter(payment=payment).open():
        discrepancy.evidence = [*discrepancy.evidence, evidence_of(report)]
        discrepancy.suggestion = Resolution.IGNORE
        discrepancy.save(using=locked.alias, update_fields=["evidence", "suggestion"])
    rule, ours, twice = ORDER_TABLE[locked.state][Fact.PAYMENT_REVERSED], *taken_back(locked, payment)
    if made_it_paid and rule.to:
        locked.move_order(rule.to, Fact.PAYMENT_REVERSED, cip)
        if not ours:
            contradict(locked, Kind.REVERSED, report, cip, payment)
    else:
        locked.note(Fact.PAYMENT_REVERSED, cip, {"payment": payment.pk, **money(payment.amount, payment.currency)})
        if twice:
            contradict(locked, Kind.REVERSED, report, cip, payment)


def unknown_time(locked: LockedOrder, cip: Cip, report: Report) -> bool:
    """Return whether a new payment would count as late only because the report names no payment time."""
    if report.paid_at or same_payment(locked.payments_of(cip), report):
        return False
    return is_late(locked.order, Payment(first_heard_at=report.received_at or locked.now))


def shop_accepts(report: Report, now: datetime) -> bool:
    """Return whether the shop accepts a late payment, by the setting ``LATE_PAYMENTS``.

    A function of the shop's runs here, before any order is locked. False for a report that is no late payment.
    """
    if report.fact != Fact.PAYMENT or conf.late_payments == "hold":
        return False
    if conf.late_payments == "accept":
        return True
    codes = Cip.objects.using(database()).select_related("order").filter(named_in([report]))
    by_strength = [[cip for cip in codes if getattr(cip, name) == getattr(report, name)] for name in NAMES]
    cip = next((found[0] for found in by_strength if found), None)
    if not cip or not is_late(cip.order, Payment(paid_at=report.paid_at, first_heard_at=report.received_at or now)):
        return False
    if same_payment(list(cip.payments.using(database()).order_by("pk")), report):
        return False  # a known payment: the shop decided when the payment was new
    try:
        policy = conf.late_policy
        with transaction.atomic(using=database()):  # an SQL error in the shop's function rolls back to here only
            return callable(policy) and bool(policy(cip.order, report))
    except Exception:
        # The shop's function failed: the payment is held, and a person decides.
        logger.exception("LATE_PAYMENTS failed for order %s; its payment is held.", cip.order_id)
        return False
