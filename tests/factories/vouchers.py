"""A voucher as each message finds it."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pagoefectivo_django.documents.voucher import Returning, Voucher
from pagoefectivo_django.documents.ways import ways_of
from pagoefectivo_django.money import Money
from pagoefectivo_django.states import VoucherState

URL = "https://shop.example/pay/0f0e0d0c-1111-4222-8333-444455556666/"
ACCOUNT_URL = "https://shop.example/pay/refund/MTI:1wPwHZ:Zu3P0v6dV0b2cXb4m5l8kq1b7Tn9QeYw3sRkUo2aJxg/"
WAITING = Voucher(
    state=VoucherState.WAITING,
    order_state="pending",
    reference="SHOP-1001",
    money=Money(Decimal("1234.50"), "PEN"),
    expires_at=datetime(2026, 8, 22, 4, 59, tzinfo=UTC),
    language="en",
    concept="Two T-shirts",
    code="245919830",
    url=URL,
    ways=ways_of("PEN"),
)
#: The same of an order that is paid on a page of the provider's.
PAYMENT_PAGE = "https://provider.example/pages/pg_1"
BY_LINK: dict[str, Any] = {"code": "", "by_link": True, "provider_url": PAYMENT_PAGE, "ways": ()}
_PAID = {"paid_at": datetime(2026, 8, 21, 14, 3, tzinfo=UTC), "operation_number": "7001"}
CHANGES: dict[str, dict[str, Any]] = {
    "created": {},
    "reminder": {},
    "paid": {"state": VoucherState.PAID, **_PAID},
    "expired": {"state": VoucherState.EXPIRED},
    "in_review": {"state": VoucherState.IN_REVIEW, "in_review": True},
    "refund_account": {
        "state": VoucherState.PAID,
        "refunds": (Returning(Money(Decimal("1234.50"), "PEN"), account_url=ACCOUNT_URL),),
        **_PAID,
    },
    "refunded": {"state": VoucherState.REFUNDED, **_PAID},
}


def link_of(name: str) -> str:
    """Where a message leads."""
    return ACCOUNT_URL if name == "refund_account" else URL


def voucher_for(name: str, **changes: Any) -> Voucher:
    """What a payer is shown when this message is true."""
    return replace(WAITING, **CHANGES[name] | changes)
