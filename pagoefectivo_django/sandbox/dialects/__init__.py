"""The dialects of further providers, each under a prefix of its own: ``/dlocal/``, ``/culqi/``, …"""

from .base import Dialect
from .dlocal import Dlocal
from .dlocal_go import DlocalGo
from .ebanx import Ebanx
from .mercadopago import MercadoPago
from .pagadito import Pagadito

#: A class for each prefix.
DIALECTS: dict[str, type[Dialect]] = {
    Dlocal.name: Dlocal,
    DlocalGo.name: DlocalGo,
    Ebanx.name: Ebanx,
    MercadoPago.name: MercadoPago,
    Pagadito.name: Pagadito,
from .checkout_com import CheckoutComDialect
from .dlocal_go import DlocalGo
from .ebanx import Ebanx
from .paddle import PaddleDialect

#: A class for each prefix.
DIALECTS: dict[str, type[Dialect]] = {
    CheckoutComDialect.name: CheckoutComDialect,
    DlocalGo.name: DlocalGo,
    Ebanx.name: Ebanx,
    PaddleDialect.name: PaddleDialect,
}
