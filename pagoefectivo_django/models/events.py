"""OrderEvent: the history of orders, append only."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, NoReturn

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..actors import Actor, ActorKind
from ..signals import LABELS
from .database import ExactCharField
from .orders import Order


def _refuse(*args: Any, **kwargs: Any) -> NoReturn:
    raise TypeError("Order events are history: they are appended by the flows and never changed or deleted.")


class OrderEventQuerySet(models.QuerySet["OrderEvent"]):
    def append(self, events: Iterable[OrderEvent]) -> None:
        """Insert new events; the only way to write an event."""
        super().bulk_create(events)

    def erase_reasons(self) -> None:
        """Empty what people wrote in these events; the only change that an event ever sees."""
        super().update(reason="")

    create = get_or_create = update_or_create = bulk_create = bulk_update = update = delete = _refuse
    acreate = aget_or_create = aupdate_or_create = abulk_create = abulk_update = aupdate = adelete = _refuse
    _raw_delete = _refuse


class OrderEvent(models.Model):
    """An event in the history of an order, without personal data.

    ``kind`` is the name of a signal, or ``noted``. ``id`` is sent with the signal, so a receiver recognises a
    repetition.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    #: NULL where money came without an order.
    order = models.ForeignKey(Order, models.PROTECT, null=True, related_name="events", verbose_name=_("order"))
    #: The event's number among those of its order; 0 without an order.
    number = models.PositiveIntegerField(default=0)
    kind = ExactCharField(_("what"), max_length=30)
    fact = models.CharField(_("fact"), max_length=20, blank=True, default="")
    state_before = models.CharField(_("before"), max_length=12, blank=True, default="")
    state_after = models.CharField(_("after"), max_length=12, blank=True, default="")
    actor_kind = models.CharField(_("who"), max_length=8, choices=ActorKind, default=ActorKind.PERSON)
    actor_name = models.CharField(_("name"), max_length=150, blank=True, default="")
    #: What happened, for programs; the keys are in the manual, and only ever added to. Never a composed text.
    data = models.JSONField(_("data"), default=dict, blank=True)
    #: What a person wrote.
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    cip = models.ForeignKey("Cip", models.PROTECT, null=True, related_name="+", verbose_name="CIP")
    discrepancy = models.ForeignKey("Discrepancy", models.PROTECT, null=True, related_name="events")
    #: No index: events of a refund are only looked for among those of its order.
    refund = models.ForeignKey("Refund", models.PROTECT, null=True, related_name="+", db_index=False)
    #: Joins the event with the request, the calls to the provider and the log lines of the same unit of work.
    trace = ExactCharField(_("request id"), max_length=32, blank=True, default="")
    created_at = models.DateTimeField(_("when"))

    objects = OrderEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        base_manager_name = "objects"
        ordering = ("order", "number")
        constraints = (models.UniqueConstraint(fields=["order", "number"], name="pagoefectivo_event_number"),)

    save = save_base = delete = asave = adelete = _refuse

    def __str__(self) -> str:
        return f"{self.number} {LABELS.get(self.kind, self.kind)}"

    @property
    def actor(self) -> Actor:
        """Who did it."""
        return Actor(ActorKind(self.actor_kind), self.actor_name)
