"""The admin of outgoing webhooks: endpoints, which staff adds and changes, and the messages sent to them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from ...admin.actions import StaffAction
from ...admin.base import KnownValuesFilter, RecordAdmin
from ...admin.forms import StaffForm
from ...admin.lists import keys, orders_found
from ...admin.tables import column, table
from ...documents.tables import Badge, Link, Table
from ...errors import InvalidRequest
from ...signals import SIGNALS
from ...wording.events import kind_label
from .managing import (
    change_endpoint,
    check_endpoint,
    create_endpoint,
    delete_endpoint,
    rotate_secret,
    send_again,
    send_test,
)
from .models import TEST, Endpoint, EndpointStatus, MessageStatus, Outcome, WebhookMessage, of_status

#: The most messages on an endpoint's page, the newest first.
MOST_SHOWN = 20
#: The codename of the permission for all that changes an endpoint, and for sending again.
CHANGE, SEND = "pagoefectivo_webhooks.change_endpoint", "pagoefectivo_webhooks.change_webhookmessage"


def label_of(kind: str) -> str:
    """Return a message's kind in the reader's language."""
    return gettext("test") if kind == TEST else kind_label(kind)


class EndpointForm(forms.ModelForm):  # type: ignore[type-arg]
    """An endpoint's address, kinds and status."""

    kinds = forms.MultipleChoiceField(
        label=_("Kinds of events"),
        choices=lambda: [(kind, f"{label_of(kind)} ({kind})") for kind in SIGNALS],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=_("None chosen: every kind, also those of later versions."),
    )

    class Meta:
        model = Endpoint
        fields = ("url", "kinds", "status")
        widgets = {"url": forms.URLInput(attrs={"class": "vURLField"})}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        try:
            check_endpoint(data.get("url", "") if "url" in self.changed_data else None, data.get("kinds", ()))
        except InvalidRequest as error:
            if "url" in data:
                self.add_error("url", error.sentence)
        return data


def _told(message: WebhookMessage) -> str:
    about = {"message": message, "outcome": Outcome(message.outcome).label if message.outcome else message.status.label}
    return gettext("%(message)s: %(outcome)s") % about + (f" ({message.http_status})" if message.http_status else "")


