"""What can go wrong, sorted by what the caller can do next."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured


class PagoEfectivoError(Exception):
    """Something went wrong with a payment; the subclasses say what to do next."""


# Fix the request: the same call would fail again.


class InvalidRequest(PagoEfectivoError, ValueError):
    """What was asked cannot be done; change it and ask again."""


class Refused(InvalidRequest):
    """The provider said no.

    ``codes`` are the provider's own error codes as text, the outer one first.
    """

    def __init__(self, message: str, *, codes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.codes = codes


class ReferenceConflict(InvalidRequest):
    """An order with this reference stands already, with another amount or currency; ``key`` is its primary key."""

    def __init__(self, message: str, *, key: int | None = None) -> None:
        super().__init__(message)
        self.key = key


class AlreadyPaid(InvalidRequest):
    """The order is paid, so it cannot be cancelled, extended, reissued or paid again."""


class InReview(InvalidRequest):
    """The order has an open money question; a person resolves it first."""


# Wait and retry: nothing happened at the provider.


class Unavailable(PagoEfectivoError):
    """The provider could not be reached, and it certainly did not get the request."""


# Outcome not known: it may have happened; look before asking again.


class OutcomeUnknown(PagoEfectivoError):
    """No answer came that can be believed; the provider may or may not have done it."""


# Fix the settings.


class Misconfigured(PagoEfectivoError, ImproperlyConfigured):
    """The PAGOEFECTIVO setting, or what the provider has on file for it, is wrong."""


# A message from outside.


class InvalidSignature(PagoEfectivoError):
    """The message carries no proof that it comes from the provider."""


class Malformed(PagoEfectivoError, ValueError):
    """The message or answer cannot be read as what it claims to be."""
