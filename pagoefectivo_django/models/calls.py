"""ApiCall: one request to a provider and what came back, redacted."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from .database import ExactCharField
from .orders import Order


class ApiCall(models.Model):
    """One request that left, or tried to. Its bodies hold no secret and nothing personal; kept for ``KEEP_CALLS``."""

    channel = ExactCharField(_("channel"), max_length=60)
    account = ExactCharField(_("account"), max_length=120)
    method = models.CharField(_("method"), max_length=10)
    #: The path only: a host is in the settings, and a query is never sent.
    path = models.CharField(_("address"), max_length=200)
    #: NULL when there was no answer.
    status = models.PositiveSmallIntegerField(_("status"), null=True)
    #: The name of the exception when there was no answer.
    error = models.CharField(_("error"), max_length=80, blank=True, default="")
    began_at = models.DateTimeField(_("when"))
    milliseconds = models.PositiveIntegerField(_("duration (ms)"))
    #: Joins a call with the events, messages and log lines of the same piece of work.
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
        """Whether the provider gave no answer, or said that it is the one at fault."""
        return self.status is None or self.status >= 500


class ApiCallSubject(models.Model):
    """One of the orders that a call is about: a question about many codes is about many."""

    call = models.ForeignKey(ApiCall, models.PROTECT, related_name="subjects", verbose_name=_("call to the provider"))
    #: Without a constraint, which would have a log wait for whoever has locked the order.
    order = models.ForeignKey(
        Order, models.PROTECT, related_name="call_subjects", verbose_name=_("order"), db_constraint=False
    )

    class Meta:
        verbose_name = _("order of a call")
        verbose_name_plural = _("orders of calls")

    def __str__(self) -> str:
        return f"{self.call_id} {self.order_id}"
