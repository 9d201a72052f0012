"""Helpers for the tests of a shop; the fixtures of pytest are in ``pagoefectivo_django.testing.pytest``.

``make_order``, ``pay``, ``expire``, ``notify`` and ``settle`` need ``MemoryChannel`` as the BACKEND of a channel.
Everything goes through the real webhook and the real flows, inside of Django's ``TestCase`` too. ``Sandbox`` starts a
whole provider as a process beside a live server.
"""

from .clock import at
from .factories import make_discrepancy, make_order, make_payer, make_refund
from .orders import deliver, expire, notify, pay, settle
from .receivers import check_receivers
from .sandbox import Sandbox, sandbox

__all__ = [
    "Sandbox",
    "at",
    "check_receivers",
    "deliver",
    "expire",
    "make_discrepancy",
    "make_order",
    "make_payer",
    "make_refund",
    "notify",
    "pay",
    "sandbox",
    "settle",
]
