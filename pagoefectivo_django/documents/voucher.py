"""Voucher: all that a payer is shown of an order, whether on a page, on paper or in a mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..money import Money
from ..states import VoucherState
from .ways import Way


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
    in_question: bool = False
    #: The payer may ask for a new code.
    renewable: bool = False
    #: How it can be paid, in the order of the page.
    ways: tuple[Way, ...] = ()

    @property
    def title(self) -> str:
        """What the payer pays for, in the shop's words."""
        return self.concept or self.reference

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
