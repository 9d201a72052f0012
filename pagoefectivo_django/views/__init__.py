"""Doors for the provider and the payer."""

from .refund import refund
from .renew import renew
from .status import voucher_status
from .voucher import voucher, voucher_pdf
from .webhook import webhook

__all__ = ["refund", "renew", "voucher", "voucher_pdf", "voucher_status", "webhook"]
