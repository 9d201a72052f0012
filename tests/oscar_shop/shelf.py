"""What the shop sells, and who works there."""

from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from oscar.core.loading import get_model

PRICE, IN_STOCK = Decimal("34.90"), 10


def stock() -> Any:
    """Put coffee on the shelf, and return its stock record."""
    get_model("address", "Country").objects.create(
        iso_3166_1_a2="PE", iso_3166_1_a3="PER", printable_name="Perú", name="Perú", is_shipping_country=True
    )
    kind = get_model("catalogue", "ProductClass").objects.create(name="Food", track_stock=True)
    coffee = get_model("catalogue", "Product").objects.create(title="Coffee", product_class=kind)
    partner = get_model("partner", "Partner").objects.create(name="Quipu")
    record: Any = get_model("partner", "StockRecord").objects.create(
        product=coffee, partner=partner, partner_sku="coffee", price=PRICE, price_currency="PEN", num_in_stock=IN_STOCK
    )
    return record


def employ(**changes: Any) -> Any:
    """Return a member of the staff who may do everything."""
    name = {"username": "rosa", "email": "rosa@shop.example", "password": "made-up-password"}
    return get_user_model().objects.create_superuser(**name, **changes)
