"""What can go wrong, sorted by what the caller can do next."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext

if TYPE_CHECKING:
    from .actors import Actor

#: What a sentence may name: never a secret, and nothing about a payer. An error is a part of a longer sentence.
Param: TypeAlias = "str | int | Decimal | date | Actor | PagoEfectivoError | tuple[Param, ...]"


E = TypeVar("E", bound="PagoEfectivoError")


def gettext_noop(message: str) -> str:
    """Mark a sentence for translation, and return it. Django's own asks the settings, which may still be read."""
    return message


class PagoEfectivoError(Exception):
    """Something went wrong with a payment; the subclasses say what to do next.

    ``code`` names the case for programs (``refund_too_large``), and ``params`` are the values that its sentence names;
    an error in somebody else's words, such as those of a shop's own channel, has neither. ``str()`` is the sentence in
    English, for developers and logs; ``sentence`` is the same in the language of whoever reads it.
    """

    def __init__(self, message: str = "", /, *, code: str = "", **params: Param) -> None:
        # Exception pickles its arguments and its attributes; where only the arguments travel, as in Celery's JSON,
        # the English sentence is whole.
        super().__init__(message % {name: _plain(value) for name, value in params.items()} if params else message)
        self.message, self.code, self.params = message, code, params

    @property
    def sentence(self) -> str:
        """The error in the active language; a value that has a label there is shown by its label."""
        if not self.code:
            return self.message
        sentence = gettext(self.message)
        return sentence % {name: _shown(value) for name, value in self.params.items()} if self.params else sentence

    def recast(self, kind: type[E]) -> E:
        """Return an error of another class with the same sentence.

        For a caller who knows more than the code that failed: a look-up before anything was sent, for example, makes
        of "not known" a "certainly not sent". ``Refused.codes`` and ``ReferenceConflict.key`` are not kept.
        """
        return kind(self.message, code=self.code, **self.params)


def _plain(value: object) -> object:
    """Return a value as a developer reads it; the parts of a list are joined."""
    return "; ".join(map(str, value)) if isinstance(value, tuple) else value


def _shown(value: object) -> object:
    if isinstance(value, tuple):
        join = gettext("%(first)s; %(further)s")
        return reduce(lambda first, further: join % {"first": first, "further": further}, map(_shown, value))
    return value.sentence if isinstance(value, PagoEfectivoError) else getattr(value, "label", value)


# Fix the request: the same call would fail again.


class InvalidRequest(PagoEfectivoError, ValueError):
    """What was asked cannot be done; change it and ask again."""


class Refused(InvalidRequest):
    """The provider said no.

    ``codes`` are the provider's own error codes as text, the outer one first.
    """

    def __init__(self, message: str = "", /, *, codes: tuple[str, ...] = (), code: str = "", **params: Param) -> None:
        super().__init__(message, code=code, **params)
        self.codes = codes


class ReferenceConflict(InvalidRequest):
    """An order with this reference stands already, with another amount or currency; ``key`` is its primary key."""

    def __init__(self, message: str = "", /, *, key: int | None = None, code: str = "", **params: Param) -> None:
        super().__init__(message, code=code, **params)
        self.key = key


class AlreadyPaid(InvalidRequest):
    """The order is paid, so it cannot be cancelled, extended, reissued or paid again."""


class InReview(InvalidRequest):
    """The order has an open discrepancy about money; a person resolves the discrepancy first."""


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


class Unsigned(InvalidSignature):
    """The message carries no signature at all."""


class Malformed(PagoEfectivoError, ValueError):
    """The message or answer cannot be read as what it claims to be."""
