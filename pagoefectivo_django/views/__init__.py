"""The views for the provider (the webhook) and for the payer (voucher, status, payment, renewal, refund)."""

from .pay import pay
from .refund import refund
from .renew import renew
from .status import voucher_status
from .voucher import voucher, voucher_pdf
from .webhook import webhook

__all__ = ["pay", "refund", "renew", "voucher", "voucher_pdf", "voucher_status", "webhook"]
