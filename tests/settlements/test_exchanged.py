"""Payments that the provider exchanged: a settlement in another currency than the payers'."""

import io
from decimal import Decimal
from typing import Any

import pytest
from django.test import override_settings

from pagoefectivo_django.channels.dlocal import DlocalChannel
from pagoefectivo_django.conf import conf
from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.flows import enter_deposit, import_settlement, match_line, refund_order, unmatch_line
from pagoefectivo_django.flows.reports.balance import all_books, balance
from pagoefectivo_django.flows.reports.export import HEADINGS, Export, export_rows
from pagoefectivo_django.models import Discrepancy, Match, Order, Payment, Settlement
from pagoefectivo_django.states import LineStatus
from pagoefectivo_django.testing import pay
from pagoefectivo_django.wording.data import in_words
from tests.factories.orders import make
from tests.factories.refunds import refund_at
from tests.reading import books_hold, discrepancies
from tests.settlements.test_books import CONTRACT, NONE

pytestmark = [pytest.mark.every_database, pytest.mark.django_db(transaction=True)]
pytestmark += [pytest.mark.usefixtures("pagoefectivo_memory")]

HEAD = (
    "ROW_TYPE,TRANSACTION_ID,DLOCAL_TRANSACTION_ID,CREATION_DATE,TRANSFER_DATE,LOCAL_AMOUNT,LOCAL_CURRENCY,FX_RATE,"
    "SETTLEMENT_CURRENCY,GROSS_AMOUNT,NET_AMOUNT,FEE_AMOUNT"
)


def row(order: Order, **changes: Any) -> str:
    """Return a line of dLocal's cross-border report: 120.50 soles at 3.75 are 32.13 dollars, of which 1.28 are kept."""
    said: dict[str, Any] = {
        "id": order.cip.transaction_code if order.cip else "",
        "amount": order.amount,
        "currency": order.currency,
        "rate": "3.75",
        "into": "USD",
        "gross": "32.13",
        "net": "30.85",
        "fee": "1.28",
    } | changes
    return (
        "TRANSACTION,{id},D-4-1,2026-11-23 10:00:00,2026-11-25,{amount},{currency},{rate},{into},{gross},{net},{fee}"
    ).format(**said)


def load(*rows: str, **settings: Any) -> Settlement:
    formats = {"STATEMENTS": DlocalChannel.statement_formats}
    with override_settings(PAGOEFECTIVO=dict(conf.all()) | formats | settings):
        return import_settlement(io.BytesIO("\n".join([HEAD, *rows]).encode()), "report.csv", actor="ana")


def sold(**changes: Any) -> Order:
    return pay(make(**{"amount": Decimal("120.50")} | changes))


def test_a_payment_in_soles_is_settled_in_dollars() -> None:
    order = sold()
    settlement = load(row(order))
    line, match = settlement.lines.get(), Match.objects.get()
    assert (settlement.currency, settlement.open_amount) == ("USD", Decimal("30.85"))
    assert (line.currency, line.gross, line.fee, line.tax, line.net) == (
        "USD", Decimal("32.13"), Decimal("1.28"), NONE, Decimal("30.85"),
    )  # fmt: skip
    assert (line.paid, line.rate) == ((Decimal("120.50"), "PEN"), Decimal("3.75"))
    assert (match.amount, match.rule, match.payment) == (Decimal("120.50"), "transaction_code", Payment.objects.get())
    order.reload()
    assert order.is_settled
    assert discrepancies() == []


def test_sums_are_per_currency_and_agree_in_each() -> None:
    settlement = load(row(sold()), row(sold()))
    waiting = sold(amount=Decimal("9.90"))
    soles, dollars = balance("PEN"), balance("USD")
    assert (soles.payments, soles.settled, soles.in_transit) == (Decimal("250.90"), Decimal("241.00"), waiting.amount)
    assert (soles.gross, soles.matched, soles.net, soles.open_payouts) == (NONE,) * 4
    assert (dollars.payments, dollars.settled) == (NONE,) * 2
    assert (dollars.gross, dollars.matched, dollars.fees) == (Decimal("64.26"), Decimal("64.26"), Decimal("2.56"))
    assert dollars.open_payouts == dollars.net == Decimal("61.70")
    enter_deposit(settlement, Decimal("61.70"), settlement.dated, actor="ana")
    assert discrepancies() == []
    line = settlement.lines.order_by("number")[0]
    unmatch_line(line, actor="ana", reason="look again")
    assert (balance("PEN").settled, balance("USD").unmatched) == (Decimal("120.50"), Decimal("32.13"))
    books_hold()
    assert all(book.holds for book in all_books())


