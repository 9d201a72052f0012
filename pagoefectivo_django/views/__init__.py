"""Doors for the provider and the payer."""

from .voucher import voucher, voucher_status
from .webhook import webhook

__all__ = ["voucher", "voucher_status", "webhook"]
