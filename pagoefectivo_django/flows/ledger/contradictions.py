"""Contradictions between a provider's answers and our records: opened as discrepancies, closed when an answer agrees.

The last contradicting answer is kept on the code (``Cip.answer``), so that an unchanged answer opens nothing twice.
"""

from __future__ import annotations

from ...actors import PROGRAM
from ...channels.base import Report
from ...facts import Data
from ...models import Cip, Discrepancy, Payment
from ...states import Fact, Kind, OrderState
from .history import closed
from .locked import LockedOrder
from .schedule import LIMIT, MOST_ATTEMPTS, deadline
from .subject import Subject

#: Kinds of discrepancy that the answer "paid" may close.
ENDED_BY_PAID = (Kind.MISSING_THERE, Kind.REVERSED)


def is_answer(report: Report, cip: Cip) -> bool:
    """Return whether a report is the provider's present answer: we asked, and the code has not changed since."""
    return report.asked_at is not None and report.version in (None, cip.version)


def contradict(locked: LockedOrder, kind: Kind, report: Report, cip: Cip, payment: Payment | None = None) -> None:
    """Open a discrepancy because a report contradicts our records.

    A resolved discrepancy is reopened only for news: an answer different from the last answer about the code, or a
    message about money that no earlier evidence mentions.
    """
    anew = None
    if is_answer(report, cip):
        said = _said(locked, cip, report)
        anew = said != cip.answer
        locked.keep_answer(cip, said)
    locked.open_discrepancy(kind, report, cip, payment, anew=anew)


def heard(locked: LockedOrder, cip: Cip, report: Report, before: str) -> None:
    """Clear the contradiction kept on a code if the answer differs; "paid" closes discrepancies based on answers alone.

    ``before``: the contradiction kept on the code before the answer was applied.
    """
    if not before or report.fact == Fact.UNKNOWN or before == _said(locked, cip, report):
        return
    if cip.answer == before:
        locked.keep_answer(cip, "")
    if report.fact == Fact.PAYMENT:
        _close_contradicted(locked, cip)


def close_unconfirmed(locked: LockedOrder, because: str, about: str = "", *, reason: str = "") -> None:
    """Close the order's open ``NOT_CONFIRMED`` discrepancies; ``about``: only of this part of the subject."""
    asked = Discrepancy.objects.using(locked.alias).filter(order=locked.order, kind=Kind.NOT_CONFIRMED).open()
    of_order = asked.filter(subject__startswith=Subject.of_order(locked.order, about=about).text)
    of_order.update(**closed(locked.actor, because, locked.now, reason=reason))


def close_lost(locked: LockedOrder, cip: Cip) -> None:
    """Close the open ``LOST_CODE`` discrepancy about a code whose digits are known now."""
    asked = Discrepancy.objects.using(locked.alias).filter(kind=Kind.LOST_CODE, subject=Subject.of_cip(cip).text).open()
    asked.update(**closed(locked.actor, "code_told", locked.now))


def now_confirmed(locked: LockedOrder, because: str) -> None:
    """Close ``NOT_CONFIRMED`` discrepancies once the code's outcome is known: all, or of the expiry only.

    A paid or cancelled order needs no confirmation at all; any other order may still wait for a change. Such a
    discrepancy is opened after ``LIMIT`` or ``MOST_ATTEMPTS`` at the earliest, so before then no statement is run.
    """
    late = locked.now - deadline(locked.order.expires_at) > LIMIT
    if late or locked.order.attempts >= MOST_ATTEMPTS:
        whole = locked.state in (OrderState.PAID, OrderState.CANCELLED)
        close_unconfirmed(locked, because, "" if whole else "expiry:")


def _close_contradicted(locked: LockedOrder, cip: Cip) -> None:
    asked = Discrepancy.objects.using(locked.alias).filter(cip=cip.pk, kind__in=ENDED_BY_PAID).open()
    mine = [discrepancy for discrepancy in asked if all(map(_is_contradicted, discrepancy.evidence))]
    if not mine:
        return
    keys = [discrepancy.pk for discrepancy in mine]
    asked.filter(pk__in=keys).update(**closed(PROGRAM, "paid_again", locked.now))
    for discrepancy in mine:
        data = {"about": "paid_again", "discrepancy": discrepancy.kind}
        locked.history.tell(
            locked.order, "noted", Fact.PAYMENT, cip, data, before=locked.order.state, discrepancy=discrepancy
        )


def _is_contradicted(said: Data) -> bool:
    """Return whether a piece of evidence is a provider's answer different from "paid".

    Evidence with the fact "payment" tells of a payment reported after its reversal, which "paid" does not contradict.
    """
    return said.get("source") == "answer" and said.get("fact") != Fact.PAYMENT


def _said(locked: LockedOrder, cip: Cip, report: Report) -> str:
    """Return an answer as text to compare: fact, money and number of a payment, key of the last payment known here.

    At most 100 characters. The key makes the same answer after a further payment a different text.
    """
    words = [str(report.fact)]
    if report.fact == Fact.PAYMENT:
        amount = "?" if report.amount is None else f"{report.amount:.2f}"
        words += [report.currency, amount, report.operation_number]
    mine = locked.payments_of(cip)
    return " ".join(filter(None, [*words, f"#{mine[-1].pk}" if mine else ""]))[:100]
