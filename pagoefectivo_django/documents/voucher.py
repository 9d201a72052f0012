"""Voucher: all that a payer is shown of an order, whether on a page, on paper or in a mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..money import Money
from ..states import VoucherState
from .ways import Way

#: How a picture begins; and its letters, more of which nobody needs for a QR.
PICTURE, LARGEST_PICTURE = "data:image/png;base64,", 200_000
#: Bytes that a QR of correction M holds, whatever they are.
LONGEST_QR = 2000


@dataclass(frozen=True)
class Returning:
    """Money that goes back to the payer: *refunded* is said only of what was sent."""

    money: Money
    sent: bool = False
    #: Where the payer names the account, whole once ``PUBLIC_URL`` is set; empty unless that is wanted.
    account_url: str = ""


@dataclass(frozen=True)
class Voucher:
    """What is to be paid, with which code, until when, and where it stands."""

    state: VoucherState
    #: The order's own, for programs.
    order_state: str
    reference: str
    money: Money
    expires_at: datetime
    language: str
    concept: str = ""
    #: The digits to pay with, empty until they are known.
    code: str = ""
    #: The provider's own page of the code, and its own QR (what it says, or a ``data:image/`` address).
    provider_url: str = ""
    provider_qr: str = ""
    #: The page's own address, whole; empty while ``PUBLIC_URL`` is.
    url: str = ""
    paid_at: datetime | None = None
    operation_number: str = ""
    #: A person looks at another payment of an order that is paid or refunded already.
    in_review: bool = False
    #: What goes back to the payer, or went while the order stays as it is.
    refunds: tuple[Returning, ...] = ()
    #: The payer may ask for a new code.
    renewable: bool = False
    #: How it can be paid, in the order of the page.
    ways: tuple[Way, ...] = ()

    @property
    def title(self) -> str:
        """What the payer pays for, in the shop's words."""
        return self.concept or self.reference

    @property
    def refund(self) -> Returning | None:
        """What goes back to the payer; first what they have to name an account for."""
        return next((one for one in self.refunds if one.account_url), next(iter(self.refunds), None))

    @property
    def qr_picture(self) -> str:
        """The provider's own picture of its QR, as an address; empty if it sent none that can be shown."""
        known = self.provider_qr.startswith(PICTURE) and len(self.provider_qr) <= LARGEST_PICTURE
        return self.provider_qr if known else ""

    @property
    def qr_text(self) -> str:
        """What our QR says: what the provider's own does, else the address of the provider's page."""
        fits = len(self.provider_qr.encode(errors="replace")) <= LONGEST_QR
        own = self.provider_qr if fits and not self.provider_qr.startswith("data:") else ""
        return own or self.provider_url

    @property
    def payable(self) -> bool:
        """Whether its code may be paid now."""
        return self.state == VoucherState.WAITING

    @property
    def following(self) -> bool:
        """Whether there may soon be news."""
        return self.state in (
            VoucherState.GETTING,
            VoucherState.WAITING,
            VoucherState.OVERDUE,
            VoucherState.IN_REVIEW,
        )
