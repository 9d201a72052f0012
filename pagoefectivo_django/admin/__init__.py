"""What staff sees; records are read-only and the buttons call flows."""

from .discrepancies import DiscrepancyAdmin
from .inbox import NotificationAdmin
from .orders import OrderAdmin
from .outbox import DeliveryAdmin
from .refunds import RefundAdmin
from .settlements import SettlementAdmin, SettlementLineAdmin

__all__ = [
    "DeliveryAdmin",
    "DiscrepancyAdmin",
    "NotificationAdmin",
    "OrderAdmin",
    "RefundAdmin",
    "SettlementAdmin",
    "SettlementLineAdmin",
]
