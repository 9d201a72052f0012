"""Sends due messages: several endpoints at once, so that an endpoint that hangs holds back no other endpoint.

Threads do nothing but HTTP; the calling thread alone claims messages and writes what became of them.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from concurrent.futures import Future, wait
from datetime import datetime, timedelta
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.db.models import Exists, F, OuterRef, QuerySet

from ...flows.outbox.budget import TimeBudget
from ...measures import Measure, tell
from ...models import FailingReceiver
from ...models.clock import current_time
from ...models.database import database
from .models import Endpoint, EndpointSecret, EndpointStatus, Outcome, WebhookMessage
from .payload import body_of
from .posting import Answer
from .signing import signed_headers
from .threads import LEFT_AFTER, answer_of, begin, ended, left

logger = logging.getLogger("pagoefectivo.delivery")

#: How many endpoints one worker asks at once, those counted whose thread still hangs in the look-up of a name.
AT_ONCE = 8
#: How long an endpoint may fail before it is disabled.
GIVE_UP_AFTER = timedelta(days=5)
#: Workers look once a second, so a message that is due this much earlier is tried on time.
EARLY = timedelta(seconds=0.5)
#: How many due messages of an endpoint are tried for a claim, where other workers claim too.
TRIED = 10


def send_due(budget: TimeBudget) -> int:
    """Send the messages that are due, within a time budget, and return the number of those accepted.

    Each endpoint is asked for one message at a time. After failures of several messages in a row an endpoint is left
    alone for a while, as a failing receiver is, and then tried with one message.
    """
    accepted, ready = 0, deque(_with_due_messages(budget.now))
    if not ready:
        return 0
    running: dict[Future[Answer], tuple[WebhookMessage, datetime, float]] = {}
    while True:
        while ready and len(running) + len(left()) < AT_ONCE and not budget.over:
            endpoint, moment = ready.popleft(), budget.now
            if endpoint.pk not in left() and (message := _claim(endpoint, moment)):
                if future := _begin(message, moment):
                    running[future] = message, moment, time.monotonic()
                else:
                    ready.append(endpoint)  # for the endpoint's other messages
        if not running:
            return accepted
        for future in ended({future: begun for future, (_message, _moment, begun) in running.items()}):
            message, moment, _begun = running.pop(future)
            accepted += record(message, answer_of(future, message.endpoint_id), moment)
            ready.append(message.endpoint)


def send_now(message: WebhookMessage) -> None:
    """Send one message in this process, due or not, for a person who waits; nothing if another process sends it."""
    now = current_time()
    if message.claim(now, wait=True) and (future := _begin(message, now)):
        wait([future], LEFT_AFTER)
        record(message, answer_of(future, message.endpoint_id), now)


def _with_due_messages(now: datetime) -> list[Endpoint]:
    """Return the active endpoints with messages that are due; last those that have failed longest."""
    due = WebhookMessage.objects.filter(endpoint=OuterRef("pk"), retry_at__lte=now)
    active = Endpoint.objects.using(database()).filter(Exists(due), status=EndpointStatus.ACTIVE)
    return list(active.order_by(F("failing_since").desc(nulls_first=True), "pk"))


def _claim(endpoint: Endpoint, now: datetime) -> WebhookMessage | None:
    """Claim a due message of an endpoint; None if there is none, or the endpoint is left alone for now."""
    due = WebhookMessage.objects.using(database()).filter(endpoint=endpoint, retry_at__lte=now)
    due = due.filter(endpoint__status=EndpointStatus.ACTIVE).order_by("retry_at", "pk")
    failing = FailingReceiver.objects.using(database()).filter(receiver=endpoint.receiver).first()
    if failing and failing.paused_until:
        if not due.exists() or not failing.claim(now):
            return None
        due = due.order_by("attempts", "retry_at", "pk")
    return next((message for message in _whole(due)[:TRIED] if message.claim(now)), None)


def _whole(messages: QuerySet[WebhookMessage]) -> QuerySet[WebhookMessage]:
    return messages.select_related("endpoint", "event__order__cip", "event__discrepancy", "event__refund")


def _begin(message: WebhookMessage, now: datetime) -> Future[Answer] | None:
    """Make a message's body, sign it with all secrets that are valid now, and send it in a thread.

    None if no body can be made: an error of the program, which is no fault of the endpoint's. The message is tried
    again on schedule, and given up at its last attempt like any other.
    """
    try:
        moment, body = current_time(), body_of(message)
        headers = signed_headers(message.message_id, moment, body, EndpointSecret.current(message.endpoint, moment))
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        logger.exception("Message %s of endpoint %s could not be made.", message.message_id, message.endpoint_id)
        columns = {"outcome": Outcome.BROKEN, "http_status": None, "last_error": type(error).__name__}
        _of_attempt(message).update(retry_at=_retry_at(message, now), **columns)
        return None
    return begin(message.endpoint.url, headers, body.encode())


def _of_attempt(message: WebhookMessage) -> QuerySet[WebhookMessage]:
    """Filter a message while no later attempt has begun."""
    return WebhookMessage.objects.using(database()).filter(pk=message.pk, attempts=message.attempts)


def _retry_at(message: WebhookMessage, now: datetime) -> datetime | None:
    """Return when a message without a yes is tried again; None after the last attempt."""
    return None if message.is_last_attempt else now + message.pause() - EARLY


def record(message: WebhookMessage, answer: Answer, now: datetime) -> bool:
    """Write what became of an attempt that began at ``now``, and return whether the message was accepted."""
    accepted = answer.outcome == Outcome.OK
    tell(Measure.DELIVERY, 1, message.endpoint.receiver, "ok" if accepted else "failed")
    mine = _of_attempt(message)
    columns = {"outcome": answer.outcome, "http_status": answer.status, "last_error": ""}
    if accepted:
        mine.update(delivered_at=now, retry_at=None, **columns)
        _answers_again(message.endpoint)
        return True
    logger.warning(
        "Message %s of endpoint %s: %s %s", message.message_id, message.endpoint_id, answer.outcome, answer.status or ""
    )
    mine.update(retry_at=_retry_at(message, now), **columns)
    if message.event_id:
        _failed(message.endpoint, message.event_id, now)
    return False


def _answers_again(endpoint: Endpoint) -> None:
    Endpoint.objects.using(database()).filter(pk=endpoint.pk, failing_since__isnull=False).update(failing_since=None)
    FailingReceiver.objects.using(database()).filter(receiver=endpoint.receiver).delete()


def _failed(endpoint: Endpoint, event: UUID, now: datetime) -> None:
    """Count a failure of an endpoint, and disable an endpoint that said no yes for ``GIVE_UP_AFTER``."""
    mine = Endpoint.objects.using(database()).filter(pk=endpoint.pk)
    mine.filter(failing_since__isnull=True).update(failing_since=now)
    FailingReceiver.count(endpoint.receiver, event, now)
    too_long = mine.filter(status=EndpointStatus.ACTIVE, failing_since__lte=now - GIVE_UP_AFTER)
    if too_long.update(status=EndpointStatus.DISABLED, given_up_at=now):
        logger.error("Endpoint %s was disabled: no message was accepted for five days.", endpoint.pk)
