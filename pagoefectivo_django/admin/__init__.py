"""What staff sees; records are read-only and the buttons call flows."""

from .discrepancies import DiscrepancyAdmin
from .inbox import NotificationAdmin
from .orders import OrderAdmin
from .outbox import DeliveryAdmin
from .refunds import RefundAdmin

__all__ = ["DeliveryAdmin", "DiscrepancyAdmin", "NotificationAdmin", "OrderAdmin", "RefundAdmin"]