@admin.register(Endpoint)
class EndpointAdmin(RecordAdmin):
    """Endpoints, which staff may add, change, test and delete; a secret is shown once, when it is made."""

    form = EndpointForm
    change_form_template = "admin/pagoefectivo/webhooks/endpoint.html"
    add_form_template = "admin/pagoefectivo/webhooks/endpoint.html"
    list_display = ("host", "kinds_text", "status_badge", "failing_since")
    list_filter = ("status",)
    ordering = ("pk",)
    staff_actions = (
        StaffAction(
            "send_test", _("Send a test"), permission=CHANGE, flow=send_test, fits=lambda endpoint: True, tell=_told
        ),
    )

    has_add_permission = admin.ModelAdmin.has_add_permission
    has_change_permission = admin.ModelAdmin.has_change_permission
    has_delete_permission = admin.ModelAdmin.has_delete_permission

    @column(_("address"))
    def host(self, endpoint: Endpoint) -> str:
        return endpoint.host

    @column(_("kinds of events"))
    def kinds_text(self, endpoint: Endpoint) -> str:
        return ", ".join(map(label_of, endpoint.kinds)) or gettext("all")

    def get_fields(self, request: HttpRequest, obj: Endpoint | None = None) -> tuple[str, ...]:
        return ("url", "kinds", "status", "public_id", "failing_since", "given_up_at") if obj else ("url", "kinds")

    def get_readonly_fields(self, request: HttpRequest, obj: Endpoint | None = None) -> tuple[str, ...]:
        return ("public_id", "failing_since", "given_up_at") if obj else ()

    def links(self, request: HttpRequest, row: Endpoint | None) -> list[tuple[str, Any]]:
        allowed = row and request.user.has_perm(CHANGE)
        return [(self.address(row, "rotate"), _("Change the secret"))] if row and allowed else []

    def buttons(self, request: HttpRequest, row: Endpoint | None) -> list[tuple[StaffAction, str, Any]]:
        return super().buttons(request, row) if row else []

    def sections(self, row: Endpoint | None) -> list[Table]:
        if row is None:
            return []
        messages = row.messages.select_related("endpoint", "event__order").order_by("-pk")[:MOST_SHOWN]
        return [
            table(_("secrets"), row.secrets.order_by("-pk"), ((_("secret"), str), "created_at", "ends_at")),
            table(_("last messages"), messages, self._columns()),
        ]

    def _columns(self) -> tuple[Any, ...]:
        status = (_("status"), lambda message: Badge(message.status, message.status.label))
        return (
            "created_at",
            (_("message"), lambda message: self.link(message, label_of(message.kind))),
            (_("order"), lambda message: self.link(message.event and message.event.order)),
            *(status, "outcome", "http_status", "attempts", "retry_at"),
        )

    # Writing.

    def save_model(self, request: HttpRequest, obj: Endpoint, form: Any, change: bool) -> None:
        data = form.cleaned_data
        if change:
            change_endpoint(Endpoint.objects.get(pk=obj.pk), **{name: data[name] for name in form.changed_data})
            return
        made, secret = create_endpoint(data["url"], data["kinds"])
        obj.pk, obj.public_id, obj._state.adding = made.pk, made.public_id, False
        request.__dict__["_secret"] = secret

    @sensitive_variables()
    def response_add(self, request: HttpRequest, obj: Endpoint, post_url_continue: Any = None) -> HttpResponse:
        return self._secret_page(request, obj, request.__dict__["_secret"])

    def delete_model(self, request: HttpRequest, obj: Endpoint) -> None:
        delete_endpoint(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Endpoint]) -> None:
        for endpoint in queryset:
            delete_endpoint(endpoint)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, ...]:
        """Return the endpoints alone: Django would load and list each message."""
        missing = set() if request.user.has_perm("pagoefectivo_webhooks.delete_endpoint") else {"endpoint"}
        return [str(endpoint) for endpoint in objs], {self.opts.verbose_name_plural: len(objs)}, missing, []

    # Secrets.

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.rotate_view)
        return [
            path("<path:object_id>/rotate/", view, name="pagoefectivo_webhooks_endpoint_rotate"),
            *super().get_urls(),
        ]

    @sensitive_variables()
    def rotate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return the page that asks for confirmation, and after the answer the page with the new secret."""
        if not request.user.has_perm(CHANGE):
            raise PermissionDenied
        endpoint = self.get_object(request, unquote(object_id))
        if endpoint is None:
            raise Http404
        if request.method == "POST":
            secret = rotate_secret(endpoint)
            self.log_change(request, endpoint, [{"changed": {"fields": ["secret"]}}])
            return self._secret_page(request, endpoint, secret)
        prompt = _(
            "The new secret signs at once; former secrets sign too for a day, until you have changed the receiver."
        )
        more = {"subtitle": str(endpoint), "back": self.address(endpoint)}
        return self.ask(request, _("Change the secret"), StaffForm(), prompt=prompt, **more)

    def _secret_page(self, request: HttpRequest, endpoint: Endpoint, secret: str) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": gettext("The endpoint's secret"),
            "secret": secret,
            "subtitle": str(endpoint),
            "back": self.address(endpoint),
        }
        return TemplateResponse(request, "admin/pagoefectivo/webhooks/secret.html", context)  # admin views are no-store


class StatusFilter(admin.SimpleListFilter):
    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(MessageStatus.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[WebhookMessage]) -> QuerySet[WebhookMessage]:
        known = self.value() in MessageStatus.values
        return queryset.filter(of_status(str(self.value()))) if known else queryset


class EndpointFilter(KnownValuesFilter):
    title = _("endpoint")
    parameter_name = "endpoint"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(endpoint.pk), str(endpoint)) for endpoint in Endpoint.objects.order_by("pk")]


@admin.register(WebhookMessage)
class WebhookMessageAdmin(RecordAdmin):
    """Messages to endpoints; staff can have a message sent again."""

    list_display = (
        "created_at", "kind_text", "endpoint_link", "order_link", "status_text", "outcome", "http_status", "attempts",
        "retry_at",
    )  # fmt: skip
    list_select_related = ("endpoint", "event__order")
    list_filter = (StatusFilter, EndpointFilter)
    search_fields = ("event__order__reference",)
    search_help_text = _("Beginning of an order's reference; a CIP, transaction code or operation number")
    ordering = ("-pk",)
    staff_actions = (
        StaffAction(
            "send_again",
            _("Send again"),
            permission=SEND,
            flow=send_again,
            fits=lambda message: message.endpoint.status != EndpointStatus.DISABLED,
            tell=lambda message: gettext("%(message)s: the worker sends it in its next round.") % {"message": message},
            bulk=True,
        ),
    )
    fields = (
        "kind_text", "endpoint_link", "order_link", "public_id", "created_at", "status_text", "delivered_at", "outcome",
        "http_status", "attempts", "retry_at", "last_error",
    )  # fmt: skip

    @column(_("event"))
    def kind_text(self, message: WebhookMessage) -> str:
        return label_of(message.kind)

    @column(_("endpoint"))
    def endpoint_link(self, message: WebhookMessage) -> Link | None:
        return self.link(message.endpoint)

    @column(_("order"))
    def order_link(self, message: WebhookMessage) -> Link | None:
        return self.link(message.event and message.event.order)

    @column(_("status"))
    def status_text(self, message: WebhookMessage) -> Badge:
        return Badge(message.status, message.status.label)

    def found(self, request: HttpRequest, term: str) -> set[int]:
        return set(keys(WebhookMessage.objects.filter(event__order__in=orders_found(term, by_payer=False))))
