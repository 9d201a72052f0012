"""Doors for the provider and the payer."""

from .refund import refund
from .voucher import voucher, voucher_status
from .webhook import webhook

__all__ = ["refund", "voucher", "voucher_status", "webhook"]