def test_a_payout_in_a_currency_that_nobody_pays_in_has_books_of_its_own() -> None:
    settlement = load(row(sold(), into="EUR", rate="4.15", gross="29.04", net="27.88", fee="1.16"))
    assert settlement.currency == "EUR"
    assert [book.currency for book in all_books()] == ["PEN", "EUR"]
    assert all(book.holds for book in all_books())
    assert all_books()[1].open_payouts == Decimal("27.88")


def test_a_fee_is_not_compared_across_currencies() -> None:
    both = {"FEES": {"PEN": CONTRACT, "USD": CONTRACT}}
    settlement = load(row(sold()), **both)
    assert settlement.lines.get().status == LineStatus.MATCHED
    assert discrepancies() == []
    # In one currency the contract counts: 120.50 cost 4.22 and IGV 0.76.
    load(row(sold(), into="PEN", rate="1", gross="120.50", net="115.40", fee="5.10"), **both)
    assert discrepancies() == ["fee_mismatch"]


def test_a_payment_in_the_settlements_currency_has_no_rate() -> None:
    line = load(row(sold(), into="PEN", rate="1.0000", gross="120.50", net="115.52", fee="4.98")).lines.get()
    assert (line.paid, line.rate, line.payment_amount, line.payment_currency) == (
        (Decimal("120.50"), "PEN"), None, None, "",
    )  # fmt: skip
    assert (line.fee, line.tax) == (Decimal("4.22"), Decimal("0.76"))
    with pytest.raises(InvalidRequest, match="GROSS_AMOUNT: is not what the payer paid"):
        load(row(sold(), into="PEN", rate="1", gross="120.51", net="115.53", fee="4.98"))


@pytest.mark.parametrize(
    ("rate", "gross"),
    [
        ("3.75", "32.13"),
        ("3.7500", "32.13"),
        ("3.7", "32.13"),
        ("3.8", "32.13"),
        ("0.26666667", "32.13"),
        ("0.267", "32.13"),
        ("3.7", "32.57"),
        ("3.75", "32.14"),
        ("", "32.13"),
    ],
)
def test_the_rounding_of_a_rate_is_no_discrepancy(rate: str, gross: str) -> None:
    net = Decimal(gross) - Decimal("1.28")
    assert load(row(sold(), rate=rate, gross=gross, net=net)).lines.get().status == LineStatus.MATCHED
    assert discrepancies() == []


@pytest.mark.parametrize(("rate", "gross"), [("3.75", "35.00"), ("3.7500", "32.20"), ("1", "32.13"), ("37.5", "32.13")])
def test_amounts_of_another_rate_are_for_a_person_who_may_match_them(rate: str, gross: str) -> None:
    order = sold()
    line = load(row(order, rate=rate, gross=gross, net=Decimal(gross) - Decimal("1.28"))).lines.get()
    assert (line.status, line.about, discrepancies()) == (LineStatus.DISCREPANCY, "rate_disagrees", ["unclear_line"])
    asked = Discrepancy.objects.get()
    assert (asked.amount, asked.currency) == (Decimal("120.50"), "PEN")
    match_line(line, Payment.objects.get(), actor="ana", reason="the bank's rate")
    order.reload()
    assert order.is_settled
    books_hold()


def test_evidence_names_each_amount_in_its_own_currency() -> None:
    load(row(sold(), amount="120.60", gross="32.16", net="30.88"))
    (said,) = Discrepancy.objects.get(kind="amount_mismatch").evidence
    told = {name: said[name] for name in ("amount", "currency", "settled_amount", "settled_currency", "rate", "fee")}
    assert told == {
        "amount": "120.60",
        "currency": "PEN",
        "settled_amount": "32.16",
        "settled_currency": "USD",
        "rate": "3.75",
        "fee": "1.28",
    }
    words = in_words(said).replace("\N{NO-BREAK SPACE}", " ")
    assert "S/ 120.60" in words
    assert "US$ 32.16" in words
    assert "fee: US$ 1.28" in words
    assert "S/ 1.28" not in words


