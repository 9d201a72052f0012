"""Endpoints and their deliveries in the API."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ...api import filters
from ...api.answers import Answer
from ...api.base import ApiView
from ...api.bodies import Body, EmptyBody, Text, read
from ...api.keys import once
from ...api.operations import Operation
from ...api.payload import moment_text
from ...flows.keys.claim import Claim
from ...models import IdempotencyKey
from ...models.database import database
from ...signals import SIGNALS
from .addresses import LONGEST
from .managing import change_endpoint, create_endpoint, delete_endpoint, rotate_secret, send_again, send_test
from .models import TEST, Endpoint, EndpointStatus, MessageStatus, Outcome, WebhookMessage, of_status

#: Codenames of permissions, with the label of this app.
VIEW, ADD, CHANGE, DELETE = (f"pagoefectivo_webhooks.{verb}_endpoint" for verb in ("view", "add", "change", "delete"))
VIEW_SENT, SEND = "pagoefectivo_webhooks.view_webhookmessage", "pagoefectivo_webhooks.change_webhookmessage"


KINDS: list[str] = list(SIGNALS)


class ChangeEndpointBody(Body):
    """What changes of an endpoint."""

    url = Text(max_length=LONGEST, required=False)
    kinds = serializers.ListField(child=serializers.ChoiceField(KINDS), required=False)
    status = serializers.ChoiceField(EndpointStatus.values, required=False)


class CreateEndpointBody(ChangeEndpointBody):
    """A new endpoint."""

    url = Text(max_length=LONGEST)


class SecretAnswer(Answer):
    """A secret that signs an endpoint's messages, never told again in full."""

    begins = serializers.CharField()
    created_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True, help_text="When the secret stops to sign.")


class EndpointAnswer(Answer):
    """An address that hears of events."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    kinds = serializers.ListField(child=serializers.CharField(), help_text="None: every kind.")
    status = serializers.ChoiceField(EndpointStatus.values)
    failing_since = serializers.DateTimeField(allow_null=True, help_text="The first failure since the last yes.")
    given_up_at = serializers.DateTimeField(allow_null=True, help_text="When failures disabled the endpoint.")
    secrets = SecretAnswer(many=True)
    created_at = serializers.DateTimeField()
    secret = serializers.CharField(
        required=False, help_text="The new secret (`whsec_…`), after creating and rotating only: keep it."
    )


class DeliveryAnswer(Answer):
    """An event, or a test, that was sent to an endpoint or is to be sent."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    event = serializers.UUIDField(allow_null=True)
    order = serializers.UUIDField(allow_null=True)
    status = serializers.ChoiceField(MessageStatus.values)
    attempts = serializers.IntegerField()
    outcome = serializers.ChoiceField(Outcome.values, allow_null=True, help_text="How the last attempt ended.")
    http_status = serializers.IntegerField(allow_null=True)
    retry_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


def endpoint_data(endpoint: Endpoint, *, secret: str = "") -> dict[str, Any]:
    """Return an endpoint's JSON; ``secret``: a secret just made, which is told this once."""
    data = {
        "id": str(endpoint.public_id),
        "url": endpoint.url,
        "kinds": endpoint.kinds,
        "status": str(endpoint.status),
        "failing_since": moment_text(endpoint.failing_since),
        "given_up_at": moment_text(endpoint.given_up_at),
        "secrets": [
            {"begins": str(each), "created_at": moment_text(each.created_at), "ends_at": moment_text(each.ends_at)}
            for each in endpoint.secrets.all()
        ],
        "created_at": moment_text(endpoint.created_at),
    }
    return data | ({"secret": secret} if secret else {})


def delivery_data(message: WebhookMessage) -> dict[str, Any]:
    """Return a delivery's JSON; ``message.event.order`` should be loaded."""
    order = message.event.order if message.event else None
    return {
        "id": str(message.public_id),
        "kind": message.kind,
        "event": str(message.event_id) if message.event_id else None,
        "order": str(order.public_id) if order else None,
        "status": str(message.status),
        "attempts": message.attempts,
        "outcome": str(message.outcome) or None,
        "http_status": message.http_status,
        "retry_at": moment_text(message.retry_at),
        "delivered_at": moment_text(message.delivered_at),
        "created_at": moment_text(message.created_at),
    }


def _endpoint(public_id: str) -> Endpoint:
    try:
        return Endpoint.objects.using(database()).prefetch_related("secrets").get(public_id=uuid.UUID(public_id))
    except (ValueError, Endpoint.DoesNotExist):
        raise Http404 from None


def _messages(endpoint: Endpoint) -> QuerySet[WebhookMessage]:
    return endpoint.messages.using(database()).select_related("endpoint", "event__order")


class Endpoints(ApiView):
    """``webhook-endpoints/``: the list, newest first, and new endpoints."""

    permissions = {"GET": VIEW, "POST": ADD}
    operations = {
        "GET": Operation("list_webhook_endpoints", EndpointAnswer, page=True),
        "POST": Operation("create_webhook_endpoint", EndpointAnswer, (201,), CreateEndpointBody, key=True),
    }

    def get(self, request: Request) -> Response:
        """Return a page of endpoints."""
        self.asked(request)
        rows = Endpoint.objects.using(database()).prefetch_related("secrets")
        return self.page(rows, lambda page: [*map(endpoint_data, page)])

    def post(self, request: Request) -> Response:
        """Create an endpoint, and return the endpoint with its secret, which no repetition is told."""
        wanted = read(request, CreateEndpointBody)

        def work(claim: Claim | None) -> Response:
            public_id = _id_of(claim.row) if claim else uuid.uuid4()
            if Endpoint.objects.using(database()).filter(public_id=public_id).exists():
                return _told(public_id, "", 201)  # a process ended after it wrote the endpoint
            endpoint, secret = create_endpoint(**wanted, public_id=public_id)
            return _told(endpoint.public_id, secret, 201)

        return once(request, work, lambda key: _told(_id_of(key), "", 201))


