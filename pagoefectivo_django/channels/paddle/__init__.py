"""The channel to Paddle, which gives a link to a checkout."""

from .channel import PaddleChannel

__all__ = ["PaddleChannel"]
