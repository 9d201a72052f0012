"""PagoEfectivo's own REST interface: codes (CIP) and the notifications about them.

Facts come from ``protocol/pagoefectivo.md``; a number in a docstring ("protocol 3.4") is a section of it.
"""

from .channel import PagoEfectivoChannel

__all__ = ["PagoEfectivoChannel"]
