"""Order (money asked for by a shop), Cip (a payment code for an order), Payment (money received)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from ..money import CURRENCIES, Money, display
from ..payer import Erased, Payer
from ..states import LIVE, OPEN, CipStatus, OrderState, PaymentStatus, PendingAction
from .database import Attempted, ExactCharField, Hinted, database


class OrderQuerySet(models.QuerySet["Order"]):
    def open(self) -> OrderQuerySet:
        """Orders still payable: new or pending."""
        return self.filter(state__in=OPEN)

    def paid(self) -> OrderQuerySet:
        """Paid orders."""
        return self.filter(state=OrderState.PAID)

    def overdue(self, now: datetime) -> OrderQuerySet:
        """Open orders past their date."""
        return self.open().filter(expires_at__lt=now)


class Order(Attempted):
    """A shop's order: the amount to be paid, the payer and the state.

    ``state``, ``paid_at``, ``operation_number`` and ``cip`` are written by ``flows/ledger`` alone. The inherited
    ``retry_at`` says when ``pending_action`` is tried at the provider.
    """

    token = models.UUIDField(_("token"), default=uuid.uuid4, unique=True, editable=False)
    #: The order's id in the API and in outgoing webhooks; opens no page, unlike the token.
    public_id = models.UUIDField(_("public id"), default=uuid.uuid4, unique=True, editable=False)
    reference = ExactCharField(_("reference"), max_length=64, db_index=True)
    #: True on the newest order of a reference, else NULL: so two can't be created at once, on any database.
    newest = models.BooleanField(null=True, default=True, editable=False)
    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=2)
    currency = models.CharField(_("currency"), max_length=3)
    email = models.CharField(_("e-mail"), max_length=100, db_index=True)
    payer_data = models.JSONField(_("payer"), default=dict)
    concept = models.CharField(_("concept"), max_length=200, blank=True, default="")
    language = models.CharField(_("language"), max_length=10, default="es")
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    expires_at = models.DateTimeField(_("expires"))
    created_at = models.DateTimeField(_("created"))
    state = models.CharField(_("state"), max_length=12, choices=OrderState, default=OrderState.NEW)
    paid_at = models.DateTimeField(_("paid"), null=True, blank=True)
    operation_number = models.CharField(_("operation number"), max_length=40, blank=True, default="")
    #: When the payment was matched with a settlement's line; NULL while the money is on its way.
    settled_at = models.DateTimeField(_("settled"), null=True, blank=True)
    #: When the payer's data was erased; and when the erasure was requested, while the data was still needed.
    forgotten_at = models.DateTimeField(_("payer's data erased"), null=True, blank=True, editable=False)
    erase_asked_at = models.DateTimeField(_("erasure asked for"), null=True, blank=True, editable=False)
    #: The code that was paid, else the current one, else the last one.
    cip = models.ForeignKey("Cip", models.PROTECT, null=True, blank=True, related_name="+", verbose_name="CIP")
    #: The number of events; an event gets its number under the order's lock.
    event_count = models.PositiveIntegerField(default=0, editable=False)
    pending_action = models.CharField(
        _("pending action"), max_length=8, choices=PendingAction, blank=True, default="", editable=False
    )
    #: The new date for a pending extension or reissue.
    action_date = models.DateTimeField(null=True, blank=True, editable=False)
    #: When the pending action was requested; tells an action from the next of the same kind.
    action_requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    action_requested_by = models.CharField(max_length=150, blank=True, default="", editable=False)
    #: An action requested while a discrepancy about money was open; taken up again once that is resolved.
    deferred_action = models.CharField(max_length=8, choices=PendingAction, blank=True, default="", editable=False)
    #: The reason a person gave for the pending action; empty for a program's.
    action_reason = models.CharField(max_length=500, blank=True, default="", editable=False)
    #: When the clock ends the order unless the provider says otherwise; NULL when the order is not open.
    lapses_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: When ``expiry_approaching`` is sent; NULL when nothing is to be sent.
    remind_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = OrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        constraints = (
            models.UniqueConstraint(fields=["reference", "newest"], name="pagoefectivo_one_newest_order"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="pagoefectivo_order_amount_positive"),
            models.CheckConstraint(condition=Q(currency__in=CURRENCIES), name="pagoefectivo_order_currency_known"),
            models.CheckConstraint(
                condition=Q(newest=True) | Q(newest__isnull=True), name="pagoefectivo_newest_true_or_null"
            ),
            models.CheckConstraint(
                condition=~Q(state=OrderState.PAID) | Q(paid_at__isnull=False, cip__isnull=False),
                name="pagoefectivo_paid_has_payment",
            ),
        )
        indexes = (
            models.Index(fields=["retry_at"], name="pagoefectivo_order_due"),
            models.Index(fields=["lapses_at"], name="pagoefectivo_order_lapses"),
            models.Index(fields=["remind_at"], name="pagoefectivo_order_remind"),
            models.Index(fields=["state", "expires_at"], name="pagoefectivo_order_open"),
            models.Index(fields=["created_at"], name="pagoefectivo_order_created"),
            models.Index(fields=["paid_at"], name="pagoefectivo_order_paid"),
            models.Index(fields=["settled_at", "paid_at"], name="pagoefectivo_order_settled"),
            models.Index(fields=["forgotten_at", "created_at"], name="pagoefectivo_order_forget"),
            models.Index(fields=["erase_asked_at"], name="pagoefectivo_order_erase"),
            models.Index(fields=["deferred_action"], name="pagoefectivo_order_deferred"),
            # For lists, newest first, filtered by a rare state or currency.
            models.Index(fields=["state", "id"], name="pagoefectivo_order_state"),
            models.Index(fields=["currency", "id"], name="pagoefectivo_order_currency"),
        )
        permissions = (
            ("mark_paid", _("Can mark an order as paid by hand")),
            ("adopt_code", _("Can attach a code to an order by hand")),
            ("see_personal_data", _("Can see who pays: name, e-mail, document, messages")),
            ("erase_payer", _("Can erase a payer's data, and export it")),
        )

    def __str__(self) -> str:
        return str(self.reference)

    @property
    def voucher_url(self) -> str:
        """The path of the payer's page.

        Not named ``get_absolute_url``: Django's admin would link any staff user to the payer's page.
        """
        return reverse("pagoefectivo:voucher", args=[self.token])

    @property
    def admin_url(self) -> str:
        """The path of the order's page in the admin, for links on a shop's own staff pages; "" without such a page."""
        try:
            return reverse("admin:pagoefectivo_order_change", args=[self.pk])
        except NoReverseMatch:
            return ""

    def reload(self) -> None:
        """Read the order and the order's code again from the database, so an async view needs no query for the code."""
        self.refresh_from_db(from_queryset=Order.objects.using(database()).select_related("cip"))

    @property
    def is_settled(self) -> bool:
        """Whether the order's payment is in a settlement: the provider has paid the money out, or says as much."""
        return self.settled_at is not None

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)

    @property
    def payer(self) -> Payer:
        """The payer; ``payer.erased`` is True, and every further field empty, after the payer's data was erased."""
        return Payer.of(self.payer_data) if self.payer_data else Erased()

    @property
    def code(self) -> str:
        """The digits to pay with; empty until known."""
        return (self.cip.code or "") if self.cip else ""


