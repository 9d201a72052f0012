"""Remembers; no network here."""

from .discrepancies import Discrepancy
from .events import OrderEvent
from .heartbeat import Heartbeat
from .inbox import Fate, Notification
from .orders import Cip, Order, Payment
from .outbox import Delivery
from .refunds import Refund

__all__ = [
    "Cip",
    "Delivery",
    "Discrepancy",
    "Fate",
    "Heartbeat",
    "Notification",
    "Order",
    "OrderEvent",
    "Payment",
    "Refund",
]
