"""Discrepancy: a case for a person to decide."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ..states import MONEY_KINDS, Kind, Resolution
from .database import ExactCharField
from .inbox import Notification
from .orders import Cip, Order, Payment


class DiscrepancyQuerySet(models.QuerySet["Discrepancy"]):
    def open(self) -> DiscrepancyQuerySet:
        """Discrepancies not resolved yet."""
        return self.filter(status=Discrepancy.Status.OPEN)

    def about_money(self) -> DiscrepancyQuerySet:
        """Discrepancies about money, which freeze the order while open; none about a statement's line."""
        return self.filter(kind__in=sorted(MONEY_KINDS), line__isnull=True)


class Discrepancy(models.Model):
    """A case decided by no rule, for a person to resolve.

    A repetition adds evidence to the row; a resolved discrepancy opens again when the facts change into doubt.
    """

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        RESOLVED = "resolved", _("resolved")

    order = models.ForeignKey(Order, models.PROTECT, null=True, related_name="discrepancies", verbose_name=_("order"))
    kind = models.CharField(_("discrepancy"), max_length=20, choices=Kind)
    #: The account of the money or the code; tells test cases from live ones.
    account = ExactCharField(_("account"), max_length=120, blank=True, default="")
    #: The subject as text (a code, a payment, a message), so that a case has one row.
    subject = ExactCharField(_("subject"), max_length=180)
    cip = models.ForeignKey(Cip, models.PROTECT, null=True, related_name="+", verbose_name="CIP")
    payment = models.ForeignKey(Payment, models.PROTECT, null=True, related_name="+", verbose_name=_("payment"))
    notification = models.ForeignKey(
        Notification, models.PROTECT, null=True, related_name="+", verbose_name=_("notification")
    )
    settlement = models.ForeignKey(
        "Settlement", models.PROTECT, null=True, related_name="discrepancies", verbose_name=_("settlement")
    )
    line = models.ForeignKey(
        "SettlementLine", models.PROTECT, null=True, related_name="discrepancies", verbose_name=_("settlement line")
    )
    #: The amount concerned, where known; for staff who look for large amounts.
    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=2, null=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True, default="")
    #: The person who works on the discrepancy; empty for nobody yet.
    assigned_to = models.CharField(_("assigned to"), max_length=150, blank=True, default="")
    evidence = models.JSONField(_("evidence"), default=list)
    suggestion = models.CharField(_("suggestion"), max_length=20, choices=Resolution, blank=True, default="")
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.OPEN)
    resolution = models.CharField(_("resolution"), max_length=12, choices=Resolution, blank=True, default="")
    resolved_by = models.CharField(_("resolved by"), max_length=150, blank=True, default="")
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    #: The code of the reason for which a program closed the discrepancy; and what a person wrote.
    closed_because = models.CharField(_("closed because"), max_length=30, blank=True, default="")
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    created_at = models.DateTimeField(_("opened"))

    objects = DiscrepancyQuerySet.as_manager()

    class Meta:
        verbose_name = _("discrepancy")
        verbose_name_plural = _("discrepancies")
        constraints = (
            models.UniqueConstraint(fields=["kind", "subject"], name="pagoefectivo_one_discrepancy"),
            models.CheckConstraint(
                condition=Q(status="open")
                | ~Q(resolved_by="") & ~Q(reason="", closed_because="") & Q(resolved_at__isnull=False),
                name="pagoefectivo_resolved_by_someone",
            ),
        )
        indexes = (
            models.Index(fields=["status", "created_at"], name="pagoefectivo_discrepancy_open"),
            models.Index(fields=["status", "-id"], name="pagoefectivo_discrepancy_list"),
            models.Index(fields=["kind", "status", "-id"], name="pagoefectivo_discrepancy_kind"),
            models.Index(fields=["assigned_to", "status", "-id"], name="pagoefectivo_discrepancy_who"),
            models.Index(fields=["amount"], name="pagoefectivo_discrepancy_sum"),
        )

    def __str__(self) -> str:
        # A subject that is none of these rows is a code unknown here: ``code:``, the account, and the code's name.
        about = self.order or self.line or self.settlement or self.notification or self.subject.partition(":")[2]
        return f"{self.get_kind_display()} ({about or self.subject})"
