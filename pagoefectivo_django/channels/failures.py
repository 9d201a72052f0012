"""Errors about what a provider answers or sends, with one sentence each for every provider."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..errors import Malformed, OutcomeUnknown, PagoEfectivoError, Refused
from ..errors import gettext_noop as _

#: The code of an error that stands for a part of a sentence.
PART = "part_of_an_answer"


class Complaint(NamedTuple):
    """An error code of a provider, and what the code means: ``meaning()``, or the provider's own words as text.

    Either may be empty: an undocumented code has no meaning, and an HTTP status has a meaning without any code.
    """

    code: str
    meaning: PagoEfectivoError | str


def meaning(text: str) -> PagoEfectivoError | str:
    """Return a meaning of ours, a text marked for translation, as a part of a sentence; an empty text stays empty."""
    return PagoEfectivoError(text, code=PART) if text else ""


def answered(
    kind: type[PagoEfectivoError],
    provider: str,
    status: int,
    complaints: Sequence[Complaint],
    codes: Iterable[str] = (),
) -> PagoEfectivoError:
    """Return the error for an answer that is no success; ``Refused`` keeps ``codes``."""
    said = tuple(worded(each) for each in complaints if any(each))
    error = kind(
        _("%(provider)s answered %(status)d: %(said)s."),
        code="provider_answered",
        provider=provider,
        status=status,
        said=said or PagoEfectivoError(_("no answer that can be read"), code=PART),
    )
    if isinstance(error, Refused):
        error.codes = tuple(codes)
    return error


def worded(complaint: Complaint) -> PagoEfectivoError | str:
    """Return a complaint as a part of a sentence."""
    if not (complaint.code and complaint.meaning):
        return complaint.code or complaint.meaning
    return PagoEfectivoError(_("%(number)s (%(meaning)s)"), code=PART, number=complaint.code, meaning=complaint.meaning)


def unreadable(provider: str) -> OutcomeUnknown:
    """Return the error for a success that lacks what the request was about, so that nothing can be concluded."""
    return OutcomeUnknown(
        _("%(provider)s's answer can't be read: what the request was about is missing."),
        code="answer_unreadable",
        provider=provider,
    )


def about_another(provider: str) -> OutcomeUnknown:
    """Return the error for an answer about another code, payment or refund than the request named."""
    return OutcomeUnknown(
        _("%(provider)s answered about something else than the request named."),
        code="answer_about_another",
        provider=provider,
    )


def not_as_requested(provider: str, name: str) -> OutcomeUnknown:
    """Return the error for a code or a refund that differs from the request; ``name``: the id in the answer."""
    return OutcomeUnknown(
        _("%(provider)s made %(name)s, and not as the request says."),
        code="made_otherwise",
        provider=provider,
        name=name or "?",
    )


def not_deleted(provider: str) -> OutcomeUnknown:
    """Return the error for a success that does not say that the code is deleted."""
    return OutcomeUnknown(
        _("%(provider)s does not say that the code is deleted."), code="deletion_not_said", provider=provider
    )


def not_whole(provider: str) -> OutcomeUnknown:
    """Return the error for a list that could not be read to its end, so that what is missing may exist."""
    return OutcomeUnknown(
        _("%(provider)s's list could not be read to its end."), code="list_not_whole", provider=provider
    )


def names_nothing() -> Malformed:
    """Return the error for a verified notification without the id or the number of a payment."""
    return Malformed(_("The notification names no payment."), code="notification_names_nothing")
