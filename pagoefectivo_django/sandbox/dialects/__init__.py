"""The dialects of further providers, each under a prefix of its own: ``/dlocal/``, ``/culqi/``, …"""

from .base import Dialect
from .mercadopago import MercadoPago

#: A class for each prefix.
DIALECTS: dict[str, type[Dialect]] = {
    "mercadopago": MercadoPago,
}
