"""The states, the facts and the table that joins them; pure."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class OrderState(TextChoices):
    """Where an order stands. *The payer paid*; whether the money reached us is another fact."""

    NEW = "new", _("new")
    PENDING = "pending", _("pending")
    PAID = "paid", _("paid")
    EXPIRED = "expired", _("expired")
    CANCELLED = "cancelled", _("cancelled")
    REJECTED = "rejected", _("rejected")
    REFUNDED = "refunded", _("refunded")


class CipStatus(TextChoices):
    """Where one code stands."""

    REQUESTED = "requested", _("requested")
    LOST = "lost", _("lost: answer not known")
    CURRENT = "current", _("current")
    SUPERSEDED = "superseded", _("superseded")
    PAID = "paid", _("paid")
    EXPIRED = "expired", _("expired")
    DELETED = "deleted", _("deleted")
    REFUSED = "refused", _("refused")


#: A code that is asked for or can be paid; an order has at most one.
LIVE = frozenset({CipStatus.REQUESTED, CipStatus.CURRENT})


class Standing(TextChoices):
    """What a proven payment counts for."""

    APPLIED = "applied", _("applied")
    HELD = "held", _("held")
    DUPLICATE = "duplicate", _("duplicate")
    REVERSED = "reversed", _("reversed")


class Fact(TextChoices):
    """What can be told about a code; the last two are told by people."""

    ISSUED = "issued", _("issued")
    REFUSED = "refused", _("refused")
    LOST = "lost", _("answer not known")
    PAYMENT = "payment", _("payment")
    CODE_EXPIRED = "code_expired", _("code expired")
    CODE_DELETED = "code_deleted", _("code deleted")
    PAYMENT_REVERSED = "payment_reversed", _("payment reversed")
    UNKNOWN = "unknown", _("unknown")
    ACCEPTED = "accepted", _("accepted by a person")
    WITHDRAWN = "withdrawn", _("withdrawn by the shop")


class Kind(TextChoices):
    """The questions that only a person can answer."""

    AMOUNT_MISMATCH = "amount_mismatch", _("paid another amount")
    CURRENCY_MISMATCH = "currency_mismatch", _("paid in another currency")
    UNMATCHED = "unmatched", _("paid for an unknown code")
    LATE_PAYMENT = "late_payment", _("paid late")
    DUPLICATE_PAYMENT = "duplicate_payment", _("paid twice")
    PAID_AFTER_CANCEL = "paid_after_cancel", _("paid after it was cancelled")
    PAID_AFTER_REFUND = "paid_after_refund", _("paid after it was refunded")
    CONFLICT = "conflict", _("paid though no code was issued")
    REVERSED = "reversed", _("the provider took the payment back")
    LOST_CODE = "lost_code", _("a code may exist that we don't know")
    NOT_CONFIRMED = "not_confirmed", _("the provider doesn't confirm a change")
    UNPROCESSED = "unprocessed", _("a proven message could not be applied")


#: Questions about money that came; while one is open the order is frozen.
MONEY_KINDS = frozenset(
    {
        Kind.AMOUNT_MISMATCH,
        Kind.CURRENCY_MISMATCH,
        Kind.UNMATCHED,
        Kind.LATE_PAYMENT,
        Kind.DUPLICATE_PAYMENT,
        Kind.PAID_AFTER_CANCEL,
        Kind.PAID_AFTER_REFUND,
        Kind.CONFLICT,
        Kind.REVERSED,
    }
)


class Resolution(TextChoices):
    """How a person answers a question."""

    ACCEPT = "accept", _("accept as paid")
    REFUND_DUE = "refund_due", _("a refund is due")
    IGNORE = "ignore", _("ignore")


class Wish(TextChoices):
    """What the shop wants done at the provider."""

    ISSUE = "issue", _("issue a code")
    CANCEL = "cancel", _("cancel")
    EXTEND = "extend", _("extend")
    REISSUE = "reissue", _("reissue")


class Condition(TextChoices):
    """What must hold besides the state for a rule to move an order."""

    ASKED = "if we asked"
    LAST_ROUTE = "if no route is left"


@dataclass(frozen=True)
class Rule:
    """What one fact does to an order in one state; ``str()`` is its cell in the README's table."""

    #: The state that the order moves to.
    to: OrderState | None = None
    #: It moves only if this holds.
    condition: Condition | None = None
    #: Otherwise, or without ``to``: an event is written,
    noted: bool = False
    #: and the code is due for deletion at the provider.
    delete: bool = False
    #: A person is asked.
    question: Kind | None = None
    #: The question is asked when a payment follows (the code itself remembers).
    remembered: bool = False
    #: The person who asked is told that the order is paid.
    refused: bool = False

    def __str__(self) -> str:
        aside = "noted, delete the code" if self.delete else "noted" if self.noted else ""
        if self.refused:
            return "error AlreadyPaid"
        if self.remembered:
            return f"remembered: D {self.question} if paid later"
        if self.to and self.condition:
            return f"{self.to} {self.condition}" + (f"; else {aside}" if aside else "")
        if self.to:
            return f"{self.to} and D {self.question}" if self.question else str(self.to)
        return f"D {self.question}" if self.question else aside or "nothing"


