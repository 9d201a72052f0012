"""The models: the app's tables, without any network."""

from .alerts import StaffAlert
from .calls import ApiCall, ApiCallSubject
from .discrepancies import Discrepancy
from .events import OrderEvent
from .feed import FeedEntry
from .heartbeat import Heartbeat
from .inbox import Notification, NotificationStatus, Refusal, UnknownCode
from .keys import IdempotencyKey
from .orders import Cip, Order, Payment
from .outbox import Delivery, FailingReceiver
from .refunds import Refund
from .settlements import Deposit, Match, Settlement, SettlementLine

__all__ = [
    "ApiCall",
    "ApiCallSubject",
    "Cip",
    "Delivery",
    "Deposit",
    "Discrepancy",
    "FailingReceiver",
    "FeedEntry",
    "Heartbeat",
    "IdempotencyKey",
    "Match",
    "Notification",
    "NotificationStatus",
    "Order",
    "OrderEvent",
    "Payment",
    "Refund",
    "Refusal",
    "Settlement",
    "SettlementLine",
    "StaffAlert",
    "UnknownCode",
]
