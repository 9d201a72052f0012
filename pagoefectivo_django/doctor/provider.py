"""The step about the providers: whether each answers, accepts our keys, and has the same time."""

from __future__ import annotations

from collections.abc import Iterator

from ..channels import get_channel
from ..conf import conf
from ..errors import Misconfigured, PagoEfectivoError
from .finding import Finding, Verdict, not_looked_at, well

#: Seconds between the provider's clock and ours from which the finding is a warning, and a failure. The provider's
#: tolerance is unknown; requests carry a date (protocol 2.1), and a token is used until 30 s before its end.
ODD, WRONG = 30, 300


def examine_providers() -> Iterator[Finding]:
    """Yield the result of one real authorization for each channel."""
    for alias in conf.channels:
        step = f"provider {alias}"
        try:
            found = get_channel(alias).examine()
        except Misconfigured as error:
            hint = "Compare the keys, the service id and the environment with what the provider gave you."
            yield Finding(step, Verdict.FAILURE, str(error), hint)
            continue
        except PagoEfectivoError as error:
            hint = "Is there a way out of this network (DNS, proxy, firewall), and is TLS not broken on it?"
            yield Finding(step, Verdict.FAILURE, str(error), hint)
            continue
        except Exception as error:  # an option may have any type; the error's text may hold a secret
            yield not_looked_at(step, error)
            continue
        if found is None:
            yield well(step, "Nobody to ask.")
            continue
        yield well(step, f"{found.host} answers, and takes the keys.")
        if found.ahead is None:
            yield Finding(step, Verdict.WARNING, "Its answer tells no time.", "Compare this machine's clock yourself.")
            continue
        seconds = found.ahead.total_seconds()
        seen = f"This machine's clock is {abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'}."
        if abs(seconds) < ODD:
            yield well(step, seen)
        else:
            verdict = Verdict.FAILURE if abs(seconds) >= WRONG else Verdict.WARNING
            yield Finding(step, verdict, seen, "Have the clock set by NTP.")
