"""What the doctor says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How it stands."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Finding:
    """One line: which step, how it stands, what was seen, and what to do unless it is well."""

    step: str
    verdict: Verdict
    seen: str
    hint: str = ""


def well(step: str, seen: str) -> Finding:
    """Return a finding that asks for nothing."""
    return Finding(step, Verdict.OK, seen)


def not_looked_at(step: str, error: Exception) -> Finding:
    """Return that a step broke; by the kind of its error alone, since the text may hold a secret."""
    hint = "This step could not be done; mend what its name says, or run it in a shell to see more."
    return Finding(step, Verdict.FAILURE, f"{type(error).__name__} while this was looked at.", hint)
