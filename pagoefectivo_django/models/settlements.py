"""The money that arrived: Settlement (a statement), SettlementLine, Match (line and payment), Deposit (at the bank)."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from ..states import LineStatus, SettlementStatus, StatementKind
from .database import Attempted, ExactCharField
from .orders import Payment
from .refunds import Refund


class SettlementQuerySet(models.QuerySet["Settlement"]):
    def counted(self) -> SettlementQuerySet:
        """Settlements that a person confirmed; a draft counts in no report."""
        return self.exclude(status=SettlementStatus.DRAFT)


class Settlement(Attempted):
    """A provider's statement of payments paid out (``settlement``), or only of payments taken (``sales``).

    A draft was read and waits for a person. The inherited ``retry_at`` says when the worker goes on matching.
    """

    kind = models.CharField(_("kind"), max_length=10, choices=StatementKind)
    account = ExactCharField(_("account"), max_length=120)
    #: The provider's number of the transfer.
    reference = ExactCharField(_("reference"), max_length=80, blank=True, default="")
    #: The day by which reports count the settlement.
    dated = models.DateField(_("date"))
    currency = models.CharField(_("currency"), max_length=3)
    status = models.CharField(_("status"), max_length=8, choices=SettlementStatus, default=SettlementStatus.DRAFT)
    file_name = models.CharField(_("file"), max_length=200)
    #: SHA-256 of the file.
    digest = models.CharField(max_length=64, editable=False)
    #: True once confirmed, else NULL: so a file counts once, on any database.
    once = models.BooleanField(null=True, default=None, editable=False)
    #: How the file was read: format, encoding, separator, …
    reading = models.JSONField(_("how it was read"), default=dict, editable=False)
    #: The first hundred unreadable lines: ``[{"line", "column", "cell", "code", "message", "params"}, …]``.
    faults = models.JSONField(_("bad lines"), default=list, editable=False)
    fault_count = models.PositiveIntegerField(_("bad lines"), default=0)
    line_count = models.PositiveIntegerField(_("lines"), default=0)
    #: The part of the net sum not at the bank yet; updated with each duplicate line and each deposit.
    open_amount = models.DecimalField(_("open"), max_digits=18, decimal_places=2, default=0)
    imported_by = models.CharField(_("imported by"), max_length=150)
    created_at = models.DateTimeField(_("imported"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = SettlementQuerySet.as_manager()

    class Meta:
        verbose_name = _("settlement")
        verbose_name_plural = _("settlements")
        constraints = (
            models.UniqueConstraint(fields=["account", "digest", "once"], name="pagoefectivo_one_statement"),
            models.CheckConstraint(
                condition=Q(once__isnull=False, once=True) & ~Q(status="draft") | Q(once__isnull=True, status="draft"),
                name="pagoefectivo_draft_is_not_counted",
            ),
        )
        indexes = (
            models.Index(fields=["retry_at"], name="pagoefectivo_settlement_due"),
            models.Index(fields=["dated"], name="pagoefectivo_settlement_dated"),
        )
        permissions = (
            ("import_settlement", _("Can import settlements")),
            ("match_settlement", _("Can match lines of settlements by hand, and enter deposits")),
            ("export_settlement", _("Can export the books")),
        )

    def __str__(self) -> str:
        return str(self.reference or self.file_name)


class SettlementLine(models.Model):
    """A line of a statement: a payment paid out, less fee and IGV; a negative line is a refund.

    ``currency`` is the settlement's, and ``gross``, ``fee``, ``tax`` and ``net`` are amounts in it: ``net = gross - fee
    - tax``, always. A payment in another currency was exchanged first; ``payment_amount``, ``payment_currency`` and
    ``rate`` tell from what. A line without money (a total, a code that is not paid) is ignored, with zeros.
    """

    settlement = models.ForeignKey(
        Settlement, models.PROTECT, related_name="lines", verbose_name=_("settlement"), db_index=False
    )
    #: The line's number in the file, from 1.
    number = models.PositiveIntegerField(_("line"))
    #: Without leading zeros, as in ``Cip.code``.
    code = ExactCharField(_("code"), max_length=40, blank=True, default="")
    transaction_code = ExactCharField(_("transaction code"), max_length=64, blank=True, default="")
    operation_number = ExactCharField(_("operation number"), max_length=40, blank=True, default="")
    currency = models.CharField(_("currency"), max_length=3)
    gross = models.DecimalField(_("gross"), max_digits=18, decimal_places=2)
    fee = models.DecimalField(_("fee"), max_digits=18, decimal_places=2)
    tax = models.DecimalField(_("IGV"), max_digits=18, decimal_places=2)
    net = models.DecimalField(_("net"), max_digits=18, decimal_places=2)
    #: The payer's money, where its currency is not the settlement's; NULL and "" where ``gross`` is the payer's money.
    payment_amount = models.DecimalField(_("payment's amount"), max_digits=18, decimal_places=2, null=True, blank=True)
    payment_currency = models.CharField(_("payment's currency"), max_length=3, blank=True, default="")
    #: The rate of exchange as the file has it, which may be of either direction; NULL where the file has none.
    rate = models.DecimalField(_("exchange rate"), max_digits=20, decimal_places=10, null=True, blank=True)
    paid_at = models.DateTimeField(_("paid"), null=True, blank=True)
    #: E-mail or document number, as the file has it; personal data.
    payer = models.CharField(_("payer"), max_length=100, blank=True, default="")
    #: Bank and channel, as the file has them.
    collector = models.CharField(_("collector"), max_length=120, blank=True, default="")
    #: SHA-256 of the line's content, so that overlapping files don't count a line twice.
    digest = models.CharField(max_length=64, editable=False)
    #: True on the first line of a digest that was judged, else NULL: so a line counts once, on any database.
    first = models.BooleanField(null=True, default=None, editable=False)
    status = models.CharField(_("status"), max_length=11, choices=LineStatus, default=LineStatus.NEW)
    #: Why the line is ignored, a duplicate, in discrepancy, or needs a person before it is matched: a code of
    #: ``wording.data.SENTENCES`` with its data; and what a person wrote.
    about = models.CharField(_("why"), max_length=30, blank=True, default="")
    data = models.JSONField(_("data"), default=dict, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")

    class Meta:
        verbose_name = _("settlement line")
        verbose_name_plural = _("settlement lines")
        constraints = (
            models.UniqueConstraint(fields=["settlement", "number"], name="pagoefectivo_one_line"),
            models.UniqueConstraint(fields=["digest", "first"], name="pagoefectivo_line_counts_once"),
            # A range and not equality: SQLite calculates with floats.
            models.CheckConstraint(
                condition=Q(
                    net__gt=F("gross") - F("fee") - F("tax") - Decimal("0.005"),
                    net__lt=F("gross") - F("fee") - F("tax") + Decimal("0.005"),
                ),
                name="pagoefectivo_net_is_gross_less_fee",
            ),
            models.CheckConstraint(
                condition=Q(payment_amount__isnull=True, payment_currency="", rate__isnull=True)
                | (
                    Q(payment_amount__isnull=False)
                    & (Q(payment_amount__gt=0, gross__gt=0) | Q(payment_amount__lt=0, gross__lt=0))
                    & ~Q(payment_currency="")
                    & ~Q(payment_currency=F("currency"))
                    & (Q(rate__isnull=True) | Q(rate__gt=0))
                ),
                name="pagoefectivo_line_in_two_currencies",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=("ignored", "duplicate")) | ~Q(about="", reason=""),
                name="pagoefectivo_ignored_for_reason",
            ),
        )
        indexes = (
            models.Index(fields=["settlement", "status", "number"], name="pagoefectivo_line_status"),
            models.Index(fields=["status", "id"], name="pagoefectivo_line_list"),
            models.Index(fields=["code"], name="pagoefectivo_line_code"),
        )

    def __str__(self) -> str:
        return f"{self.settlement} #{self.number}"

    @property
    def exchanged(self) -> bool:
        """Whether the payer paid in another currency than the settlement's."""
        return self.payment_amount is not None

    @property
    def rate_text(self) -> str | None:
        """The rate as the file has it but for zeros at its end; None where the file has none."""
        return None if self.rate is None else f"{self.rate.normalize():f}"

    @property
    def paid(self) -> tuple[Decimal, str]:
        """The amount and the currency that the payer paid; a refund's amount is negative."""
        if self.payment_amount is None:
            return self.gross, self.currency
        return self.payment_amount, self.payment_currency


