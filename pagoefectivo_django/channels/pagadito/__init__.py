"""The channel to Pagadito: payments in USD on a page of Pagadito's that lasts ten minutes."""

from .channel import PagaditoChannel

__all__ = ["PagaditoChannel"]