class OneEndpoint(ApiView):
    """``webhook-endpoints/<id>/``: an endpoint, its changes, its end."""

    permissions = {"GET": VIEW, "PATCH": CHANGE, "DELETE": DELETE}
    operations = {
        "GET": Operation("get_webhook_endpoint", EndpointAnswer),
        "PATCH": Operation("change_webhook_endpoint", EndpointAnswer, body=ChangeEndpointBody, key=True),
        "DELETE": Operation("delete_webhook_endpoint", None, (204,), key=True),
    }
    page_parameters = frozenset()

    def get(self, request: Request, public_id: str) -> Response:
        """Return the endpoint."""
        self.asked(request)
        return Response(endpoint_data(_endpoint(public_id)))

    def patch(self, request: Request, public_id: str) -> Response:
        """Change the fields of the body, and return the endpoint."""
        wanted = read(request, ChangeEndpointBody)

        def work(_claim: Claim | None) -> Response:
            return Response(endpoint_data(change_endpoint(_endpoint(public_id), **wanted)))

        return once(request, work, lambda key: Response(endpoint_data(_endpoint(public_id))))

    def delete(self, request: Request, public_id: str) -> Response:
        """Delete the endpoint with its secrets and deliveries."""

        def work(_claim: Claim | None) -> Response:
            delete_endpoint(_endpoint(public_id))
            return Response(status=204)

        return once(request, work, lambda key: Response(status=204))


class Rotation(ApiView):
    """``webhook-endpoints/<id>/rotate/``: a new secret; the former ones sign for another day."""

    permissions = {"POST": CHANGE}
    operations = {"POST": Operation("rotate_webhook_secret", EndpointAnswer, body=EmptyBody, key=True)}

    def post(self, request: Request, public_id: str) -> Response:
        """Return the endpoint with the new secret, which no repetition is told."""
        read(request, EmptyBody)
        endpoint = _endpoint(public_id)

        def work(_claim: Claim | None) -> Response:
            return _told(endpoint.public_id, rotate_secret(endpoint), 200)

        return once(request, work, lambda key: _told(endpoint.public_id, "", 200))


class Trial(ApiView):
    """``webhook-endpoints/<id>/test/``: a message of the kind ``test``, sent at once and once."""

    permissions = {"POST": CHANGE}
    operations = {"POST": Operation("test_webhook_endpoint", DeliveryAnswer, body=EmptyBody, key=True)}

    def post(self, request: Request, public_id: str) -> Response:
        """Return the delivery with its outcome."""
        read(request, EmptyBody)
        endpoint = _endpoint(public_id)

        def work(claim: Claim | None) -> Response:
            return Response(delivery_data(send_test(endpoint, public_id=_id_of(claim.row) if claim else uuid.uuid4())))

        return once(request, work, lambda key: Response(delivery_data(_delivery(public_id, str(_id_of(key))))))


class Deliveries(ApiView):
    """``webhook-endpoints/<id>/deliveries/``: what was sent or is to be sent, newest first."""

    permissions = {"GET": VIEW_SENT}
    operations = {"GET": Operation("list_webhook_deliveries", DeliveryAnswer, page=True)}
    filters = {"status": filters.Choice(MessageStatus.values), "kind": filters.Choice((*SIGNALS, TEST))}

    def get(self, request: Request, public_id: str) -> Response:
        """Return a page of deliveries."""
        asked = self.asked(request)
        rows = _messages(_endpoint(public_id))
        if "status" in asked:
            rows = rows.filter(of_status(asked["status"]))
        if "kind" in asked:
            rows = rows.filter(kind=asked["kind"])
        return self.page(rows, lambda page: [*map(delivery_data, page)])


class OneDelivery(ApiView):
    """``webhook-endpoints/<id>/deliveries/<id>/``: a delivery."""

    permissions = {"GET": VIEW_SENT}
    operations = {"GET": Operation("get_webhook_delivery", DeliveryAnswer)}
    page_parameters = frozenset()

    def get(self, request: Request, public_id: str, delivery: str) -> Response:
        """Return the delivery."""
        self.asked(request)
        return Response(delivery_data(_delivery(public_id, delivery)))


class Redelivery(ApiView):
    """``webhook-endpoints/<id>/deliveries/<id>/redeliver/``: the worker sends the message again."""

    permissions = {"POST": SEND}
    operations = {"POST": Operation("redeliver_webhook", DeliveryAnswer, body=EmptyBody, key=True)}

    def post(self, request: Request, public_id: str, delivery: str) -> Response:
        """Return the delivery, which waits for the worker."""
        read(request, EmptyBody)
        message = _delivery(public_id, delivery)

        def work(_claim: Claim | None) -> Response:
            return Response(delivery_data(send_again(message, actor=self.actor)))

        return once(request, work, lambda key: Response(delivery_data(message)))


def _delivery(public_id: str, delivery: str) -> WebhookMessage:
    try:
        return _messages(_endpoint(public_id)).get(public_id=uuid.UUID(delivery))
    except (ValueError, WebhookMessage.DoesNotExist):
        raise Http404 from None


def _id_of(key: IdempotencyKey) -> uuid.UUID:
    """Return the id of the row that a request with a key creates: the same at each repetition."""
    return uuid.uuid5(uuid.NAMESPACE_OID, key.digest)


def _told(public_id: uuid.UUID, secret: str, status: int) -> Response:
    fresh = _endpoint(str(public_id))
    return Response(endpoint_data(fresh, secret=secret), status=status, headers={"Cache-Control": "no-store"})
