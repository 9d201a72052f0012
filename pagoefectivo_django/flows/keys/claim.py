"""Claim an idempotency key, bind the key to the row that the request writes, and keep the answer."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_noop as _

from ...errors import InvalidRequest
from ...models import IdempotencyKey, Order, Refund
from ...models.clock import current_time
from ...models.database import database, one_transaction

#: How long a request may work before a repetition takes its place. A repetition is harmless at any time, since the key
#: names the row written; the lease only spares the provider a second question.
LEASE = timedelta(seconds=20)


class KeyReused(InvalidRequest):
    """The key came before with another body or for another address."""


class KeyUnderWay(InvalidRequest):
    """Another request with the key is being carried out; ``wait``: the seconds until the request may be repeated."""

    wait: float = 1.0


@dataclass(frozen=True)
class Claim:
    """A key with the right to carry out the request; ``row`` is read after the claim."""

    row: IdempotencyKey

    def bind(self, *, order: Order | None = None, refund: Refund | None = None) -> None:
        """Name the order or the refund of the request; called in the transaction that writes that row.

        Raises ``KeyUnderWay`` if a repetition has taken the claim meanwhile, which undoes the transaction.
        """
        if not self._mine().update(order=order, refund=refund):
            raise _under_way(1)

    def finish(self, status: int, problem: dict[str, Any] | None = None) -> None:
        """Keep the final answer and give the claim back; nothing if a repetition has taken the claim."""
        self._mine().update(status=status, problem=problem, leased_until=None)

    def release(self) -> None:
        """Give the claim back without an answer: a repetition is carried out."""
        self._mine().update(leased_until=None)

    def _mine(self) -> QuerySet[IdempotencyKey]:
        return _rows().filter(pk=self.row.pk, leased_until=self.row.leased_until, status=None)


def claim_key(owner: str, route: str, key: str, content: bytes) -> Claim | IdempotencyKey:
    """Claim a key for a request, or return the key's row with the final answer to the same request before.

    ``owner`` and ``route`` delimit the key; ``content``: address and body of the request. Raises ``KeyReused`` for
    other content than before, and ``KeyUnderWay`` while another process has the claim.
    """
    now = current_time()
    # Random microseconds tell this claim from every other.
    until = now + LEASE + timedelta(microseconds=random.randrange(10**6))  # nosec B311 # a moment, no secret
    digest, body = _digest(owner, route, key), hashlib.sha256(content).hexdigest()
    try:
        with one_transaction():
            row = _rows().create(digest=digest, body=body, leased_until=until, created_at=now)
        return Claim(row)
    except IntegrityError:  # the key is known
        known = _rows().get(digest=digest)
    if known.body != body:
        raise KeyReused(
            _("This Idempotency-Key came before with another body or for another address; send a key of its own."),
            code="idempotency_key_reused",
        )
    free = _rows().filter(Q(leased_until=None) | Q(leased_until__lte=now), pk=known.pk, status=None)
    if free.update(leased_until=until):
        return Claim(_with_rows().get(pk=known.pk))
    known = _with_rows().get(pk=known.pk)
    if known.status is None:
        raise _under_way((known.leased_until - now).total_seconds() if known.leased_until else 1)
    return known


def _under_way(seconds: float) -> KeyUnderWay:
    error = KeyUnderWay(
        _("A request with this Idempotency-Key is being carried out; repeat it a little later."),
        code="idempotency_key_under_way",
    )
    error.wait = seconds
    return error


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _rows() -> QuerySet[IdempotencyKey]:
    return IdempotencyKey.objects.using(database())


def _with_rows() -> QuerySet[IdempotencyKey]:
    return _rows().select_related("order__cip", "refund__order")
