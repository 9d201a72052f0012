"""The views for the provider (the webhook) and for the payer (voucher, status, renewal, refund)."""

from .refund import refund
from .renew import renew
from .status import voucher_status
from .voucher import voucher, voucher_pdf
from .webhook import webhook

__all__ = ["refund", "renew", "voucher", "voucher_pdf", "voucher_status", "webhook"]
