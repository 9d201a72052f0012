"""IdempotencyKey: what became of a request to the API that may come again."""

from __future__ import annotations

from django.db import models

from .database import ExactCharField
from .orders import Order
from .refunds import Refund


class IdempotencyKey(models.Model):
    """A key that a caller of the API sent with a request, so that a repetition gets the same answer.

    ``order`` or ``refund`` is set in the transaction that writes the row named, so a process that ends in the middle
    leaves a trace of all it did. A row is kept as long as its order or refund, so that such a key is unique for ever;
    without both, for 30 days (``flows.privacy.forget``).
    """

    #: SHA-256 of user, token, route and key, and of the address and the body.
    digest = ExactCharField(max_length=64, unique=True)
    body = ExactCharField(max_length=64)
    #: Until when the process with the claim may work; NULL: none works on it. A unique moment, so it names the claim.
    leased_until = models.DateTimeField(null=True)
    order = models.ForeignKey(Order, models.PROTECT, null=True, related_name="+")
    refund = models.ForeignKey(Refund, models.PROTECT, null=True, related_name="+")
    #: The HTTP status of the final answer; NULL before.
    status = models.PositiveSmallIntegerField(null=True)
    #: The problem details of a refusal, which may repeat what the caller wrote: a reference, an amount.
    problem = models.JSONField(null=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.digest[:8]}"
