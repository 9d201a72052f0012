"""The dialects of further providers, each under a prefix of its own: ``/dlocal/``, ``/culqi/``, …"""

from .base import Dialect
from .ebanx import EbanxDialect

#: A class for each prefix.
DIALECTS: dict[str, type[Dialect]] = {"ebanx": EbanxDialect}
