"""The state of a sandbox: every code, payment, token and API call of this run, behind one lock."""

import secrets
import threading
import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from .dates import now, this_second
from .settings import Settings
from .signing import make_token
from .wire import Json

#: Protocol 4.1. The names end with a full stop, and "Cancelado" means paid.
EXPIRED, GENERATED, PAID, DELETED = 21, 22, 23, 25
STATUS_NAMES = {EXPIRED: "Expirado.", GENERATED: "Generado.", PAID: "Cancelado.", DELETED: "Eliminado."}


class NotPossible(Exception):
    """The error for a code that is unknown (status None) or in a status that forbids the step."""

    def __init__(self, status: int | None) -> None:
        super().__init__("unknown" if status is None else STATUS_NAMES[status])
        self.status = status


@dataclass(frozen=True)
class Payment:
    """A payment taken by a collector."""

    operation_number: str
    amount: Decimal
    currency: str
    paid_at: datetime
    reversed: bool = False


@dataclass(frozen=True)
class Cip:
    """A code at one moment, immutable; no data about the payer is kept."""

    number: int
    service_id: int
    #: The name of the payment page, and the `token` in search answers (protocol 1.1).
    guid: str
    transaction_code: str
    currency: str
    amount: Decimal
    concept: str
    created_at: datetime
    expires_at: datetime
    removed_at: datetime | None = None
    payments: tuple[Payment, ...] = ()

    @property
    def standing_payment(self) -> Payment | None:
        """The last payment that was not reversed, or None."""
        return next((payment for payment in reversed(self.payments) if not payment.reversed), None)

    @property
    def status(self) -> int:
        """The state id at this moment (protocol 4.1); a code expires by the clock alone, without a step."""
        if self.standing_payment is not None:
            return PAID
        if self.removed_at is not None:
            return DELETED
        return GENERATED if now() < self.expires_at else EXPIRED


@dataclass(frozen=True)
class Taken:
    """The values that a collector reports for a payment; None means as the code says."""

    amount: Decimal | None = None
    currency: str | None = None
    operation_number: str | None = None
    paid_at: datetime | None = None


class Book:
    """All state of one run; each method is one atomic step for other threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.RLock()
        self._cips: dict[int, Cip] = {}
        self._tokens: dict[str, tuple[int, datetime]] = {}
        self._calls: list[Json] = []
        self._last_number = 10_000_000 + secrets.randbelow(80_000_000)
        self._last_operation = 7000

    def open_token(self, service_id: int) -> tuple[str, datetime, datetime]:
        """Return a new token of a service, with start and end of the token's life (protocol 2.3)."""
        start = this_second()
        end = start + self._settings.token_life
        token = make_token(service_id, end)
        with self._lock:
            self._tokens[token] = service_id, end
        return token, start, end

    def service_of(self, token: str) -> int | None:
        """Return the number of the service whose token this is; None for an unknown or expired token."""
        with self._lock:
            service_id, end = self._tokens.get(token, (None, None))
        return service_id if end is not None and now() < end else None

    def issue(self, service_id: int, values: Json) -> Cip:
        """Return a new code; a repeated transaction code makes another code (protocol 3.5)."""
        created = this_second()
        with self._lock:
            self._last_number += 1 + secrets.randbelow(9)
            cip = Cip(
                number=self._last_number,
                service_id=service_id,
                guid=str(uuid.uuid4()).upper(),
                transaction_code=values["transactionCode"],
                currency=values["currency"],
                amount=values["amount"],
                concept=values.get("paymentConcept", ""),
                created_at=created,
                expires_at=values.get("dateExpiry") or created + self._settings.expires_after,
            )
            self._cips[cip.number] = cip
        return cip

    def find(self, number: int | None) -> Cip | None:
        """Return the code with a number, or None."""
        with self._lock:
            return None if number is None else self._cips.get(number)

    def find_page(self, guid: str) -> Cip | None:
        """Return the code of a payment page, or None; a deleted code has no page (protocol 5)."""
        return next((cip for cip in self.all() if cip.guid == guid and cip.removed_at is None), None)

    def all(self) -> list[Cip]:
        """Return every code, oldest first."""
        with self._lock:
            return list(self._cips.values())

    def extend(self, number: int, expires_at: datetime) -> Cip:
        """Move the end of an open or expired code, which can then be paid again (protocol 5).

        Raises ``NotPossible`` for any other code.
        """
        with self._lock:
            cip = self._expect(number, GENERATED, EXPIRED)
            return self._write(replace(cip, expires_at=expires_at))

    def remove(self, number: int) -> Cip:
        """Delete a code that can be paid (protocol 5); raises ``NotPossible`` for any other code."""
        with self._lock:
            cip = self._expect(number, GENERATED)
            return self._write(replace(cip, removed_at=this_second()))

    def expire(self, number: int) -> Cip:
        """Move a code's end just into the past, whatever its state; raises ``NotPossible`` for an unknown code."""
        with self._lock:
            cip = self._expect(number, EXPIRED, GENERATED, PAID, DELETED)
            return self._write(replace(cip, expires_at=min(cip.expires_at, this_second())))

    def pay(self, number: int, taken: Taken, force: bool = False) -> tuple[Cip, Payment]:
        """Record a payment of an open code; with ``force`` also of a paid, expired or deleted code.

        Raises ``NotPossible`` for any other code.
        """
        with self._lock:
            allowed = (EXPIRED, GENERATED, PAID, DELETED) if force else (GENERATED,)
            cip = self._expect(number, *allowed)
            self._last_operation += 1
            given = taken.operation_number
            payment = Payment(
                operation_number=str(self._last_operation) if given is None else given,
                amount=taken.amount or cip.amount,
                currency=taken.currency or cip.currency,
                paid_at=taken.paid_at or this_second(),
            )
            return self._write(replace(cip, payments=(*cip.payments, payment))), payment

    def reverse(self, number: int) -> tuple[Cip, Payment]:
        """Undo the last payment of a paid code, as a collector can (protocol 6.6); raises ``NotPossible``."""
        with self._lock:
            cip = self._expect(number, PAID)
            payment = cip.standing_payment
            if payment is None:
                raise NotPossible(cip.status)
            undone = replace(payment, reversed=True)
            payments = tuple(undone if each is payment else each for each in cip.payments)
            return self._write(replace(cip, payments=payments)), undone

    def note_call(self, method: str, path: str, status: int | None) -> None:
        """Record an API call; status None means a dropped answer."""
        with self._lock:
            self._calls.append({"method": method, "path": path, "status": status})

    def calls(self) -> list[Json]:
        """Return every API call, oldest first."""
        with self._lock:
            return list(self._calls)

    def _expect(self, number: int, *allowed: int) -> Cip:
        cip = self._cips.get(number)
        if cip is None:
            raise NotPossible(None)
        if cip.status not in allowed:
            raise NotPossible(cip.status)
        return cip

    def _write(self, cip: Cip) -> Cip:
        self._cips[cip.number] = cip
        return cip
