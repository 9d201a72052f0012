"""Transitions: what a fact does to a code, by the code's status, and to an order, by the order's state.

Both tables are data: the ledger looks each move up, and the manual prints both.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import TextChoices

from .states import CipStatus, Fact, Kind, OrderState


class Condition(TextChoices):
    """A condition, besides the state, under which a rule moves an order or a code."""

    ASKED = "if we asked"
    LAST_ROUTE = "if no route is left"
    ALL_RETURNED = "if nothing of it is left"
    ALONE = "if the order has no other"


@dataclass(frozen=True)
class Rule:
    """The effect of a fact on an order in a state; ``str()`` gives the cell of the manual's order table."""

    #: The state that the order moves to; None: the order stays in its state.
    to: OrderState | None = None
    #: The order moves only if this condition holds.
    condition: Condition | None = None
    #: Where the order does not move: an event ``noted`` is written.
    noted: bool = False
    #: Where the order does not move: its code becomes due for deletion at the provider.
    delete: bool = False
    #: A discrepancy of this kind is opened for staff.
    discrepancy: Kind | None = None
    #: The code remembers the fact, and the discrepancy is opened only if a payment follows.
    remembered: bool = False
    #: The fact is a request, and whoever made the request gets ``AlreadyPaid``.
    refused: bool = False
    #: Where the condition does not hold: the order is new again, and the next route is asked for a code.
    next_route: bool = False

    def __str__(self) -> str:
        aside = "noted, delete the code" if self.delete else "noted" if self.noted else ""
        if self.refused:
            return "error AlreadyPaid"
        if self.remembered:
            return f"remembered: D {self.discrepancy} if paid later"
        if self.next_route:
            return f"{self.to} {self.condition}; else new, and the next route is asked"
        if self.to and self.condition:
            return f"{self.to} {self.condition}" + (f"; else {aside}" if aside else "")
        if self.to:
            return f"{self.to} and D {self.discrepancy}" if self.discrepancy else str(self.to)
        return f"D {self.discrepancy}" if self.discrepancy else aside or "nothing"


_nothing = Rule()
_noted = Rule(noted=True)
_drop = Rule(noted=True, delete=True)
_if_asked = Rule(to=OrderState.PENDING, condition=Condition.ASKED, noted=True, delete=True)
_if_last = Rule(to=OrderState.REJECTED, condition=Condition.LAST_ROUTE, noted=True)
_next = Rule(to=OrderState.REJECTED, condition=Condition.LAST_ROUTE, next_route=True)
_remembered = Rule(remembered=True, discrepancy=Kind.REVERSED)
_pending, _paid = Rule(to=OrderState.PENDING), Rule(to=OrderState.PAID)
_expired, _cancelled = Rule(to=OrderState.EXPIRED), Rule(to=OrderState.CANCELLED)
_undone = Rule(to=OrderState.REFUNDED, discrepancy=Kind.REVERSED)
_twice, _after_cancel = Rule(discrepancy=Kind.DUPLICATE_PAYMENT), Rule(discrepancy=Kind.PAID_AFTER_CANCEL)
_conflict, _after_refund = Rule(discrepancy=Kind.CONFLICT), Rule(discrepancy=Kind.PAID_AFTER_REFUND)
_again = Rule(discrepancy=Kind.REINSTATED)
_deny = Rule(refused=True)
_returned = Rule(to=OrderState.REFUNDED, condition=Condition.ALL_RETURNED, noted=True)

# fmt: off
_ORDER: dict[Fact, tuple[Rule, ...]] = {
    # fact                   new          pending      paid     expired     cancelled      rejected    refunded
    Fact.ISSUED:           (_pending,    _pending,    _drop,   _if_asked,  _drop,         _if_asked,  _drop),
    Fact.REFUSED:          (_if_last,    _noted,      _noted,  _noted,     _noted,        _nothing,   _noted),
    Fact.LOST:             (_noted,      _noted,      _noted,  _noted,     _noted,        _noted,     _noted),
    Fact.PAYMENT:          (_paid,       _paid,       _twice,  _paid,      _after_cancel, _conflict,  _after_refund),
    Fact.CODE_EXPIRED:     (_expired,    _expired,    _noted,  _nothing,   _noted,        _noted,     _noted),
    Fact.CODE_DELETED:     (_cancelled,  _cancelled,  _noted,  _nothing,   _nothing,      _noted,     _noted),
    Fact.PAYMENT_REVERSED: (_remembered, _remembered, _undone, _noted,     _noted,        _noted,     _nothing),
    Fact.IN_PROCESS:       (_pending,    _pending,    _drop,   _if_asked,  _drop,         _if_asked,  _drop),
    Fact.CODE_FAILED:      (_next,       _next,       _noted,  _noted,     _noted,        _nothing,   _noted),
    Fact.REINSTATED:       (_again,      _again,      _again,  _again,     _again,        _again,     _again),
    Fact.UNKNOWN:          (_noted,      _noted,      _noted,  _noted,     _noted,        _noted,     _noted),
    Fact.ABSENT:           (_noted,      _noted,      _noted,  _noted,     _noted,        _noted,     _noted),
    Fact.ACCEPTED:         (_paid,       _paid,       _deny,   _paid,      _paid,         _paid,      _paid),
    Fact.WITHDRAWN:        (_cancelled,  _cancelled,  _deny,   _nothing,   _nothing,      _nothing,   _nothing),
    Fact.LAPSED:           (_expired,    _expired,    _nothing, _nothing,  _nothing,      _nothing,   _nothing),
    Fact.RETURNED:         (_noted,      _noted,      _returned, _noted,   _noted,        _noted,     _noted),
}
# fmt: on

