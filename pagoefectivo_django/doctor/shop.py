"""The step about the settings: Django's system checks of this app, as findings."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import ERROR, run_checks

from ..conf import conf
from .finding import Finding, Verdict, well


def examine_settings() -> Iterator[Finding]:
    """Yield a finding for each message of the app's system checks, deployment checks included."""
    found = run_checks(tags=["pagoefectivo"], include_deployment_checks=True)
    for message in found:
        verdict = Verdict.FAILURE if message.level >= ERROR else Verdict.WARNING
        yield Finding("settings", verdict, f"{message.msg} ({message.id})", message.hint or "")
    if not found:
        yield well("settings", f"{len(conf.channels)} channel(s): {', '.join(conf.channels)}; no check complains.")
