"""The channel to EBANX's direct API, with PagoEfectivo in Peru as the way to pay.

Facts come from EBANX's public documents and plugins; the class names what is assumed where those are silent.
"""

from .channel import EbanxChannel

__all__ = ["EbanxChannel"]
