"""The channel to PagoEfectivo's own REST API: payment codes (CIP) and notifications.

Facts come from ``protocol/pagoefectivo.md``; a number in a docstring ("protocol 3.4") is a section of that file.
"""

from .channel import PagoEfectivoChannel

__all__ = ["PagoEfectivoChannel"]
