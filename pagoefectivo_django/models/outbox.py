"""Delivery (an event for a receiver) and FailingReceiver (a receiver that keeps failing)."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from ..signals import LABELS
from .database import FIRST_PAUSE, LEASE, Attempted, ExactCharField, database
from .events import OrderEvent


class Delivery(Attempted):
    """An event to be delivered to a receiver; the row is written in the same transaction as the event."""

    event = models.ForeignKey(OrderEvent, models.PROTECT, related_name="deliveries", verbose_name=_("event"))
    #: The receiver's ``dispatch_uid``, or its ``module.qualname``.
    receiver = ExactCharField(_("receiver"), max_length=255)
    delivered_at = models.DateTimeField(_("delivered"), null=True, blank=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = (models.UniqueConstraint(fields=["event", "receiver"], name="pagoefectivo_one_delivery"),)
        indexes = (
            models.Index(fields=["retry_at"], name="pagoefectivo_delivery_due"),
            models.Index(fields=["receiver", "retry_at"], name="pagoefectivo_receiver_due"),
            models.Index(fields=["delivered_at", "id"], name="pagoefectivo_delivery_heard"),
        )

    def __str__(self) -> str:
        return f"{LABELS.get(self.event.kind, self.event.kind)} → {self.receiver}"


class FailingReceiver(models.Model):
    """A receiver with failures since its last success; a receiver without a row is well.

    After ``MOST`` failures in a row the receiver gets nothing during a pause. Then one process tries one delivery, and
    the pause ends or grows. So a receiver whose server is away costs a worker one call at a time, however many
    deliveries wait.
    """

    #: After so many different deliveries failed in a row, the cause is the receiver and not one bad order.
    MOST = 3
    LONGEST_PAUSE = timedelta(minutes=10)

    receiver = ExactCharField(_("receiver"), max_length=255, unique=True)
    #: Failures in a row, of different deliveries; during a pause each failure counts.
    failures = models.PositiveIntegerField(_("failures"), default=0)
    since = models.DateTimeField(_("failing since"))
    #: NULL while the cause may still be one bad delivery.
    paused_until = models.DateTimeField(_("paused until"), null=True, blank=True)
    #: The event of the delivery that failed last.
    last_event = models.UUIDField(_("last event"), null=True, blank=True)

    class Meta:
        verbose_name = _("failing receiver")
        verbose_name_plural = _("failing receivers")

    def __str__(self) -> str:
        return str(self.receiver)

    @classmethod
    def count(cls, receiver: str, event: UUID, now: datetime, *, lost: bool = False) -> None:
        """Record a failure of a receiver; a repeated failure of the same delivery counts only during a pause.

        ``lost``: the attempt never came back, perhaps because the process died; so the receiver may be tried again at
        once.
        """
        rows = cls.objects.using(database()).filter(receiver=receiver)
        if (row := rows.first()) is None:
            FailingReceiver.objects.using(database()).bulk_create(
                [FailingReceiver(receiver=receiver, since=now)], ignore_conflicts=True
            )
            if (row := rows.first()) is None:
                return  # another process failed too, and a success has deleted its row since
        if row.last_event == event and not row.paused_until:
            return
        if lost and row.paused_until:
            return
        if not row.paused_until:  # during a pause the failure was counted when the attempt was claimed
            row.failures = min(row.failures + 1, cls.MOST)
        row.last_event = event
        row.paused_until = now + (timedelta(0) if lost else row._pause()) if row.failures >= cls.MOST else None
        # update() and not save(), which would restore a row that a success has deleted meanwhile.
        cls.objects.using(database()).filter(pk=row.pk).update(
            failures=row.failures, last_event=event, paused_until=row.paused_until
        )

    def claim(self, now: datetime) -> bool:
        """Claim the only attempt after a pause; False if the pause lasts or another process claimed the attempt.

        The attempt is counted before it begins, so that a receiver which kills its process is counted too.
        """
        mine = type(self).objects.using(database()).filter(pk=self.pk, paused_until=self.paused_until)
        until = now + max(LEASE, self._pause())
        return bool(mine.filter(paused_until__lte=now).update(paused_until=until, failures=F("failures") + 1))

    def _pause(self) -> timedelta:
        return min(FIRST_PAUSE * int(2 ** min(self.failures - self.MOST, 12)), self.LONGEST_PAUSE)
