"""Signals for a shop's receivers, and the names by which receivers are found again after a restart.

Each signal is sent with ``sender=Order, order=…, event=…``; ``discrepancy_opened`` with ``sender=Discrepancy``, its
``discrepancy=…`` too, and an ``order`` that may be None; ``refund_account_asked`` with its ``refund=…`` too. All go
through the outbox: a receiver that fails is called again, alone, until it succeeds.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, cast

from asgiref.sync import async_to_sync
from django.dispatch import Signal
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from .errors import Misconfigured


@dataclass(frozen=True)
class ByPath:
    """A function named by its dotted path; the module is imported at the first call."""

    path: str

    def __call__(self, *bound: Any, **named: Any) -> Any:
        return self.load()(*bound, **named)

    def load(self) -> Callable[..., Any]:
        """Return the function; raises ``ImportError`` if the path names no function, or the module's own error."""
        found = import_string(self.path)
        if not callable(found):
            raise ImportError(f"{self.path} is a {type(found).__name__}, which can't be called.")
        return cast("Callable[..., Any]", found)


@dataclass(frozen=True)
class Receiver:
    """A receiver of a signal: a function, the function's name in deliveries, and how the function is called."""

    name: str
    function: Callable[..., Any]
    #: True: the function runs in the transaction that marks the delivery as done, so its writes to the same database
    #: happen exactly once.
    atomic: bool
    sender: Any = None
    #: False: the process that wrote the event never calls the function; the worker does.
    in_request: bool = True

    def call(self, **named: Any) -> None:
        """Call the function with the given arguments, and run an asynchronous function to the end."""
        said = self.function(**named)
        if inspect.isawaitable(said):
            async_to_sync(_finish)(said)


async def _finish(said: Awaitable[Any]) -> None:
    await said


class OutboxSignal(Signal):
    """A signal with named receivers, each of which hears each event, even after a crash."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        #: Strong references: a delivery may come days after the receiver was connected.
        self.by_name: dict[str, Receiver] = {}

    def connect(
        self,
        receiver: Callable[..., Any] | str,
        sender: Any = None,
        weak: bool = True,
        dispatch_uid: Hashable | None = None,
        *,
        atomic: bool = True,
        in_request: bool = True,
    ) -> None:
        """Connect a receiver under the name ``dispatch_uid``, or else ``module.qualname``.

        ``receiver`` may be a dotted path, ``"shop.receivers.ship"``, which is then also the receiver's name. The path
        is imported when the receiver first runs, so the process starts without the module. A system check imports the
        path too; where no check ran, a path that leads nowhere is a receiver that fails.

        ``atomic=False`` is for effects that can't be rolled back (mail, HTTP): the receiver runs outside of the
        transaction, at least once, and recognises a repetition by ``event.id``. ``in_request=False`` is for slow
        receivers: the worker or the task queue calls the receiver, and the request that wrote the event (the provider's
        webhook, say) never waits. Raises ``Misconfigured`` for a receiver without a name by which another process could
        find it.
        """
        name = _name(receiver, dispatch_uid)
        function = ByPath(receiver) if isinstance(receiver, str) else receiver
        known = self.by_name.get(name)
        if known and known.function != function and dispatch_uid is None:
            raise Misconfigured(f"Two receivers of {self.name} are called {name}; give one a dispatch_uid.")
        super().connect(function, sender=sender, weak=False, dispatch_uid=dispatch_uid or name)
        self.by_name[name] = Receiver(name, function, atomic, sender, in_request)

    def disconnect(
        self, receiver: Callable[..., Any] | str | None = None, sender: Any = None, dispatch_uid: Hashable | None = None
    ) -> bool:
        """Disconnect a receiver, and return whether the receiver was connected.

        Open deliveries wait for a process in which the receiver is connected.
        """
        name = _name(receiver, dispatch_uid)
        self.by_name.pop(name, None)
        return super().disconnect(None, sender=sender, dispatch_uid=dispatch_uid or name)


def _name(receiver: Callable[..., Any] | str | None, dispatch_uid: Hashable | None) -> str:
    module, qualname = getattr(receiver, "__module__", None), getattr(receiver, "__qualname__", None)
    owner = getattr(receiver, "__self__", None)
    of_instance = owner is not None and not inspect.isclass(owner)
    if isinstance(receiver, str) and not re.fullmatch(r"\w+(\.\w+)+", receiver):
        raise Misconfigured(f"The receiver {receiver!r} is no dotted path; write it like 'shop.receivers.ship'.")
    if dispatch_uid is not None:
        name = str(dispatch_uid)
    elif isinstance(receiver, str):
        name = receiver
    elif not module or not qualname or "<" in qualname or of_instance:
        raise Misconfigured(
            f"The receiver {qualname or type(receiver).__name__!r} has no name that another process could find it by; "
            "define it at the top of a module, or connect it with a dispatch_uid."
        )
    else:
        name = f"{module}.{qualname}"
    if len(name) > 255:
        raise Misconfigured(f"The receiver's name {name[:50]}… has over 255 characters; give it a short dispatch_uid.")
    return name


order_created = OutboxSignal("order_created")
cip_issued = OutboxSignal("cip_issued")
payment_confirmed = OutboxSignal("payment_confirmed")
payment_expired = OutboxSignal("payment_expired")
payment_cancelled = OutboxSignal("payment_cancelled")
payment_rejected = OutboxSignal("payment_rejected")
payment_refunded = OutboxSignal("payment_refunded")
payment_settled = OutboxSignal("payment_settled")
refund_account_asked = OutboxSignal("refund_account_asked")
expiry_approaching = OutboxSignal("expiry_approaching")
discrepancy_opened = OutboxSignal("discrepancy_opened")

#: Every signal by its name, which ``OrderEvent.kind`` stores.
SIGNALS: dict[str, OutboxSignal] = {
    signal.name: signal
    for signal in (
        order_created,
        cip_issued,
        payment_confirmed,
        payment_expired,
        payment_cancelled,
        payment_rejected,
        payment_refunded,
        payment_settled,
        refund_account_asked,
        expiry_approaching,
        discrepancy_opened,
    )
}

#: Labels by the kind of an event: the names of the signals, and ``noted``, for which no signal exists.
LABELS: dict[str, Any] = {
    "order_created": _("order made"),
    "cip_issued": _("code issued"),
    "payment_confirmed": _("paid"),
    "payment_expired": _("expired"),
    "payment_cancelled": _("cancelled"),
    "payment_rejected": _("rejected"),
    "payment_refunded": _("refunded"),
    "payment_settled": _("settled"),
    "refund_account_asked": _("payer asked for an account"),
    "expiry_approaching": _("reminded"),
    "discrepancy_opened": _("discrepancy opened"),
    "noted": _("noted"),
}