#: A payment is looked up here only after ``flows/ledger/payments.py`` has compared the payment with those already known
#: (a repetition changes nothing), with the order's amount and currency, and with the order's date.
ORDER_TABLE: dict[OrderState, dict[Fact, Rule]] = {
    state: {fact: rules[column] for fact, rules in _ORDER.items()} for column, state in enumerate(OrderState)
}


@dataclass(frozen=True)
class CodeRule:
    """The effect of a provider's fact on a code in a status; ``str()`` gives the cell of the manual's code table."""

    #: The status that the code moves to; None: the code stays in its status.
    to: CipStatus | None = None
    #: The code moves only if this condition holds.
    condition: Condition | None = None
    #: The fact goes on to the order, by the order table.
    order: bool = False
    #: Where the code does not move: the code becomes due for deletion at the provider.
    delete: bool = False
    #: Where the code does not move although ``condition`` is set: the code is superseded.
    superseded: bool = False
    #: The code takes the date of the provider's answer if we asked for a later date.
    dated: bool = False
    #: The provider's answer contradicts a payment of the code, and a discrepancy of this kind is opened.
    discrepancy: Kind | None = None

    def __str__(self) -> str:
        aside = ", ".join(["superseded"] * self.superseded + ["delete"] * self.delete)
        text = f"{self.to} {self.condition}; else {aside}" if self.condition else str(self.to or aside)
        if self.discrepancy:
            text = f"D {self.discrepancy}" + (f"; without a payment {aside}" if aside else "")
        if self.dated:
            return "takes the new date if we asked; else nothing"
        return f"{text} → order".strip() if self.order else text or "noted"


_stay = CodeRule()
_order = CodeRule(order=True)
_dated = CodeRule(dated=True)
_current = CodeRule(to=CipStatus.CURRENT, order=True)
_found = CodeRule(to=CipStatus.CURRENT, condition=Condition.ALONE, order=True, delete=True, superseded=True)
_revive = CodeRule(to=CipStatus.CURRENT, condition=Condition.ASKED, order=True, delete=True)
_unpaid = CodeRule(delete=True, discrepancy=Kind.REVERSED)
_gone = CodeRule(discrepancy=Kind.MISSING_THERE)
_pay = CodeRule(to=CipStatus.PAID, order=True)
_lost = CodeRule(to=CipStatus.LOST, order=True)
_refuse, _fail = CodeRule(to=CipStatus.REFUSED, order=True), CodeRule(to=CipStatus.REFUSED)
_lapse, _ends = CodeRule(to=CipStatus.EXPIRED, order=True), CodeRule(to=CipStatus.EXPIRED)
_delete, _vanish = CodeRule(to=CipStatus.DELETED, order=True), CodeRule(to=CipStatus.DELETED)

# fmt: off
_CODE: dict[Fact, tuple[CodeRule, ...]] = {
    # fact                  requested  lost     current  superseded  paid     expired  deleted  refused
    Fact.ISSUED:           (_current,  _found,  _dated,  _revive,    _unpaid, _revive, _revive, _revive),
    Fact.REFUSED:          (_refuse,   _stay,   _stay,   _stay,      _stay,   _stay,   _stay,   _stay),
    Fact.LOST:             (_lost,     _stay,   _stay,   _stay,      _stay,   _stay,   _stay,   _stay),
    Fact.PAYMENT:          (_pay,      _pay,    _pay,    _pay,       _pay,    _pay,    _pay,    _pay),
    Fact.CODE_EXPIRED:     (_ends,     _ends,   _lapse,  _stay,      _gone,   _stay,   _stay,   _stay),
    Fact.CODE_DELETED:     (_vanish,   _vanish, _delete, _stay,      _gone,   _vanish, _stay,   _stay),
    Fact.PAYMENT_REVERSED: (_order,    _order,  _order,  _order,     _order,  _order,  _order,  _order),
    Fact.IN_PROCESS:       (_current,  _found,  _stay,   _stay,      _stay,   _stay,   _stay,   _stay),
    Fact.CODE_FAILED:      (_refuse,   _fail,   _refuse, _stay,      _gone,   _stay,   _stay,   _stay),
    Fact.UNKNOWN:          (_stay,     _stay,   _stay,   _stay,      _stay,   _stay,   _stay,   _stay),
    Fact.ABSENT:           (_stay,     _stay,   _stay,   _stay,      _gone,   _stay,   _stay,   _stay),
}
# fmt: on

#: The facts that a provider reports, each with its rule by the status of the code.
CODE_TABLE: dict[CipStatus, dict[Fact, CodeRule]] = {
    status: {fact: rules[column] for fact, rules in _CODE.items()} for column, status in enumerate(CipStatus)
}
