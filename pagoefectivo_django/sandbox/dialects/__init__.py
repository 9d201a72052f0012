"""The dialects of further providers, each under a prefix of its own: ``/dlocal/``, ``/culqi/``, …"""

from .base import Dialect
from .dlocal_go import DlocalGo
from .ebanx import Ebanx

#: A class for each prefix.
DIALECTS: dict[str, type[Dialect]] = {
    DlocalGo.name: DlocalGo,
    Ebanx.name: Ebanx,
}
