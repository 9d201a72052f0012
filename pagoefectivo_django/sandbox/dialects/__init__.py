"""The dialects of further providers, each under a prefix of its own: ``/dlocal/``, ``/culqi/``, …"""

from .base import Dialect
from .checkout_com import CheckoutComDialect
from .culqi import Culqi
from .dlocal import Dlocal
from .dlocal_go import DlocalGo
from .ebanx import Ebanx
from .mercadopago import MercadoPago
from .paddle import PaddleDialect
from .pagadito import Pagadito

#: A class for each prefix.
DIALECTS: dict[str, type[Dialect]] = {
    each.name: each
    for each in (
        *(Dlocal, Culqi, MercadoPago, Ebanx),
        *(CheckoutComDialect, PaddleDialect, Pagadito, DlocalGo),
    )
}
