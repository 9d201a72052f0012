"""Answers that are not what we know: put to a person when they change, and no question any more when they end."""

from __future__ import annotations

from collections.abc import Mapping

from ...channels.base import Report
from ...models import Cip, Discrepancy, Payment
from ...states import Fact, Kind, OrderState
from .history import closed
from .locked import LockedOrder
from .schedule import LIMIT, MOST_ATTEMPTS, deadline

#: What the answer "paid" contradicts.
ENDED_BY_PAID = (Kind.MISSING_THERE, Kind.REVERSED)


def is_answer(report: Report, cip: Cip) -> bool:
    """Return whether a report is what the provider says now: it was asked for, and the code is as it was then."""
    return report.asked_at is not None and report.version in (None, cip.version)


def doubt(locked: LockedOrder, kind: Kind, report: Report, cip: Cip, payment: Payment | None = None) -> None:
    """Put to a person that a provider says otherwise than we know.

    A question that a person answered is asked again if this is news: an answer that is not the last one about the code,
    or a message that says what none before it said.
    """
    anew = None
    if is_answer(report, cip):
        said = _said(locked, cip, report)
        anew = said != cip.answer
        locked.keep_answer(cip, said)
    locked.open_discrepancy(kind, report, cip, payment, anew=anew)


def heard(locked: LockedOrder, cip: Cip, report: Report, before: str) -> None:
    """Forget the doubt that an answer ends. If it says paid, close what nothing but the provider's answers had asked.

    ``before``: the doubt, as it was kept before this answer was applied.
    """
    if not before or report.fact == Fact.UNKNOWN or before == _said(locked, cip, report):
        return
    if cip.answer == before:
        locked.keep_answer(cip, "")
    if report.fact == Fact.PAYMENT:
        _close_contradicted(locked, cip)


def close_unconfirmed(locked: LockedOrder, reason: str, about: str = "") -> None:
    """Close what a person was asked because nobody confirmed a change, or the end, of the order."""
    asked = Discrepancy.objects.using(locked.alias).filter(order=locked.order, kind=Kind.NOT_CONFIRMED).open()
    of_order = asked.filter(subject__startswith=f"order:{locked.order.pk}:{about}")
    of_order.update(**closed(locked.actor, reason, locked.now))


def close_lost(locked: LockedOrder, cip: Cip) -> None:
    """Close what a person was asked because nobody knew a code, which is known now."""
    asked = Discrepancy.objects.using(locked.alias).filter(kind=Kind.LOST_CODE, subject=f"cip:{cip.pk}").open()
    asked.update(**closed(locked.actor, f"The provider told of code {cip}.", locked.now))


def now_confirmed(locked: LockedOrder, reason: str) -> None:
    """Close such a question after the provider has told what became of the code.

    One is open after a day or after many attempts at the earliest, so that otherwise this costs no statement.
    """
    late = locked.now - deadline(locked.order.expires_at) > LIMIT
    if late or locked.order.attempts >= MOST_ATTEMPTS:
        whole = locked.state in (OrderState.PAID, OrderState.CANCELLED)
        close_unconfirmed(locked, reason, "" if whole else "expiry:")


def _close_contradicted(locked: LockedOrder, cip: Cip) -> None:
    reason = "The provider says paid again."
    asked = Discrepancy.objects.using(locked.alias).filter(cip=cip.pk, kind__in=ENDED_BY_PAID).open()
    mine = [discrepancy for discrepancy in asked if all(map(_is_contradicted, discrepancy.evidence))]
    if not mine:
        return
    keys = [discrepancy.pk for discrepancy in mine]
    asked.filter(pk__in=keys).update(**closed("pagoefectivo", reason, locked.now))
    for discrepancy in mine:
        detail = f"{discrepancy.kind}: {reason}"
        locked.history.tell(locked.order, "noted", Fact.PAYMENT, cip, detail, locked.order.state, discrepancy)


def _is_contradicted(said: Mapping[str, str]) -> bool:
    """Return whether the answer "paid" contradicts a piece of evidence: not a payment whose reversal came first."""
    return said.get("source") == "answer" and said.get("fact") != Fact.PAYMENT


def _said(locked: LockedOrder, cip: Cip, report: Report) -> str:
    """Return what an answer says, as far as it matters, and after which payment: another one is another matter."""
    words = [str(report.fact)]
    if report.fact == Fact.PAYMENT:
        amount = "?" if report.amount is None else f"{report.amount:.2f}"
        words += [report.currency, amount, report.operation_number]
    mine = locked.payments_of(cip)
    return " ".join(filter(None, [*words, f"#{mine[-1].pk}" if mine else ""]))[:100]
