"""A finding of the doctor: the result of one look."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The result of a look: fine, worth a look, or broken."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report: the step, the verdict, the observation, and the remedy unless all is well."""

    step: str
    verdict: Verdict
    seen: str
    hint: str = ""


def well(step: str, seen: str) -> Finding:
    """Return a finding with the verdict OK."""
    return Finding(step, Verdict.OK, seen)


def not_looked_at(step: str, error: Exception) -> Finding:
    """Return the finding for a step that raised an error, with only the error's class: the text may hold a secret."""
    hint = "This step could not be done; mend what its name says, or run it in a shell to see more."
    return Finding(step, Verdict.FAILURE, f"{type(error).__name__} while this was looked at.", hint)
