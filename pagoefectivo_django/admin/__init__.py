"""The admin pages of the app: records are read-only, and every button calls a flow."""

from .calls import ApiCallAdmin
from .discrepancies import DiscrepancyAdmin
from .inbox import NotificationAdmin
from .orders import OrderAdmin
from .outbox import DeliveryAdmin, FailingReceiverAdmin
from .refunds import RefundAdmin
from .settlements import SettlementAdmin, SettlementLineAdmin

__all__ = [
    "ApiCallAdmin",
    "DeliveryAdmin",
    "DiscrepancyAdmin",
    "FailingReceiverAdmin",
    "NotificationAdmin",
    "OrderAdmin",
    "RefundAdmin",
    "SettlementAdmin",
    "SettlementLineAdmin",
]
