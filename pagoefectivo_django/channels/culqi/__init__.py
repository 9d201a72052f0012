"""The channel to Culqi's Orders, which are PagoEfectivo codes."""

from .channel import CulqiChannel

__all__ = ["CulqiChannel"]
