"""The channel to Checkout.com, which gives a link to a hosted payment page."""

from .channel import CheckoutComChannel

__all__ = ["CheckoutComChannel"]