class Match(models.Model):
    """The match of a line with a payment (or a refund), and its author; undone by another row, never overwritten."""

    line = models.ForeignKey(SettlementLine, models.PROTECT, related_name="matches", verbose_name=_("line"))
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="matches", verbose_name=_("payment"))
    refund = models.ForeignKey(Refund, models.PROTECT, null=True, related_name="matches", verbose_name=_("refund"))
    kind = models.CharField(_("kind"), max_length=10, choices=StatementKind)
    #: The payer's money, in the payment's currency; a row that undoes a match has the amount with the other sign.
    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=2)
    #: The property that line and payment share: ``code``, ``transaction_code``, ``operation_number``; or ``hand``.
    rule = models.CharField(_("known by"), max_length=20)
    author = models.CharField(_("who"), max_length=150)
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    created_at = models.DateTimeField(_("when"))
    undoes = models.OneToOneField("self", models.PROTECT, null=True, related_name="undone", verbose_name=_("undoes"))
    #: True while the match stands, else NULL: so a line, a payment and a refund have one match, on any database.
    stands = models.BooleanField(null=True, default=True, editable=False)
    #: 0 for a match with the payment, the refund's key for a match with a refund.
    part = models.PositiveBigIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = _("match")
        verbose_name_plural = _("matches")
        constraints = (
            models.UniqueConstraint(fields=["line", "stands"], name="pagoefectivo_one_match_of_line"),
            models.UniqueConstraint(
                fields=["payment", "kind", "part", "stands"], name="pagoefectivo_one_match_of_payment"
            ),
            models.CheckConstraint(
                condition=Q(stands__isnull=True) | Q(stands=True, undoes__isnull=True),
                name="pagoefectivo_match_stands_or_not",
            ),
        )

    def __str__(self) -> str:
        return f"{self.line} = {self.payment}"


class Deposit(models.Model):
    """Money of a settlement seen at the bank by a person; a negative deposit undoes a mistake."""

    settlement = models.ForeignKey(Settlement, models.PROTECT, related_name="deposits", verbose_name=_("settlement"))
    amount = models.DecimalField(_("amount"), max_digits=18, decimal_places=2)
    received_on = models.DateField(_("received"))
    #: The bank's own number of the deposit.
    reference = models.CharField(_("bank's reference"), max_length=80, blank=True, default="")
    author = models.CharField(_("who"), max_length=150)
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    created_at = models.DateTimeField(_("when"))

    class Meta:
        verbose_name = _("deposit")
        verbose_name_plural = _("deposits")
        constraints = (models.CheckConstraint(condition=~Q(amount=0), name="pagoefectivo_deposit_is_not_zero"),)
        indexes = (models.Index(fields=["received_on"], name="pagoefectivo_deposit_received"),)

    def __str__(self) -> str:
        return f"{self.settlement} {self.amount:.2f}"
