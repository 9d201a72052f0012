"""A clock for stories that go on for days."""

from datetime import UTC, datetime, timedelta


class Clock:
    """The time for Django, and so for the webhook too: it only moves forward, a little with every look at it.

    To be put in the place of ``django.utils.timezone.now``.
    """

    def __init__(self) -> None:
        self.time = datetime(2030, 1, 1, 15, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.time += timedelta(milliseconds=1)
        return self.time

    def forward(self, **of: float) -> None:
        self.time += timedelta(**of)
