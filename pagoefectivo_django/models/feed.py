"""FeedEntry: the place of an event in the feed that programs read by a cursor."""

from __future__ import annotations

from django.db import models

from .events import OrderEvent


class FeedEntry(models.Model):
    """The place of an event in the feed; the row is written in the same transaction as the event.

    ``number`` is given after the commit, to one batch at a time (``flows.outbox.feed``). So whoever sees a number sees
    every smaller number too, and a reader who asks for what follows a number misses nothing and hears nothing twice.
    Numbers given at the insert would not do: of two transactions the one with the smaller number may commit last.
    """

    event = models.OneToOneField(OrderEvent, models.PROTECT, related_name="feed_entry")
    #: NULL until the event is numbered; from 1, without gaps.
    number = models.PositiveBigIntegerField(null=True, unique=True)

    class Meta:
        ordering = ("number",)

    def __str__(self) -> str:
        return self.cursor or "not numbered"

    @property
    def cursor(self) -> str:
        """The name of this place for readers; empty without a number.

        A part of the event's id is in the cursor, since after a restored backup the same number may be given to
        another event: a reader who comes with a cursor of the lost feed is told so instead of missing events.
        """
        return f"{self.number}-{self.event_id.hex[:8]}" if self.number else ""
