"""The checks: each fails where the app's first page in the admin would say that something does not work.

No message names an order, a code, a payer or a key.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import Error, connections
from health_check.base import HealthCheck
from health_check.exceptions import ServiceUnavailable, ServiceWarning

from ...flows.reports.accounts import known_accounts
from ...flows.reports.health import MOST_SKEW, calls, silence, waiting, wrong_clocks
from ...models.clock import current_time, skew
from ...models.database import database

#: How long a message or an event may wait: longer than a receiver's first repetitions take.
LONGEST_WAIT = timedelta(minutes=15)


class Check(HealthCheck):  # type: ignore[misc]  # without types
    """A check that reads our tables, in whatever thread; a connection that this check opened is closed again."""

    @abstractmethod
    def problems(self, now: datetime) -> Iterator[str]:
        """Yield a sentence for each problem."""

    #: The error that is raised with the problems.
    error: type[ServiceUnavailable] | type[ServiceWarning] = ServiceUnavailable

    def run(self) -> None:  # synchronous, so django-health-check calls it in a thread
        connection = connections[database()]
        opened = connection.connection is None
        try:
            found = " ".join(self.problems(current_time()))
        except Error as error:
            raise ServiceUnavailable(f"The database can't be asked ({type(error).__name__}).") from error
        finally:
            if opened:
                connection.close()
        if found:
            raise self.error(found)


@dataclass
class Worker(Check):
    """Fails if no worker made a round for five minutes."""

    def problems(self, now: datetime) -> Iterator[str]:
        state = waiting()
        if state.asleep(now):
            yield "No worker has made a round for five minutes; start pagoefectivo_worker."


@dataclass
class Outbox(Check):
    """Fails if an event waits too long for a receiver, or a receiver fails again and again."""

    max_age: timedelta = field(default=LONGEST_WAIT, repr=False)

    def problems(self, now: datetime) -> Iterator[str]:
        state = waiting()
        if state.oldest_event and now - state.oldest_event > self.max_age:
            yield f"The oldest event waits for {_minutes(now - state.oldest_event)}."
        if state.failing:
            yield f"{len(state.failing)} receivers fail again and again."
        if state.unheard:
            yield f"Nobody tries the deliveries of {len(state.unheard)} receivers."


@dataclass
class Inbox(Check):
    """Fails if a verified message waits too long to be applied, or was given up without a person's answer."""

    max_age: timedelta = field(default=LONGEST_WAIT, repr=False)

    def problems(self, now: datetime) -> Iterator[str]:
        state = waiting()
        if state.oldest_message and now - state.oldest_message > self.max_age:
            yield f"The oldest message waits for {_minutes(now - state.oldest_message)}."
        if state.dead:
            yield f"{state.dead} messages were given up; a person has to look at them."


@dataclass
class Clock(Check):
    """Warns if this machine's clock, or a worker's, differs from the database's by more than five seconds."""

    error = ServiceWarning

    def problems(self, now: datetime) -> Iterator[str]:
        ahead = skew()
        if ahead and abs(ahead) > MOST_SKEW:
            yield f"This machine's clock differs from the database's by {abs(ahead).total_seconds():.0f} s."
        for clock in wrong_clocks(now):
            yield f"The clock of {clock.machine} differs by {abs(clock.ahead).total_seconds():.0f} s."


@dataclass
class Provider(Check):
    """Warns if a provider failed more than half of a day's calls, or is silent for much longer than usual."""

    error = ServiceWarning

    def problems(self, now: datetime) -> Iterator[str]:
        for account, alias in known_accounts().items():
            told = calls(account, now)
            if told.failed * 2 > told.count:
                yield f"The provider fails ({alias or account})."
            if silence(account, alias, now).too_long:
                yield f"The provider is silent for longer than usual ({alias or account})."


def _minutes(span: timedelta) -> str:
    return f"{span.total_seconds() // 60:.0f} minutes"