_nothing = Rule()
_noted = Rule(noted=True)
_drop = Rule(noted=True, delete=True)
_pending = Rule(to=OrderState.PENDING)
_paid = Rule(to=OrderState.PAID)
_expired = Rule(to=OrderState.EXPIRED)
_cancelled = Rule(to=OrderState.CANCELLED)
_remembered = Rule(remembered=True, question=Kind.REVERSED)
_told = Rule(refused=True)

#: Rows are states, columns facts. Before a payment is looked up here it was compared with the payments known (the same
#: payment changes nothing), with the order's amount and currency, and with its date; see ``flows/advance.py``.
TABLE: dict[OrderState, dict[Fact, Rule]] = {
    OrderState.NEW: {
        Fact.ISSUED: _pending,
        Fact.REFUSED: Rule(to=OrderState.REJECTED, condition=Condition.LAST_ROUTE, noted=True),
        Fact.LOST: _noted,
        Fact.PAYMENT: _paid,
        Fact.CODE_EXPIRED: _expired,
        Fact.CODE_DELETED: _cancelled,
        Fact.PAYMENT_REVERSED: _remembered,
        Fact.UNKNOWN: _noted,
        Fact.ACCEPTED: _paid,
        Fact.WITHDRAWN: _cancelled,
    },
    OrderState.PENDING: {
        Fact.ISSUED: _pending,
        Fact.REFUSED: _noted,
        Fact.LOST: _noted,
        Fact.PAYMENT: _paid,
        Fact.CODE_EXPIRED: _expired,
        Fact.CODE_DELETED: _cancelled,
        Fact.PAYMENT_REVERSED: _remembered,
        Fact.UNKNOWN: _noted,
        Fact.ACCEPTED: _paid,
        Fact.WITHDRAWN: _cancelled,
    },
    OrderState.PAID: {
        Fact.ISSUED: _drop,
        Fact.REFUSED: _noted,
        Fact.LOST: _noted,
        Fact.PAYMENT: Rule(question=Kind.DUPLICATE_PAYMENT),
        Fact.CODE_EXPIRED: _noted,
        Fact.CODE_DELETED: _noted,
        Fact.PAYMENT_REVERSED: Rule(to=OrderState.REFUNDED, question=Kind.REVERSED),
        Fact.UNKNOWN: _noted,
        Fact.ACCEPTED: _told,
        Fact.WITHDRAWN: _told,
    },
    OrderState.EXPIRED: {
        Fact.ISSUED: Rule(to=OrderState.PENDING, condition=Condition.ASKED, noted=True, delete=True),
        Fact.REFUSED: _noted,
        Fact.LOST: _noted,
        Fact.PAYMENT: _paid,
        Fact.CODE_EXPIRED: _nothing,
        Fact.CODE_DELETED: _nothing,
        Fact.PAYMENT_REVERSED: _noted,
        Fact.UNKNOWN: _noted,
        Fact.ACCEPTED: _paid,
        Fact.WITHDRAWN: _nothing,
    },
    OrderState.CANCELLED: {
        Fact.ISSUED: _drop,
        Fact.REFUSED: _noted,
        Fact.LOST: _noted,
        Fact.PAYMENT: Rule(question=Kind.PAID_AFTER_CANCEL),
        Fact.CODE_EXPIRED: _noted,
        Fact.CODE_DELETED: _nothing,
        Fact.PAYMENT_REVERSED: _noted,
        Fact.UNKNOWN: _noted,
        Fact.ACCEPTED: _paid,
        Fact.WITHDRAWN: _nothing,
    },
    OrderState.REJECTED: {
        Fact.ISSUED: Rule(to=OrderState.PENDING, condition=Condition.ASKED, noted=True, delete=True),
        Fact.REFUSED: _nothing,
        Fact.LOST: _noted,
        Fact.PAYMENT: Rule(question=Kind.CONFLICT),
        Fact.CODE_EXPIRED: _noted,
        Fact.CODE_DELETED: _noted,
        Fact.PAYMENT_REVERSED: _noted,
        Fact.UNKNOWN: _noted,
        Fact.ACCEPTED: _paid,
        Fact.WITHDRAWN: _nothing,
    },
    OrderState.REFUNDED: {
        Fact.ISSUED: _drop,
        Fact.REFUSED: _noted,
        Fact.LOST: _noted,
        Fact.PAYMENT: Rule(question=Kind.PAID_AFTER_REFUND),
        Fact.CODE_EXPIRED: _noted,
        Fact.CODE_DELETED: _noted,
        Fact.PAYMENT_REVERSED: _nothing,
        Fact.UNKNOWN: _noted,
        Fact.ACCEPTED: _paid,
        Fact.WITHDRAWN: _nothing,
    },
}
