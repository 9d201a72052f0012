"""Remembers; no network here."""

from .calls import ApiCall, ApiCallSubject
from .discrepancies import Discrepancy
from .events import OrderEvent
from .heartbeat import Heartbeat
from .inbox import Fate, Notification, Refusal
from .orders import Cip, Order, Payment
from .outbox import Delivery
from .refunds import Refund
from .settlements import Deposit, Match, Settlement, SettlementLine

__all__ = [
    "ApiCall",
    "ApiCallSubject",
    "Cip",
    "Delivery",
    "Deposit",
    "Discrepancy",
    "Fate",
    "Heartbeat",
    "Match",
    "Notification",
    "Order",
    "OrderEvent",
    "Payment",
    "Refund",
    "Refusal",
    "Settlement",
    "SettlementLine",
]
