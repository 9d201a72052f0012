"""The channel to dLocal's Payins API, by which a PagoEfectivo code or a page that leads to one is sold.

Facts come from ``protocol/aggregators.md``, section 3; a number in a comment ("3.5") is a section of that file.
"""

from .channel import DlocalChannel

__all__ = ["DlocalChannel"]
