"""Record calls to providers, redacted, beside the orders concerned."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import transaction

from ...channels.base import Channel, CodeRef
from ...channels.exchange import Exchange, heard_by
from ...measures import Measure, tell
from ...models import ApiCall, ApiCallSubject, Cip, Order
from ...models.clock import skew
from ...models.database import database
from ...traces import current_trace, traced

logger = logging.getLogger("pagoefectivo.provider")


@contextmanager
def recorded(channel: Channel, *, order: Order | None = None, refs: Iterable[CodeRef] = ()) -> Iterator[None]:
    """Record every HTTP attempt made inside the ``with`` block, with links to the orders of ``order`` and ``refs``.

    An error while recording is logged and never raised.
    """
    exchanges: list[Exchange] = []
    with traced():
        try:
            with heard_by(exchanges.append):
                yield
        finally:
            for exchange in exchanges:
                outcome = f"{exchange.status // 100}xx" if exchange.status else "error"
                tell(Measure.CALL, exchange.milliseconds / 1000, channel.account, exchange.method, outcome)
            if exchanges:
                _write(channel, exchanges, order, list(refs))


def _write(channel: Channel, exchanges: list[Exchange], order: Order | None, refs: list[CodeRef]) -> None:
    alias = database()
    try:
        about = {order.pk} if order else set[int]()
        for name in ("code", "provider_id"):
            if names := [value for ref in refs if (value := getattr(ref, name))]:
                cips = Cip.objects.using(alias).filter(**{"account": channel.account, f"{name}__in": names})
                about |= set(cips.values_list("order", flat=True))
        wrong = skew() or timedelta(0)  # error of this machine's clock, by which the exchanges were timed
        with transaction.atomic(using=alias):
            for exchange in exchanges:
                call = ApiCall.objects.using(alias).create(
                    channel=channel.alias, account=channel.account, trace=current_trace(), **_fields(exchange, wrong)
                )
                subjects = [ApiCallSubject(call=call, order_id=pk) for pk in sorted(about)]
                ApiCallSubject.objects.using(alias).bulk_create(subjects)
    except Exception as error:  # an error here must not keep the provider's answer from the caller
        logger.warning("A call to the provider could not be written down (%s).", type(error).__name__)


def _fields(exchange: Exchange, wrong: timedelta) -> dict[str, object]:
    cut = {"path": exchange.path[:200], "error": exchange.error[:80]}
    return {**vars(exchange), **cut, "began_at": exchange.began_at - wrong}
