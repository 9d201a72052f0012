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
