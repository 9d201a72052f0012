"""Shopify: orders come by its webhook ``orders/create``, "paid" goes out by its Admin API (GraphQL)."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import requests

from .bridge import TIMEOUT, AskPerson, Headers, Service, Unproven, exact, same_money

LOOK = """
query ($id: ID!) {
  order(id: $id) { displayFinancialStatus totalOutstandingSet { shopMoney { amount currencyCode } } }
}
"""
MARK = """
mutation ($input: OrderMarkAsPaidInput!) {
  orderMarkAsPaid(input: $input) { userErrors { field message } }
}
"""
#: Before the number of an order at Shopify: our reference, and the key under which the order is asked for.
PREFIX = "shopify-"


class Shopify:
    """A shop at Shopify, ``https://<shop>.myshopify.com``; ``method`` is the name of its manual payment method."""

    def __init__(self, url: str, access_token: str, secrets: Sequence[str], method: str, service: Service) -> None:
        self.graphql = f"{url.rstrip('/')}/admin/api/2026-10/graphql.json"
        self.access_token, self.secrets, self.method, self.service = access_token, secrets, method, service

    def receive(self, body: bytes, headers: Headers) -> None:
        """Order the payment of an order that was placed with our method."""
        self.verify(body, headers.get("x-shopify-hmac-sha256", ""))
        order = exact(body)
        if self.method not in order["payment_gateway_names"] or order.get("cancelled_at"):
            return
        key = f"{PREFIX}{order['id']}"
        address = order.get("billing_address") or {}
        payer = {
            "email": order["email"],
            "name": address.get("first_name") or "",
            "last_name": address.get("last_name") or "",
            "phone": address.get("phone") or "",
        }
        wanted = {
            "reference": key,
            "amount": order["total_outstanding"],
            "currency": order["currency"],
            "payer": payer,
            "concept": f"Pedido {order['name']}",
        }
        self.service.create_order(key, wanted)

    def verify(self, body: bytes, signature: str) -> None:
        """Raise ``Unproven`` unless the bytes carry the signature of one of the app's client secrets."""
        for secret in self.secrets:
            digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
            if hmac.compare_digest(base64.b64encode(digest), signature.encode()):
                return
        raise Unproven

    def mark_paid(self, order: dict[str, Any]) -> None:
        """Mark the order as paid at Shopify, unless it is so already.

        Shopify would take its whole balance as paid, so an order that was edited since is a person's.
        """
        if not order["reference"].startswith(PREFIX):
            return  # an order of somebody else's
        identity = order["reference"].replace(PREFIX, "gid://shopify/Order/")
        there = self.ask(LOOK, {"id": identity})["order"]
        if there is None:
            raise AskPerson(f"{identity} is paid by {order['reference']}, and is not at Shopify any more.")
        if there["displayFinancialStatus"] == "PAID":
            return
        due = there["totalOutstandingSet"]["shopMoney"]
        if due["currencyCode"] != order["currency"] or not same_money(due["amount"], order["amount"]):
            raise AskPerson(f"{identity} has {due} open; {order['reference']} brought {order['amount']}.")
        if errors := self.ask(MARK, {"input": {"id": identity}})["orderMarkAsPaid"]["userErrors"]:
            raise AskPerson(f"Shopify does not mark {identity} as paid: {errors}")

    def ask(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Return what Shopify answers; raises for errors, among them that it was asked too often."""
        answer = requests.post(
            self.graphql,
            json={"query": query, "variables": variables},
            headers={"X-Shopify-Access-Token": self.access_token},
            timeout=TIMEOUT,
        )
        answer.raise_for_status()
        said = exact(answer.content)
        if said.get("errors"):
            raise RuntimeError(f"Shopify says: {said['errors']}")
        data: dict[str, Any] = said["data"]
        return data
