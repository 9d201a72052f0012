"""The dialects of further providers, each under a prefix of its own: ``/dlocal/``, ``/culqi/``, …"""

from .base import Dialect
from .checkout_com import CheckoutComDialect
from .dlocal import Dlocal
from .dlocal_go import DlocalGo
from .ebanx import Ebanx
from .mercadopago import MercadoPago
from .paddle import PaddleDialect
from .pagadito import Pagadito

#: A class for each prefix.
DIALECTS: dict[str, type[Dialect]] = {
    CheckoutComDialect.name: CheckoutComDialect,
    Dlocal.name: Dlocal,
    DlocalGo.name: DlocalGo,
    Ebanx.name: Ebanx,
    MercadoPago.name: MercadoPago,
    PaddleDialect.name: PaddleDialect,
    Pagadito.name: Pagadito,
}
