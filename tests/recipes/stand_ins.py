"""Stand-ins for Shopify and Magento: what their manuals say of the few addresses that the recipes ask."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import requests

from tests.recipes.servers import Answer, Asked

SECRET, TOKEN, METHOD = "made-up-client-secret", "made-up-access-token", "PagoEfectivo"
#: What the person at the other end sees.
FULLY_PAID = "Order is already paid"


@dataclass
class ShopifyStandIn:
    """Orders by their id, as Shopify has them: ``orderMarkAsPaid`` takes the whole balance as paid."""

    due: dict[str, Decimal] = field(default_factory=dict)
    paid: dict[str, Decimal] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    #: Answers to the next calls, in place of the true ones.
    fails: list[Answer] = field(default_factory=list)

    def answer(self, asked: Asked) -> Answer:
        method, path, _, headers, body = asked
        assert (method, path) == ("POST", "/admin/api/2026-10/graphql.json")
        if headers.get("x-shopify-access-token") != TOKEN:
            return 401, {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
        said = json.loads(body)
        query, variables = said["query"], said["variables"]
        if self.fails:
            return self.fails.pop(0)
        if "orderMarkAsPaid(input: $input)" in query:
            return 200, {"data": {"orderMarkAsPaid": {"userErrors": self.mark(variables["input"]["id"])}}}
        assert "order(id: $id)" in query
        self.calls.append("look")
        return 200, {"data": {"order": self.look(variables["id"])}}

    def mark(self, identity: str) -> list[dict[str, Any]]:
        self.calls.append("mark")
        if not self.due.get(identity):
            return [{"field": ["id"], "message": FULLY_PAID}]
        self.paid[identity] = self.due[identity]
        self.due[identity] = Decimal(0)
        return []

    def look(self, identity: str) -> dict[str, Any] | None:
        if identity not in self.due:
            return None
        money = {"amount": str(self.due[identity]), "currencyCode": "PEN"}
        status = "PENDING" if self.due[identity] else "PAID"
        return {"displayFinancialStatus": status, "totalOutstandingSet": {"shopMoney": money}}

    def place(self, bridge: str, number: int = 1001, *, secret: str = SECRET, **changes: Any) -> int:
        """Place an order, send its webhook once, and return the status of the answer."""
        identity = f"gid://shopify/Order/{number}"
        order: dict[str, Any] = {
            "id": number,
            "admin_graphql_api_id": identity,
            "name": f"#{number}",
            "email": "ana@example.com",
            "currency": "PEN",
            "total_outstanding": "35.50",
            "payment_gateway_names": [METHOD],
            "financial_status": "pending",
            "cancelled_at": None,
            "billing_address": {"first_name": "Ana", "last_name": "Quispe", "phone": "+51 999 888 777"},
        } | changes
        self.due.setdefault(identity, Decimal(order["total_outstanding"]))
        body = json.dumps(order).encode()
        signature = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
        headers = {"X-Shopify-Topic": "orders/create", "X-Shopify-Hmac-SHA256": signature}
        return requests.post(f"{bridge}/orders", body, headers=headers, timeout=20).status_code


@dataclass
class MagentoStandIn:
    """Orders by their key, as Magento has them: an invoice that captures pays what is due."""

    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    invoices: list[int] = field(default_factory=list)
    fails: list[Answer] = field(default_factory=list)

    def place(self, key: int = 3, total: str = "35.50", **changes: Any) -> None:
        self.orders[key] = {
            "entity_id": key,
            "increment_id": f"{key:09}",
            "state": "new",
            "order_currency_code": "PEN",
            "grand_total": Decimal(total),
            "total_due": Decimal(total),
            "customer_email": "ana@example.com",
            "payment": {"method": "banktransfer"},
            "billing_address": {"firstname": "Ana", "lastname": "Quispe", "telephone": "999888777"},
        } | changes

    def answer(self, asked: Asked) -> Answer:
        method, path, query, headers, body = asked
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return 401, {"message": "The consumer isn't authorized to access %resources."}
        if self.fails:
            return self.fails.pop(0)
        base, _, rest = path.partition("/V1/")
        assert base == "/rest/default"
        if method == "GET" and rest == "orders":
            return 200, self.found(query)
        kind, number, *what = rest.split("/")
        order = self.orders[int(number)]
        if (method, kind, what) == ("GET", "orders", []):
            return 200, order
        assert (method, kind, what) == ("POST", "order", ["invoice"])
        assert json.loads(body) == {"capture": True, "notify": True}
        if not order["total_due"]:
            return 400, {"message": "Invoice Document Validation Error(s):\nThe order does not allow an invoice."}
        order |= {"total_due": Decimal(0), "state": "processing"}
        self.invoices.append(order["entity_id"])
        return 200, len(self.invoices)

    def found(self, query: dict[str, list[str]]) -> dict[str, Any]:
        condition = "searchCriteria[filterGroups][0][filters][0]"
        name, value = query[f"{condition}[field]"][0], query[f"{condition}[value]"][0]
        size, page = int(query["searchCriteria[pageSize]"][0]), int(query["searchCriteria[currentPage]"][0])
        rows = [order for _, order in sorted(self.orders.items()) if order[name] == value]
        return {"items": rows[(page - 1) * size : page * size], "total_count": len(rows)}
