"""The story: sales that go well, and what else the world sends. Everything over HTTP, as its people would do it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import requests

from .stage import ADMIN, Stage
from .visitor import Page, Visitor
from .waiting import PATIENCE, Failed, wait_for

PERU = timezone(timedelta(hours=-5))
PAYER = {
    "name": "Ana",
    "last_name": "Quispe",
    "email": "ana@example.com",
    "phone": "999 888 777",
    "document_type": "DNI",
    "document_number": "01234567",
    "receipt": "boleta",
}


def expect(truth: object, otherwise: str) -> None:
    """Raise ``Failed`` unless something is so."""
    if not truth:
        raise Failed(otherwise)


def clock(moment: str) -> str:
    """Return the time of day in Peru."""
    return datetime.fromisoformat(moment).astimezone(PERU).strftime("%H:%M:%S")


@dataclass
class Sale:
    """One order, as its payer knows it: by the addresses of its pages."""

    reference: str
    page: str
    status: str
    voucher: str


class Story:
    """What happens, in its order; each step returns what was seen, or raises ``Failed``."""

    #: The sale that goes well, and the one that others meddle with.
    first: Sale
    second: Sale

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.payer = Visitor()

    def steps(self) -> tuple[tuple[str, Callable[[], str]], ...]:
        """Return the titles and what they stand for."""
        return (
            ("order", self.order),
            ("CIP and voucher address", self.code),
            ("mail to the payer", self.mail),
            ("payment at the counter", self.payment),
            ("webhook", self.notification),
            ("receiver ran", self.shipping),
            ("order paid", self.paid),
            ("forged webhook refused", self.forgery),
            ("repeated webhook harmless", self.repetition),
            ("wrong amount: a person is asked", self.wrong_amount),
            ("lost answer, paid all the same", self.lost_answer),
            ("the same, with the older webhook", self.lost_answer_and_older_webhook),
            ("the first provider is down", self.second_provider),
        )

    # A sale.

    def order(self) -> str:
        self.first = self._buy("Café")
        return f"{self.first.reference}, filled in and sent in the shop"

    def code(self) -> str:
        code = wait_for("the code", lambda: self._status(self.first)["code"])
        page = self.payer.read(self.first.voucher)
        expect(code in "".join(page.text.split()), f"the voucher page does not show {code}")
        return f"CIP {code} on {self.first.voucher}"

    def mail(self) -> str:
        code = self._status(self.first)["code"]
        box = f"{self.stage.shop}/correos/"
        mails = wait_for("the mail", lambda: self._mails(box))
        mail = self.payer.read(mails[0])
        expect(code in "".join(mail.text.split()), f"the mail does not show {code}")
        expect(PAYER["email"] in mail.text, f"it is not for {PAYER['email']}")
        return f"CIP {code} written to {PAYER['email']}; see {box}"

    def payment(self) -> str:
        return self._pay(self._status(self.first)["code"])

    def notification(self) -> str:
        notice = self._notice(self._status(self.first)["code"])
        expect(notice["answers"] == [200], f"the shop answered {notice['answers']}")
        return f"{notice['eventType']}, the shop answered 200"

    def shipping(self) -> str:
        shipped = wait_for("the receiver", lambda: self._page(self.first)["shipped"])
        return f"“ship” marked the purchase as sent at {clock(shipped)}"

    def paid(self) -> str:
        status = self._status(self.first)
        expect(status["state"] == "paid", f"the order is {status['state']}")
        return f"{status['currency']} {status['amount']} at {clock(status['paid_at'])}"

    # What else the world sends.

    def forgery(self) -> str:
        self.second = self._buy("Chocolate")
        status = wait_for("the code", lambda: self._status(self.second)["code"] and self._status(self.second))
        data = {"cip": status["code"], "currency": "PEN", "amount": float(status["amount"])}
        body = json.dumps({"eventType": "cip.paid", "operationNumber": "1", "data": data})
        answers = [self._forge(body, {}), self._forge(body, {"PE-Signature": secrets.token_hex(32)})]
        expect(answers == [403, 403], f"it answered {answers}")
        state = self._status(self.second)["state"]
        expect(state == "pending", f"the order is {state}")
        return "403 without a signature, 403 with a wrong one; the order is still pending"

    def repetition(self) -> str:
        before = (self._status(self.first), self._page(self.first))
        notice = self._notice(before[0]["code"])
        answers = self._tell("notify", raw=notice["body"])["answers"]
        expect(answers == [200], f"it answered {answers}")
        after = (self._status(self.first), self._page(self.first))
        expect(before == after, f"{before} became {after}")
        expect(after[1]["shipments"] == "1", f"it was shipped {after[1]['shipments']} times")
        return "200; paid once, shipped once"

    def wrong_amount(self) -> str:
        code = self._status(self.second)["code"]
        self._tell("faults", fault="webhook_wrong_amount", cip=code)
        self._pay(code)
        body = json.loads(self._notice(code)["body"])
        status = self._status(self.second)
        expect(status["state"] == "pending", f"the order is {status['state']}")
        desk = Visitor("en")
        discrepancies = f"{self.stage.shop}/admin/pagoefectivo/discrepancy/"
        login = desk.read(discrepancies)
        page = desk.send(login, username=ADMIN, password=self.stage.password)
        expect(self.second.reference in page.text, f"nothing about {self.second.reference} on {discrepancies}")
        asked, told = status["amount"], body["data"]["amount"]
        return f"{asked} asked, {told:.2f} told: not paid, and a discrepancy in the admin"

    def lost_answer(self) -> str:
        sale, code = self._lose()
        self._pay(code)
        self._wait_until_paid(sale)
        return f"no answer, no code; CIP {code} came by mail, was paid, and found its order"

    def lost_answer_and_older_webhook(self) -> str:
        sale, code = self._lose()
        self._tell("pay", cip=code, payload="old")
        self._wait_until_paid(sale)
        return f"CIP {code} came without our number; PagoEfectivo was asked whose it is"

    def second_provider(self) -> str:
        # PagoEfectivo takes no token and gives no other, so it certainly makes no code.
        self._tell("faults", fault="401", call="create")
        self._tell("faults", fault="503", call="authorizations", times=2)
        known = {cip["cip"] for cip in self._cips()}
        sale = self._buy("Chompa")
        code = wait_for("the code", lambda: self._status(sale)["code"])
        expect(known == {cip["cip"] for cip in self._cips()}, "PagoEfectivo made a code too")
        self._tell("dlocal/pay", code=code)
        self._wait_until_paid(sale)
        shipments = self._page(sale)["shipments"]
        expect(shipments == "1", f"it was shipped {shipments} times")
        return f"CIP {code} came from dLocal at once, was paid once and shipped once"

    # Their parts.

    def _buy(self, product: str) -> Sale:
        shelf = self.payer.read(f"{self.stage.shop}/")
        cart = self.payer.send(self.payer.read(shelf.link(product)), quantity="1")
        voucher = self.payer.send(self.payer.read(cart.link("Ir a pagar")), **PAYER)
        page = self.payer.read(voucher.link("Ver mi pedido"))
        expect("reference" in page.data, f"this is not the page of an order: {page.text[:300]}")
        status = self.stage.shop + page.data["status-url"]
        return Sale(page.data["reference"], page.address, status, voucher.address)

    def _mails(self, box: str) -> list[str]:
        addresses = self.payer.read(box).links.values()
        return [address for address in addresses if address.startswith(box) and address != box and "#" not in address]

    def _lose(self) -> tuple[Sale, str]:
        """Buy while PagoEfectivo's answer gets lost; return the code that it mailed to the payer."""
        known = {cip["cip"] for cip in self._cips()}
        self._tell("faults", fault="drop", call="create")
        sale = self._buy("Chompa")
        status = self._status(sale)
        expect((status["state"], status["code"]) == ("new", ""), f"the order is {status}")
        (cip,) = (cip["cip"] for cip in self._cips() if cip["cip"] not in known)
        return sale, str(cip)

    def _pay(self, code: str) -> str:
        counter = self.payer.read(f"{self.stage.sandbox}/counter")
        page = self.payer.send(self.payer.send(counter, cip=code), confirm="1")
        return self._receipt(page)

    def _receipt(self, page: Page) -> str:
        begin, end = page.text.find("Pago registrado"), page.text.find("Atender")
        expect(begin >= 0, f"the counter says: {page.text[:300]}")
        return page.text[begin:end].strip()

    def _notice(self, code: str) -> dict[str, Any]:
        """Wait until the code's first webhook was answered, and return it."""

        def look() -> dict[str, Any] | None:
            (cip,) = (cip for cip in self._cips() if str(cip["cip"]) == code)
            return next((notice for notice in cip["webhooks"] if notice["answers"]), None)

        return wait_for("the webhook", look)

    def _wait_until_paid(self, sale: Sale) -> None:
        wait_for("the order to be paid", lambda: self._status(sale)["state"] == "paid")
        wait_for("the receiver", lambda: self._page(sale)["shipped"])

    def _forge(self, body: str, headers: dict[str, str]) -> int:
        headers = headers | {"Content-Type": "application/json"}
        with requests.Session() as session:
            session.trust_env = False
            return session.post(self.stage.webhook, body, headers=headers, timeout=PATIENCE).status_code

    def _status(self, sale: Sale) -> dict[str, Any]:
        return self.payer.ask(sale.status)

    def _page(self, sale: Sale) -> dict[str, str]:
        return self.payer.read(sale.page).data

    def _cips(self) -> list[dict[str, Any]]:
        cips: list[dict[str, Any]] = self.payer.ask(f"{self.stage.sandbox}/sandbox/cips")["cips"]
        return cips

    def _tell(self, control: str, **body: Any) -> dict[str, Any]:
        return self.payer.tell(f"{self.stage.sandbox}/sandbox/{control}", **body)