def test_a_payment_in_dollars_is_not_a_line_in_soles_of_the_same_number() -> None:
    order = sold(currency="USD")
    load(row(order, currency="PEN"))
    assert discrepancies() == ["currency_mismatch"]
    order.reload()
    assert not order.is_settled


def test_an_amount_in_the_currency_of_the_payout_alone_matches_no_payment() -> None:
    order = sold(currency="USD", amount=Decimal("32.13"))
    load(row(order, currency="PEN", amount="120.50"))
    assert discrepancies() == ["currency_mismatch"]


def test_a_negative_line_is_a_refund_of_ours_in_the_payers_currency() -> None:
    order = sold()
    refund = refund_at("done", order)
    settlement = load(row(order, amount="-120.50", gross="-32.13", net="-32.13", fee="0.00"))
    assert Match.objects.get().refund == refund
    assert Match.objects.get().amount == Decimal("-120.50")
    assert balance("USD").refunds == Decimal("-32.13") == settlement.open_amount
    load(row(sold(), amount="-120.50", gross="-32.13", net="-32.13", fee="0.00"))
    assert discrepancies() == ["refund_unmatched"]
    books_hold()


def test_the_same_line_in_another_file_counts_once_and_another_payers_amount_is_another_line() -> None:
    order = sold()
    load(row(order))
    again = load(row(order), row(sold()))
    assert [line.status for line in again.lines.order_by("number")] == ["duplicate", "matched"]
    other = load(row(order, amount="120.52"), row(sold()))
    assert [line.status for line in other.lines.order_by("number")] == ["discrepancy", "matched"]
    books_hold()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"amount": ""}, "LOCAL_AMOUNT: is empty"),
        ({"amount": "0.00"}, "LOCAL_AMOUNT: is 0, or has another sign than gross"),
        ({"amount": "-120.50"}, "LOCAL_AMOUNT: is 0, or has another sign than gross"),
        ({"amount": "120.505"}, "more than two decimals"),
        ({"currency": ""}, "LOCAL_CURRENCY: is empty"),
        ({"currency": "BRL"}, "LOCAL_CURRENCY: is no currency that is known"),
        ({"amount": "US$ 120.50"}, "LOCAL_AMOUNT: is in USD"),
        ({"rate": "0"}, "FX_RATE: is '\\*', no rate of exchange"),
        ({"rate": "-3.75"}, "FX_RATE: is '-3.75', no rate of exchange"),
        ({"rate": "n/a"}, "FX_RATE: is '\\*\\*\\*', no rate of exchange"),
        ({"rate": "99999999999"}, "no rate of exchange"),
        ({"net": "30.00"}, "NET_AMOUNT: is not gross without fee and tax"),
    ],
)
def test_a_line_that_can_not_be_read_is_a_bad_line(changes: dict[str, str], problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        load(row(sold()), row(sold(), **changes))


def test_two_currencies_of_payout_in_one_file_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="EUR"):
        load(row(sold()), row(sold(), into="EUR"))


def test_exports_name_the_currency_of_each_amount() -> None:
    load(row(sold()))
    for what in (Export.PAID, Export.SETTLED):
        (found,) = export_rows(what)
        told = dict(zip(map(str, HEADINGS[what]), found, strict=True))
        assert (told["currency"], told["gross"]) == ("PEN", Decimal("120.50"))
        assert (told["settled in"], told["settled gross"], told["exchange rate"]) == (
            "USD", Decimal("32.13"), Decimal("3.75"),
        )  # fmt: skip
        assert (told["fee"], told["net"]) == (Decimal("1.28"), Decimal("30.85"))
    (found,) = export_rows(Export.FEES)
    told = dict(zip(map(str, HEADINGS[Export.FEES]), found, strict=True))
    assert (told["currency"], told["gross"], told["fee"]) == ("USD", Decimal("32.13"), Decimal("1.28"))
    assert (told["payment's currency"], told["payment's amount"]) == ("PEN", Decimal("120.50"))


def test_a_refund_still_takes_the_payments_currency() -> None:
    order = sold()
    load(row(order))
    assert refund_order(order, actor="ana", reason="sold out").money.currency == "PEN"
