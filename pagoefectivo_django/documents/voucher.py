"""The content of a voucher, the same on the page, in the PDF and in mails."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ..money import Money
from ..states import VoucherState
from .ways import Way

#: The beginning of a picture's address, and the most characters of the address; no QR needs more.
PICTURE, LARGEST_PICTURE = "data:image/png;base64,", 200_000
#: Bytes that a QR code with correction M holds, whatever the text.
LONGEST_QR = 2000


@dataclass(frozen=True)
class Returning:
    """Money that goes back to the payer; ``sent`` says that a refund has gone out."""

    money: Money
    sent: bool = False
    #: The page on which the payer names the account; a path while ``PUBLIC_URL`` is unset; "" unless an account is
    #: needed.
    account_url: str = ""


@dataclass(frozen=True)
class Voucher:
    """The content of a voucher: amount, code, deadline, state, and the ways to pay."""

    state: VoucherState
    #: ``Order.state``, for programs.
    order_state: str
    reference: str
    money: Money
    expires_at: datetime
    language: str
    concept: str = ""
    #: The CIP, or "" until known.
    code: str = ""
    #: Whether the payer pays on the provider's page, ``provider_url``; there is no code then.
    by_link: bool = False
    #: Whether the link is requested when the payer presses for it on the voucher page.
    on_press: bool = False
    #: The provider's page about the code, and the provider's QR (a text or a ``data:image/`` address).
    provider_url: str = ""
    provider_qr: str = ""
    #: The absolute address of the voucher page; "" while ``PUBLIC_URL`` is unset.
    url: str = ""
    paid_at: datetime | None = None
    operation_number: str = ""
    #: Staff examines a further payment of an order that is paid or refunded already.
    in_review: bool = False
    #: Refunds to the payer, open or sent.
    refunds: tuple[Returning, ...] = ()
    #: Whether the payer may ask for a new code.
    renewable: bool = False
    #: The ways to pay, in the order of the page.
    ways: tuple[Way, ...] = ()

    @property
    def title(self) -> str:
        """The concept in the shop's words, or else the order's reference."""
        return self.concept or self.reference

    @property
    def refund(self) -> Returning | None:
        """The refund to show: first a refund for which the payer has to name an account; None without any."""
        return next((one for one in self.refunds if one.account_url), next(iter(self.refunds), None))

    @property
    def qr_picture(self) -> str:
        """The address of the provider's QR picture, or "" if the provider sent none or too large a picture."""
        known = self.provider_qr.startswith(PICTURE) and len(self.provider_qr) <= LARGEST_PICTURE
        return self.provider_qr if known else ""

    @property
    def qr_text(self) -> str:
        """The text for our QR: the text of the provider's QR, or else the address of the provider's page."""
        fits = len(self.provider_qr.encode(errors="replace")) <= LONGEST_QR
        own = self.provider_qr if fits and not self.provider_qr.startswith("data:") else ""
        return own or self.pay_url or self.provider_url

    @property
    def pay_url(self) -> str:
        """The address at which the payer pays now: the provider's page, or the voucher page whose button leads there.

        "" for a code, which has no such address.
        """
        where = self.url if self.on_press else self.provider_url
        return where if self.by_link and self.payable else ""

    @property
    def payable(self) -> bool:
        """Whether the code or the link may be paid now."""
        return self.state == VoucherState.WAITING

    @property
    def following(self) -> bool:
        """Whether the page should ask for news: the state may soon change."""
        return self.state in (
            VoucherState.GETTING,
            VoucherState.WAITING,
            VoucherState.OVERDUE,
            VoucherState.IN_REVIEW,
        )
