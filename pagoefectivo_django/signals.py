"""What a shop can listen to.

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

from .errors import Misconfigured


@dataclass(frozen=True)
class ByPath:
    """A function known by its dotted path, whose module is imported when it is first called."""

    path: str

    def __call__(self, *bound: Any, **named: Any) -> Any:
        return self.load()(*bound, **named)

    def load(self) -> Callable[..., Any]:
        """Return the function; raises ``ImportError``, or whatever its module raises, where there is none."""
        found = import_string(self.path)
        if not callable(found):
            raise ImportError(f"{self.path} is a {type(found).__name__}, which can't be called.")
        return cast("Callable[..., Any]", found)


@dataclass(frozen=True)
class Receiver:
    """A function of the shop's, and how it wants to be called."""

    name: str
    function: Callable[..., Any]
    #: True: inside the transaction that marks the delivery, so that what it writes stands exactly once.
    atomic: bool
    sender: Any = None
    #: False: never called by the process that wrote the event.
    in_request: bool = True

    def call(self, **named: Any) -> None:
        """Run it to its end, whether or not it is asynchronous."""
        said = self.function(**named)
        if inspect.isawaitable(said):
            async_to_sync(_finish)(said)


async def _finish(said: Awaitable[Any]) -> None:
    await said


class OutboxSignal(Signal):
    """A signal whose receivers are known by name, so that each hears each event even after a crash."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        #: Held strongly: a delivery may come days after the connection.
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
        """Connect a receiver by its ``dispatch_uid``, or by its ``module.qualname``.

        A dotted path, ``"shop.receivers.ship"``, stands for the function there and is the receiver's name. It is
        imported when the receiver first runs, so the process starts without it. A system check imports it too; where
        nothing checks, a path that leads nowhere is a receiver that fails.

        ``atomic=False`` is for what can't be rolled back (mail, HTTP): it runs outside of the transaction, at least
        once, and knows a repetition by ``event.id``. ``in_request=False`` is for what may take long: the worker or
        the task queue calls it, and the request that wrote the event (the provider's webhook, say) never waits for
        it. Raises ``Misconfigured`` for a receiver that has no name by which another process finds it.
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
        """Forget a receiver; what is still to be delivered to it waits for a process that knows it."""
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

#: By name, as events remember them.
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
