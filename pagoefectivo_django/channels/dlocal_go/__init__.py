"""The channel to dLocal Go: payments on a page of dLocal Go's, where the payer picks the method."""

from .channel import DlocalGoChannel

__all__ = ["DlocalGoChannel"]
