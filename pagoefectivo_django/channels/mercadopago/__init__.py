"""The channel to Mercado Pago Peru: PagoEfectivo on a page of Mercado Pago's."""

from .channel import MercadoPagoChannel

__all__ = ["MercadoPagoChannel"]
