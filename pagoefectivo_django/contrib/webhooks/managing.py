"""What people and programs do to endpoints: create, change, rotate secrets, test, send again."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from ...actors import Actor
from ...errors import InvalidRequest
from ...errors import gettext_noop as _
from ...flows.ledger.remark import record_remark
from ...models import FailingReceiver
from ...models.clock import current_time
from ...models.database import LEASE, database, one_transaction
from ...signals import SIGNALS
from ...states import Remark
from .addresses import parse
from .models import TEST, Endpoint, EndpointSecret, EndpointStatus, WebhookMessage
from .sending import send_now
from .signing import new_secret

logger = logging.getLogger("pagoefectivo.delivery")

#: How long a former secret signs besides the new one.
OVERLAP = timedelta(days=1)
#: The most endpoints of a shop: each event is queued for each of them.
MOST_ENDPOINTS = 100


def check_endpoint(url: str | None, kinds: Iterable[str]) -> list[str]:
    """Return the kinds in the order of the signals; raises ``InvalidRequest`` for a wrong kind, or a wrong address.

    ``url`` None: no address is given, so the one that stands is not judged by settings of a later day.
    """
    if url is not None:
        parse(url)
    chosen = set(kinds)
    if unknown := chosen - set(SIGNALS):
        raise InvalidRequest(
            _("%(kind)s is no kind of event; the kinds are the names of the signals."),
            code="kind_unknown",
            kind=min(unknown),
        )
    return [kind for kind in SIGNALS if kind in chosen]


def create_endpoint(
    url: str,
    kinds: Sequence[str] = (),
    status: str = EndpointStatus.ACTIVE,
    *,
    public_id: UUID | None = None,
) -> tuple[Endpoint, str]:
    """Create an endpoint, and return the endpoint and its secret, which is told this once.

    ``kinds``: names of signals; none: every kind. ``public_id``: the endpoint's number in the API. Raises
    ``InvalidRequest`` (``url_invalid``, ``url_not_https``, ``url_not_public``, ``kind_unknown``,
    ``too_many_endpoints``).
    """
    chosen, secret, now = check_endpoint(url, kinds), new_secret(), current_time()
    with one_transaction() as alias:
        if Endpoint.objects.using(alias).count() >= MOST_ENDPOINTS:
            raise InvalidRequest(_("There are too many endpoints; delete one first."), code="too_many_endpoints")
        named = {"url": url, "kinds": chosen, "status": EndpointStatus(status), "public_id": public_id or uuid4()}
        endpoint = Endpoint.objects.using(alias).create(**named, created_at=now)
        EndpointSecret.objects.using(alias).create(endpoint=endpoint, value=secret, created_at=now)
    return endpoint, secret


def change_endpoint(
    endpoint: Endpoint, *, url: str | None = None, kinds: Sequence[str] | None = None, status: str | None = None
) -> Endpoint:
    """Change what is given of an endpoint. An endpoint made active begins anew: its failures are forgotten."""
    chosen = check_endpoint(url, kinds or ())
    changes: dict[str, object] = ({} if url is None else {"url": url}) | ({} if kinds is None else {"kinds": chosen})
    mine = Endpoint.objects.using(database()).filter(pk=endpoint.pk)
    if changes:
        mine.update(**changes)
    if status is not None:
        mine.exclude(status=status).update(status=EndpointStatus(status), failing_since=None, given_up_at=None)
    if status == EndpointStatus.ACTIVE:
        FailingReceiver.objects.using(database()).filter(receiver=endpoint.receiver).delete()
    endpoint.refresh_from_db()
    return endpoint


def delete_endpoint(endpoint: Endpoint) -> None:
    """Delete an endpoint with its secrets and messages."""
    FailingReceiver.objects.using(database()).filter(receiver=endpoint.receiver).delete()
    endpoint.delete(using=database())


def rotate_secret(endpoint: Endpoint) -> str:
    """Give an endpoint a new secret and return it, this once; all former ones go on signing for ``OVERLAP``."""
    secret, now = new_secret(), current_time()
    with one_transaction() as alias:
        mine = EndpointSecret.objects.using(alias).filter(endpoint=endpoint)
        mine.filter(ends_at__lte=now).delete()
        mine.filter(ends_at__isnull=True).update(ends_at=now + OVERLAP)
        mine.create(endpoint=endpoint, value=secret, created_at=now)
    return secret


def send_test(endpoint: Endpoint, *, public_id: UUID | None = None, actor: Actor | str = "") -> WebhookMessage:
    """Send a test to an endpoint of any status, once and at once, and return the message with its outcome.

    ``public_id``: the message's own number; a message that has it already is returned as it is. ``actor`` is given
    with every action of staff, and kept nowhere: a test changes nothing.
    """
    now = current_time()
    later = now + LEASE  # so that no worker takes the message first
    tests = WebhookMessage.objects.using(database())
    message, created = tests.get_or_create(
        public_id=public_id or uuid4(),
        defaults={"endpoint": endpoint, "kind": TEST, "created_at": now, "retry_at": later},
    )
    if not created:
        return message
    send_now(message)
    tests.filter(pk=message.pk).update(retry_at=None)
    message.refresh_from_db()
    return message


def send_again(message: WebhookMessage, *, actor: Actor | str) -> WebhookMessage:
    """Make a message due again, accepted before or not, and record who asked; the worker sends it in its next round.

    Raises ``InvalidRequest`` (``endpoint_disabled``).
    """
    if message.endpoint.status == EndpointStatus.DISABLED:
        raise InvalidRequest(_("The endpoint is disabled; make it active first."), code="endpoint_disabled")
    if message.event:
        data = {"event": message.kind, "receiver": message.endpoint.receiver}
        record_remark(message.event.order, Remark.RETRIED, actor=actor, data=data)
    mine = WebhookMessage.objects.using(database()).filter(pk=message.pk)
    mine.update(delivered_at=None, retry_at=current_time(), attempts=0, outcome="", http_status=None, last_error="")
    FailingReceiver.objects.using(database()).filter(receiver=message.endpoint.receiver).delete()
    message.refresh_from_db()
    return message
