"""ApiCall: a request to a provider and the answer, both redacted."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .database import ExactCharField
from .orders import Order


class ApiCall(models.Model):
    """A request sent to a provider, or tried to be sent; kept for ``KEEP_CALLS``, without secrets and personal data."""

    channel = ExactCharField(_("channel"), max_length=60)
    account = ExactCharField(_("account"), max_length=120)
    method = models.CharField(_("method"), max_length=10)
    #: The path only: the settings have the host, and no call has a query.
    path = models.CharField(_("address"), max_length=200)
    #: NULL without an answer.
    status = models.PositiveSmallIntegerField(_("status"), null=True)
    #: The name of the exception, without an answer.
    error = models.CharField(_("error"), max_length=80, blank=True, default="")
    began_at = models.DateTimeField(_("when"))
    milliseconds = models.PositiveIntegerField(_("duration (ms)"))
    #: Joins the call with the events, messages and log lines of the same unit of work.
    trace = ExactCharField(_("request id"), max_length=32, blank=True, default="")
    request = models.TextField(_("request"), blank=True, default="")
    answer = models.TextField(_("answer"), blank=True, default="")

    class Meta:
        verbose_name = _("call to the provider")
        verbose_name_plural = _("calls to the provider")
        indexes = (
            models.Index(fields=["began_at"], name="pagoefectivo_call_when"),
            models.Index(fields=["account", "began_at"], name="pagoefectivo_call_account"),
            models.Index(fields=["trace"], name="pagoefectivo_call_trace"),
            models.Index(fields=["status", "id"], name="pagoefectivo_call_status"),
        )

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status or self.error}"

    @property
    def failed(self) -> bool:
        """Whether the provider gave no answer or a server error (5xx)."""
        return self.status is None or self.status >= 500


class ApiCallSubject(models.Model):
    """An order concerned by a call; a call about many codes has many."""

    call = models.ForeignKey(ApiCall, models.PROTECT, related_name="subjects", verbose_name=_("call to the provider"))
    #: No foreign key constraint: writing the log would wait for a transaction that has locked the order.
    order = models.ForeignKey(
        Order, models.PROTECT, related_name="call_subjects", verbose_name=_("order"), db_constraint=False
    )

    class Meta:
        verbose_name = _("order of a call")
        verbose_name_plural = _("orders of calls")

    def __str__(self) -> str:
        return f"{self.call_id} {self.order_id}"
