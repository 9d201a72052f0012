"""The cart of one visitor, in their session; it has the number that its order will have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.contrib.sessions.backends.base import SessionBase
from django.utils.crypto import get_random_string
from django.utils.text import Truncator

from pagoefectivo_django.money import Money

from .models import Line, Product, Purchase

#: Without those that are taken for each other when read out.
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_PREFIX = "TIENDA-"


@dataclass(frozen=True)
class Chosen:
    """So many of one product."""

    product: Product
    quantity: int

    @property
    def money(self) -> Money:
        """What all of them cost."""
        return Money(self.product.price * self.quantity, "PEN")


class Cart:
    """What a visitor has chosen so far."""

    def __init__(self, session: SessionBase) -> None:
        self._session = session
        kept = session.get("cart") or {"number": get_random_string(12, _LETTERS), "quantities": {}}
        self._number: str = kept["number"]
        #: By the product's key, as text: a session is JSON.
        self._quantities: dict[str, int] = kept["quantities"]

    @property
    def reference(self) -> str:
        """The shop's number of its order; nobody can guess it."""
        return _PREFIX + self._number

    @property
    def count(self) -> int:
        """How many things are in it."""
        return sum(self._quantities.values())

    @property
    def lines(self) -> list[Chosen]:
        """What is in it, at today's prices; what is sold no more is left out."""
        found = Product.objects.in_bulk([int(key) for key in self._quantities])
        return [Chosen(found[int(key)], many) for key, many in self._quantities.items() if int(key) in found]

    @property
    def money(self) -> Money | None:
        """What it costs; None while there is nothing in it."""
        total = sum((line.money.amount for line in self.lines), Decimal())
        return Money(total, "PEN") if total else None

    @property
    def concept(self) -> str:
        """What is in it, in few words."""
        words = (f"{line.quantity} × {line.product}" if line.quantity > 1 else str(line.product) for line in self.lines)
        return Truncator(", ".join(words)).chars(100)

    def quantity_of(self, product: Product) -> int:
        """Return how many of a product are in it."""
        return self._quantities.get(str(product.pk), 0)

    def put(self, product: Product, quantity: int) -> None:
        """Have so many of a product in it; 0 takes it out."""
        self._quantities[str(product.pk)] = quantity
        if not quantity:
            del self._quantities[str(product.pk)]
        self._keep()

    def take_up(self, purchase: Purchase) -> None:
        """Have what was ordered in it again, under the same number: to change it."""
        self._number = purchase.order.reference.removeprefix(_PREFIX)
        self._quantities = {
            str(line.product.pk): line.quantity
            for line in Line.objects.filter(purchase=purchase).select_related("product")
        }
        self._keep()

    def order_placed(self, token: str) -> None:
        """Begin an empty one, and remember the order that this one became."""
        self._session["cart"] = None
        self._session["order"] = token

    def write_lines(self, purchase: Purchase) -> None:
        """Make it what a purchase has."""
        Line.objects.filter(purchase=purchase).delete()
        Line.objects.bulk_create(
            Line(purchase=purchase, product=line.product, quantity=line.quantity, price=line.product.price)
            for line in self.lines
        )

    def _keep(self) -> None:
        kept: Mapping[str, object] = {"number": self._number, "quantities": self._quantities}
        self._session["cart"] = kept


def cart_and_order(request: object) -> dict[str, object]:
    """Tell every page what its header shows: how much is in the cart, and which order was the last."""
    session = getattr(request, "session", None)
    return {"cart_count": Cart(session).count, "last_order": session.get("order")} if session is not None else {}