#: Codes that have a name at the provider, their digits or the provider's own id, so that the provider can be asked.
KNOWN = Q(code__isnull=False) | Q(provider_id__isnull=False)


class Cip(Attempted, Hinted):
    """A payment code requested for an order on an account.

    The row is written before the provider is asked, so a lost answer leaves a trace. ``code`` has the digits without
    leading zeros, NULL until known. The inherited ``retry_at`` says when the code is deleted at the provider.
    """

    order = models.ForeignKey(Order, models.PROTECT, related_name="cips", verbose_name=_("order"))
    channel = ExactCharField(_("channel"), max_length=60)
    account = ExactCharField(_("account"), max_length=120)
    transaction_code = ExactCharField(_("transaction code"), max_length=36)
    code = ExactCharField(_("code"), max_length=40, null=True, blank=True)
    #: The provider's own id, where the provider has one.
    provider_id = ExactCharField(_("provider's id"), max_length=64, null=True, blank=True)
    #: A further number that the payer may read at the provider's, and tell the shop; no message is matched by it.
    other_code = ExactCharField(_("second number"), max_length=40, null=True, blank=True)
    status = models.CharField(_("status"), max_length=12, choices=CipStatus, default=CipStatus.REQUESTED)
    #: True while requested or current, else NULL: so an order has at most one such code, on any database.
    live = models.BooleanField(null=True, default=True, editable=False)
    #: The provider's date; NULL where the provider has none, or names none.
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    url = models.CharField(_("provider's page"), max_length=500, blank=True, default="")
    #: The provider's own QR, as in ``Report.qr``.
    qr = models.TextField(blank=True, default="", editable=False)
    #: When the provider was asked for the code; NULL when the request certainly was not sent.
    asked_at = models.DateTimeField(_("asked"), null=True, blank=True)
    changed_at = models.DateTimeField(_("changed"))
    #: The number of changes, and the number at which a reversal was recorded. An answer requested at another number may
    #: be stale.
    version = models.PositiveIntegerField(default=0, editable=False)
    reversed_version = models.PositiveIntegerField(default=0, editable=False)
    #: The provider's last answer, where a discrepancy was opened because the answer contradicts us; empty where both
    #: agree.
    answer = models.CharField(max_length=100, blank=True, default="", editable=False)
    #: When the code was paid, from a report without an operation number; for payments without a time of their own.
    paid_at = models.DateTimeField(_("paid"), null=True, blank=True)
    #: Since when a payment of the code is in process at the provider (under review, in dispute); NULL: none is.
    in_process_at = models.DateTimeField(_("in process since"), null=True, blank=True, editable=False)
    #: When the provider is asked about the code next, by schedule; NULL when the schedule has ended.
    poll_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: Operation numbers of reversals reported before their payment ("" without a number).
    early_reversals = models.JSONField(default=list, blank=True, editable=False)

    class Meta:
        verbose_name = "CIP"
        verbose_name_plural = "CIP"
        constraints = (
            models.UniqueConstraint(fields=["order", "live"], name="pagoefectivo_one_live_code"),
            models.UniqueConstraint(fields=["account", "code"], name="pagoefectivo_code_of_account"),
            models.UniqueConstraint(fields=["account", "provider_id"], name="pagoefectivo_provider_id"),
            models.UniqueConstraint(fields=["account", "transaction_code"], name="pagoefectivo_transaction_code"),
            models.CheckConstraint(
                # A check constraint holds when NULL, so both sides test for NULL.
                condition=Q(live__isnull=False, live=True, status__in=sorted(LIVE))
                | (Q(live__isnull=True) & ~Q(status__in=sorted(LIVE))),
                name="pagoefectivo_live_follows_status",
            ),
            models.CheckConstraint(condition=~Q(code=""), name="pagoefectivo_code_not_blank"),
        )
        indexes = (
            models.Index(fields=["retry_at"], name="pagoefectivo_cip_due"),
            models.Index(fields=["account", "poll_at"], name="pagoefectivo_cip_poll"),
            models.Index(fields=["channel", "account"], name="pagoefectivo_cip_alias"),
            models.Index(fields=["poll_at"], name="pagoefectivo_cip_watched"),
            models.Index(fields=["account", "look_at"], name="pagoefectivo_cip_hinted"),
            models.Index(fields=["account", "other_code"], name="pagoefectivo_cip_other_code"),
        )

    def __str__(self) -> str:
        return str(self.code or self.transaction_code)

    @property
    def is_known(self) -> bool:
        """Whether the code has a name at the provider (``KNOWN``)."""
        return bool(self.code or self.provider_id)

    @property
    def message_names(self) -> list[str]:
        """The names by which ``Notification.code`` may name the code: its digits and the provider's id."""
        return [name for name in (self.code, self.provider_id) if name]

    @property
    def is_link(self) -> bool:
        """Whether the payer pays on a page of the provider's, and there are no digits to type."""
        return bool(self.url and not self.code)

    @property
    def until(self) -> datetime:
        """The moment until which the code is taken to be payable: the provider's date, else the order's."""
        return self.expires_at or self.order.expires_at


