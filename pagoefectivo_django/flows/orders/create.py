"""Create an order and have a payment code issued after the commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from ... import strict_json
from ...actors import SHOP
from ...conf import conf
from ...documents.languages import LOCALES, serves
from ...errors import InvalidRequest, ReferenceConflict
from ...models import Cip, Discrepancy, Order
from ...models.clock import current_time
from ...models.database import after_commit, database, in_shop_transaction, one_transaction
from ...money import Money, shown
from ...payer import Payer
from ...states import OrderState, PendingAction
from ...texts import one_line, spelled
from ...traces import traced
from ..ledger.advance import advance
from ..ledger.decisions import Withdrawal
from ..ledger.history import History
from ..ledger.locked import lock_order, lock_orders
from ..ledger.schedule import lapse
from ..possible.refusing import NO_ROUTE
from ..possible.rules import HOLDING
from ..provider.accounts import accounts
from ..provider.environment import is_live, orders_of_tests
from ..provider.routes import expiry_range, left_out, sift
from .cancel import cancel_order
from .issue import issue_quietly

#: Most tries to insert an order; a try fails if another process created or replaced the order meanwhile.
MOST_TRIES = 10


@traced()
def create_order(
    *,
    reference: str | int | UUID | Decimal,
    amount: Any,
    currency: str,
    payer: Payer,
    concept: str = "",
    expires_at: datetime | None = None,
    language: str = "es",
    metadata: Mapping[str, Any] | None = None,
    replace: bool = False,
    now: datetime | None = None,
    on_write: Callable[[Order], None] | None = None,
) -> Order:
    """Return a new order with this reference, or the order holding the reference; a code is issued after the commit.

    ``reference``: the shop's number for the order, at most 64 characters; a whole number counts as its digits, a UUID
    as its text. ``amount``: a ``Decimal`` with at most two decimals. ``expires_at``: an aware datetime that a channel
    of the currency's route can take (PagoEfectivo: 10 minutes to 182 days ahead), cut to whole seconds; default: now
    plus ``EXPIRES_AFTER``. ``concept``: at most 200 characters. ``language``: of the voucher. ``metadata``: whatever
    JSON can hold, for the shop's own use.

    An order that is new, pending, paid or in review holds its reference. If amount and currency are the same, that
    order is returned; else ``ReferenceConflict`` is raised. With ``replace`` (the cart has changed) the old order is
    cancelled first, with the errors of ``cancel_order``; inside a transaction the old order is cancelled at once and
    the old code deleted after the commit. ``on_write``: called with the order in the transaction that writes or finds
    it. Raises ``InvalidRequest`` for arguments that can't become a payable order (``no_route``: no channel takes it).
    """
    now = now or current_time()
    money = Money(amount, currency)
    if not isinstance(payer, Payer):
        raise InvalidRequest(_("payer is a %(kind)s; pass a Payer."), code="payer_type", kind=type(payer).__name__)
    _check_route(money, payer)
    new = Order(
        reference=_text("reference", _digits(reference), 64, needed=True),
        amount=money.amount,
        currency=money.currency,
        email=payer.email,
        payer_data=payer.data(),
        concept=_text("concept", _one_line(spelled(concept)), 200),
        language=_language(_text("language", spelled(language), 10, needed=True)),
        metadata=_metadata(metadata),
        expires_at=check_expiry(now + conf.expires_after if expires_at is None else expires_at, now, money, payer),
        created_at=now,
        pending_action=PendingAction.ISSUE,
        action_requested_at=now,
        retry_at=now,
    )
    _check_route(money, payer, new.expires_at - now.replace(microsecond=0))
    return _made(new, now, replace, on_write)


def _made(new: Order, now: datetime, replace: bool, on_write: Callable[[Order], None] | None) -> Order:
    new.lapses_at = lapse(new)
    for left in reversed(range(MOST_TRIES)):
        try:
            return _existing_or(new, now, on_write)
        except IntegrityError:
            # Another process created an order with this reference at the same moment; the next try finds that order.
            if not left:
                raise
        except ReferenceConflict as conflict:
            if not (left and replace and conflict.key):
                raise
            _cancel(Order(pk=conflict.key), now)
    raise AssertionError("unreachable")


def _cancel(existing: Order, now: datetime) -> None:
    if in_shop_transaction():
        advance(Withdrawal(existing, data={"about": "replaced"}), actor=SHOP, now=now)
    else:
        cancel_order(existing, actor=SHOP, now=now)


def _existing_or(new: Order, now: datetime, on_write: Callable[[Order], None] | None) -> Order:
    with one_transaction() as alias:
        if existing := _existing(new, alias):
            if on_write:
                on_write(existing)
            if PendingAction.CANCEL not in (existing.pending_action, existing.deferred_action):
                return existing
            # A cancellation is pending, as after a failed replacement. The shop orders the same again, so the
            # cancellation is dropped.
            locked = lock_order(existing, alias=alias, now=now, actor=SHOP)
            locked.end_action("ordered_again")
            locked.write()
            existing.reload()
            return existing
        _insert(new, alias, now)
        if on_write:
            on_write(new)
        after_commit(issue_quietly, new, now)
        return new


def _check_route(money: Money, payer: Payer, ahead: timedelta | None = None) -> None:
    """Raise ``InvalidRequest`` if no channel of the route may take the order; the caller has to mend that."""
    fit, why = sift(money, payer, ahead)
    if not fit:
        raise NO_ROUTE._replace(error=InvalidRequest).about(money=str(money), left_out=left_out(why))


def check_expiry(expires_at: datetime, now: datetime, money: Money, payer: Payer) -> datetime:
    """Return an expiry date cut to whole seconds.

    Raises ``InvalidRequest`` unless the date is an aware datetime that a channel of the order's route can take.
    """
    if not isinstance(expires_at, datetime) or timezone.is_naive(expires_at):
        raise InvalidRequest(
            _("expires_at is %(value)s; pass an aware datetime."), code="expires_at_type", value=shown(expires_at)
        )
    least, most = expiry_range(sift(money, payer)[0].values()) or (timedelta(0), timedelta(days=3650))
    if not now + least <= expires_at <= now + most:
        raise InvalidRequest(
            _("expires_at is %(value)s; use a date from %(earliest)s to %(latest)s."),
            code="expires_at_out_of_range",
            value=expires_at.isoformat(),
            earliest=(now + least).isoformat(timespec="minutes"),
            latest=(now + most).isoformat(timespec="minutes"),
        )
    return expires_at.replace(microsecond=0)  # providers know whole seconds


def _existing(new: Order, alias: str) -> Order | None:
    """Return the order holding the reference, or None after making room for a new order.

    Raises ``ReferenceConflict`` if the order has another amount or currency. An order of a sandbox holds no reference
    against an order paid with real money.
    """
    pks = list(Order.objects.using(alias).filter(reference=new.reference).values_list("pk", flat=True))
    orders = lock_orders(pks, alias) if pks else []
    discrepancies = Discrepancy.objects.using(alias).filter(order__in=orders).open().about_money()
    asked = set(discrepancies.values_list("order_id", flat=True)) if orders else set()
    tests = orders_of_tests(pks, alias) if orders else set()
    live = bool(tests) and _is_live(new.currency)
    for order in sorted(orders, key=lambda order: order.newest is True, reverse=True):
        if (order.state in HOLDING or order.pk in asked) and not (live and order.pk in tests):
            if order.money != new.money:
                raise _conflict(order, new)
            return order
    Order.objects.using(alias).filter(pk__in=pks, newest=True).update(newest=None)
    return None


def _is_live(currency: str) -> bool:
    """Return whether the present settings take real money in a currency."""
    set_now = accounts().values()
    return any(channel.alias in conf.route(currency) and is_live(channel.account) for channel in set_now)


def _conflict(order: Order, new: Order) -> ReferenceConflict:
    """Return the error for an order of another amount or currency; without ``key`` if replacing is forbidden too."""
    taken = Cip.objects.using(database()).filter(order=order).values_list("account", flat=True)
    if any(map(is_live, taken)) and not _is_live(new.currency):
        return ReferenceConflict(
            _(
                "Reference '%(reference)s' has an order of production over %(money)s that is %(state)s; these settings "
                "are a sandbox's, which replaces none. Use another reference."
            ),
            code="reference_of_production",
            reference=new.reference,
            money=str(order.money),
            state=OrderState(order.state),
        )
    return ReferenceConflict(
        _(
            "Reference '%(reference)s' has an order over %(money)s that is %(state)s; it can't become one over "
            "%(wanted)s. Use another reference, or pass replace=True."
        ),
        key=order.pk,
        code="reference_taken",
        reference=new.reference,
        money=str(order.money),
        state=OrderState(order.state),
        wanted=str(new.money),
    )


def _insert(new: Order, alias: str, now: datetime) -> Order:
    history = History(alias, now, SHOP)
    new.pk = None
    new.event_count = 0
    with transaction.atomic(using=alias):  # a savepoint: a lost race must not break the shop's own transaction
        new.save(using=alias, force_insert=True)
    history.tell(new, "order_created")
    new.save(using=alias, update_fields=["event_count"])
    history.write()
    return new


def _digits(reference: Any) -> Any:
    """Return a reference as text: a whole number as digits, a UUID as text; anything else unchanged."""
    number = isinstance(reference, int | Decimal) and not isinstance(reference, bool)
    if number and isinstance(reference, Decimal):
        number = reference.is_finite() and reference == reference.to_integral_value()
    return str(int(reference)) if number and 0 <= reference < 10**64 else spelled(reference)


def _one_line(concept: Any) -> Any:
    return one_line(concept) if isinstance(concept, str) else concept


def _language(language: str) -> str:
    if not serves(language):
        raise InvalidRequest(
            _("language is %(value)s; use one of %(known)s."),
            code="language_unknown",
            value=shown(language),
            known=", ".join(LOCALES),
        )
    return language


def _text(name: str, value: Any, most: int, *, needed: bool = False) -> str:
    if not isinstance(value, str):
        raise InvalidRequest(
            _("%(field)s is a %(kind)s; pass text."), code="text_type", field=name, kind=type(value).__name__
        )
    if needed and not value:
        raise InvalidRequest(
            _("%(field)s is empty; pass 1 to %(most)d characters."), code="text_empty", field=name, most=most
        )
    if len(value) > most:
        raise InvalidRequest(
            _("%(field)s has %(count)d characters; at most %(most)d fit."),
            code="text_too_long",
            field=name,
            count=len(value),
            most=most,
        )
    if value != value.strip() or not value.isprintable() or strict_json.unstorable(value):
        raise InvalidRequest(
            _("%(field)s begins or ends with a blank, or has characters that cannot be printed."),
            code="text_unprintable",
            field=name,
        )
    return value


def _metadata(value: Mapping[str, Any] | None) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidRequest(
            _("metadata is a %(kind)s; pass a dictionary."), code="metadata_type", kind=type(value).__name__
        )
    if problem := strict_json.unstorable(dict(value), decimals=False):
        raise InvalidRequest(
            _("metadata has %(problem)s; pass what JSON can hold."), code="metadata_not_json", problem=problem
        )
    return dict(value)
