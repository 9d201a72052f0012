"""Refund: money on its way back to a payer."""

from __future__ import annotations

from django.core import signing
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from ..money import Money, display
from ..states import RefundStatus
from .database import Attempted, ExactCharField
from .orders import Order, Payment

#: The signing salt of the payer's link, used for nothing else.
LINK_SALT = "pagoefectivo.refund"


class RefundQuerySet(models.QuerySet["Refund"]):
    def sent(self) -> RefundQuerySet:
        """Refunds whose money was sent, as staff or the provider says; only such a refund makes an order *refunded*."""
        return self.filter(Q(status=RefundStatus.DONE) | Q(status=RefundStatus.SENT, by_channel=False))

    def without_account(self) -> RefundQuerySet:
        """Refunds by hand without the payer's account."""
        return self.filter(by_channel=False, cci="")

    def with_account(self) -> RefundQuerySet:
        """Refunds by the provider, and refunds by hand with the payer's account."""
        return self.exclude(by_channel=False, cci="")


class Refund(Attempted):
    """A refund of one payment, in part or in full.

    ``Payment.refunded`` is the sum of the payment's refunds that did not fail. The inherited ``retry_at`` says when the
    channel is asked for the refund; where the channel can't refund, the refund waits for the payer's account and for
    staff.
    """

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="refunds", verbose_name=_("payment"))
    order = models.ForeignKey(Order, models.PROTECT, related_name="refunds", verbose_name=_("order"))
    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=2)
    currency = models.CharField(_("currency"), max_length=3)
    status = models.CharField(_("status"), max_length=10, choices=RefundStatus, default=RefundStatus.REQUESTED)
    #: True: the provider sends the money; False: staff does, at a bank.
    by_channel = models.BooleanField(_("by the provider"), default=False)
    #: The account of the payment's code, within which the provider's ids are unique.
    account = ExactCharField(_("account"), max_length=120, default="", editable=False)
    #: The provider's own id of a refund by the provider; NULL while unknown, or where the provider has none.
    provider_id = ExactCharField(_("provider's id"), max_length=64, null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=500)
    requested_by = models.CharField(_("requested by"), max_length=150)
    requested_at = models.DateTimeField(_("requested"))
    approved_by = models.CharField(_("approved by"), max_length=150, blank=True, default="")
    approved_at = models.DateTimeField(_("approved"), null=True, blank=True)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    #: What the provider or a program says of the outcome, as data; and the final word of staff.
    data = models.JSONField(_("data"), default=dict, blank=True)
    outcome = models.CharField(_("outcome"), max_length=500, blank=True, default="")
    #: The payer's account for the refund; empty until named. Personal data.
    bank = models.CharField(_("bank"), max_length=60, blank=True, default="")
    cci = models.CharField("CCI", max_length=20, blank=True, default="")
    holder = models.CharField(_("account holder"), max_length=100, blank=True, default="")

    objects = RefundQuerySet.as_manager()

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        constraints = (
            models.CheckConstraint(condition=Q(amount__gt=0), name="pagoefectivo_refund_amount_positive"),
            models.UniqueConstraint(fields=["account", "provider_id"], name="pagoefectivo_refund_id"),
            models.CheckConstraint(
                condition=Q(status__in=(RefundStatus.REQUESTED, RefundStatus.FAILED)) | ~Q(approved_by=""),
                name="pagoefectivo_refund_approved_by_someone",
            ),
        )
        indexes = (
            models.Index(fields=["retry_at"], name="pagoefectivo_refund_due"),
            models.Index(fields=["status", "requested_at"], name="pagoefectivo_refund_queue"),
            models.Index(fields=["-closed_at", "requested_at"], name="pagoefectivo_refund_list"),
        )
        permissions = (
            ("approve_refund", _("Can approve refunds")),
            ("send_refund", _("Can send refunds and say what became of them")),
        )

    def __str__(self) -> str:
        return f"{self.order} {display(self.amount, self.currency)}"

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)

    @property
    def needs_account(self) -> bool:
        """Whether the payer still has to name an account."""
        return not self.by_channel and not self.cci and self.status in (RefundStatus.REQUESTED, RefundStatus.APPROVED)

    @property
    def wants_account(self) -> bool:
        """Whether the payer is asked for an account now: the refund is approved and waits for nothing else."""
        return self.needs_account and self.status == RefundStatus.APPROVED

    @property
    def was_sent(self) -> bool:
        """Whether the money was sent; for a refund by the provider, only once the provider has confirmed."""
        return self.status == RefundStatus.DONE or (self.status == RefundStatus.SENT and not self.by_channel)

    @property
    def link_token(self) -> str:
        """The token of the page on which the payer names an account: signed, and valid for two weeks from now."""
        return signing.dumps(self.pk, salt=LINK_SALT)

    @property
    def account_url(self) -> str:
        """The path of the page on which the payer names an account."""
        return reverse("pagoefectivo:refund", args=[self.link_token])