class Payment(models.Model):
    """Money taken for a code, as a provider confirmed by a signed message or an answer."""

    cip = models.ForeignKey(Cip, models.PROTECT, related_name="payments", verbose_name="CIP")
    #: The account of the code, within which the provider's ids are unique.
    account = ExactCharField(_("account"), max_length=120, default="", editable=False)
    #: The provider's own id of the payment; NULL while unknown.
    provider_id = ExactCharField(_("provider's id"), max_length=64, null=True, blank=True)
    #: NULL when the provider gave no number. Such payments may repeat (paid, reversed, paid again); a number may not.
    operation_number = ExactCharField(_("operation number"), max_length=40, null=True, blank=True)
    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=2)
    currency = models.CharField(_("currency"), max_length=3)
    #: By the provider's clock; NULL until the provider told the time.
    paid_at = models.DateTimeField(_("paid"), null=True, blank=True)
    first_heard_at = models.DateTimeField(_("first heard"))
    status = models.CharField(_("status"), max_length=10, choices=PaymentStatus)
    #: Account and operation number where a person entered the payment by hand recently, else NULL: a receipt pays one
    #: order.
    vouched = ExactCharField(max_length=170, null=True, default=None, unique=True, editable=False)
    #: The sum of the payment's refunds, failed ones excluded: reserved, so that no more goes back than came.
    refunded = models.DecimalField(_("reserved for refunds"), max_digits=18, decimal_places=2, default=Decimal(0))

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        constraints = (
            models.UniqueConstraint(fields=["cip", "operation_number"], name="pagoefectivo_one_operation"),
            models.UniqueConstraint(fields=["account", "provider_id"], name="pagoefectivo_payment_id"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="pagoefectivo_payment_amount_positive"),
            models.CheckConstraint(
                condition=Q(refunded__gte=0, refunded__lte=F("amount")), name="pagoefectivo_refunded_at_most_paid"
            ),
        )
        # MariaDB has no indexes of expressions: reports of a period read every payment there.
        indexes = (
            models.Index(Coalesce("paid_at", "first_heard_at"), name="pagoefectivo_payment_moment"),
            models.Index(fields=["operation_number"], name="pagoefectivo_payment_number"),
        )

    def __str__(self) -> str:
        return f"{display(self.amount, self.currency)} {self.operation_number or ''}".strip()

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)

    @property
    def sent_back(self) -> Decimal:
        """The sum of the refunds already sent; the rest of ``refunded`` is reserved."""
        return Decimal(sum(refund.amount for refund in self.refunds.all() if refund.was_sent))

    @property
    def refundable(self) -> Decimal:
        """The amount that can still be refunded; 0 for a reversed payment."""
        return Decimal(0) if self.status == PaymentStatus.REVERSED else self.amount - self.refunded


def that_pays(payments: Iterable[Payment]) -> Payment | None:
    """Return the payment that pays an order, or None; a refunded payment only if no applied payment has money left."""
    applied = [payment for payment in payments if payment.status == PaymentStatus.APPLIED]
    return max(applied, key=lambda payment: (payment.refundable > 0, payment.pk), default=None)
