"""Magento (Adobe Commerce): orders are fetched by its REST API, "paid" goes out as an invoice that captures."""

from collections.abc import Iterator
from typing import Any

import requests

from .bridge import TIMEOUT, AskPerson, Service, exact, logger, same_money

PAGE = 100
#: Before the number of an order at Magento: our reference, and the key under which the order is asked for.
PREFIX = "magento-"


class Magento:
    """A shop with Magento: ``url`` is its address, ``method`` the code of the offline method that stands for us."""

    def __init__(self, url: str, access_token: str, method: str, service: Service, store: str = "default") -> None:
        self.rest = f"{url.rstrip('/')}/rest/{store}/V1"
        self.access_token, self.method, self.service = access_token, method, service

    def fetch(self) -> int:
        """Order the payments of all new orders that were placed with our method, and return their number.

        Called every minute. The key is the order's for ever, so an order that was fetched before gets no second code.
        An order that can be none of ours is logged for a person, and holds back no other.
        """
        count = 0
        for order in self.new_orders():
            if order["payment"]["method"] != self.method:
                continue
            key = f"{PREFIX}{order['entity_id']}"
            address = order.get("billing_address") or {}
            payer = {
                "email": order["customer_email"],
                "name": address.get("firstname") or "",
                "last_name": address.get("lastname") or "",
                "phone": address.get("telephone") or "",
            }
            wanted = {
                "reference": key,
                "amount": f"{order['total_due']:.2f}",
                "currency": order["order_currency_code"],
                "payer": payer,
                "concept": f"Pedido {order['increment_id']}",
            }
            try:
                self.service.create_order(key, wanted)
                count += 1
            except AskPerson as error:
                logger.error("A person has to look: %s", error)
        return count

    def new_orders(self) -> Iterator[dict[str, Any]]:
        """Yield the orders in the state *new*, which nobody has paid yet, oldest first."""
        condition = "searchCriteria[filterGroups][0][filters][0]"
        asked: dict[str, Any] = {
            f"{condition}[field]": "state",
            f"{condition}[value]": "new",
            "searchCriteria[sortOrders][0][field]": "entity_id",
            "searchCriteria[sortOrders][0][direction]": "ASC",
            "searchCriteria[pageSize]": PAGE,
        }
        page, total = 0, 1
        while page * PAGE < total:
            page += 1
            found = self.ask("GET", "orders", params=asked | {"searchCriteria[currentPage]": page})
            total = found["total_count"]
            yield from found["items"]

    def mark_paid(self, order: dict[str, Any]) -> None:
        """Write an invoice of the order that captures what is due, unless nothing is due any more."""
        if not order["reference"].startswith(PREFIX):
            return  # an order of somebody else's
        key = order["reference"].removeprefix(PREFIX)
        there = self.ask("GET", f"orders/{key}")
        if not there["total_due"]:
            return
        if there["order_currency_code"] != order["currency"] or not same_money(there["total_due"], order["amount"]):
            raise AskPerson(f"{order['reference']} has {there['total_due']} due, and brought {order['amount']}.")
        if there["state"] in ("canceled", "closed"):
            raise AskPerson(f"{order['reference']} is paid, and {there['state']} at Magento.")
        self.ask("POST", f"order/{key}/invoice", json={"capture": True, "notify": True})

    def ask(self, method: str, path: str, **named: Any) -> Any:
        """Return what Magento answers, its numbers as they are written; raises for any other status than 200."""
        headers = {"Authorization": f"Bearer {self.access_token}"}
        answer = requests.request(method, f"{self.rest}/{path}", headers=headers, timeout=TIMEOUT, **named)
        answer.raise_for_status()
        return exact(answer.content)
