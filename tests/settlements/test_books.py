"""Any books: orders, payments, files that are cut, repeated, shuffled, overlapping, and here and there a céntimo wrong.

An independent model says what becomes of every line, which discrepancies are open, and every sum to the céntimo.
``STORM=full`` tells ten times as many.
"""

import io
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.conf import conf
from pagoefectivo_django.flows import enter_deposit, import_settlement, tick
from pagoefectivo_django.flows.reports.balance import balance
from pagoefectivo_django.models import Discrepancy, Match, Order, Payment
from pagoefectivo_django.states import Fact, OrderState
from pagoefectivo_django.testing import notify, pay
from tests.backup import empty_tables
from tests.conftest import FULL
from tests.factories.orders import make
from tests.factories.provider import channel
from tests.factories.statements import line, text

pytestmark = [
    pytest.mark.once,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]

CENT, TOLERANCE = Decimal("0.01"), Decimal("0.01")
NONE = Decimal(0)
BANDS = [(Decimal(50), Decimal("1.50"), NONE), (None, NONE, Decimal("3.5"))]
CONTRACT = [{"SINCE": date(2020, 1, 1), "BANDS": BANDS}]
MOMENT = timezone.now()


def cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)


def commission(gross: Decimal) -> Decimal:
    """What the contract says, told anew."""
    fee = Decimal("1.50") if gross <= 50 else cents(gross * 35 / 1000)
    return fee + cents(fee * 18 / 100)


@dataclass
class Sold:
    """An order, and what the provider knows of it."""

    order: Order
    status: str
    #: What was paid, as we know it; None while we know of nothing that stands.
    paid: Decimal | None
    taken: bool = False


@dataclass
class Expected:
    """What the model says of all files so far, in one currency."""

    statuses: list[list[str]] = field(default_factory=list)
    discrepancies: Counter[str] = field(default_factory=Counter)
    #: How often a line stood in the file that has it most often.
    said: Counter[tuple[str, ...]] = field(default_factory=Counter)
    sums: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))


STATUSES = st.sampled_from(["paid", "paid", "paid", "paid", "open", "unheard", "held", "reversed"])
ORDERS = st.lists(
    st.tuples(st.sampled_from(["PEN", "PEN", "USD"]), st.integers(300, 20_000), STATUSES), min_size=1, max_size=7
)
ERRORS = st.sampled_from(["", "", "", "", "", "gross", "fee", "stranger", "swapped", "no code"])


@contextmanager
def empty_books() -> Iterator[None]:
    """Every example begins with nothing; what it writes is committed."""
    MemoryChannel.clear()
    empty_tables()
    with override_settings(PAGOEFECTIVO=dict(conf.all()) | {"FEES": {"PEN": CONTRACT, "USD": CONTRACT}}):
        yield


def sell(currency: str, amount: int, status: str) -> Sold:
    money = Decimal(amount) / 100
    order = make(amount=money, currency=currency)
    paid: Decimal | None = money
    if status in ("paid", "reversed"):
        pay(order)
    elif status == "held":
        paid = money + 1
        pay(order, amount=paid)
    elif status == "unheard":
        channel().set(order.code, Fact.PAYMENT, paid_at=timezone.now())
    if status == "reversed":
        assert notify(order, Fact.PAYMENT_REVERSED) == 200
    return Sold(order, status, None if status in ("open", "reversed", "unheard") else paid)


def told(sold: list[Sold], number: int, error: str) -> tuple[list[str], Decimal, Decimal]:
    """Return a line of a statement about one order, its gross and its commission."""
    mine, other = sold[number], sold[(number + 1) % len(sold)]
    gross = mine.order.amount + (1 if mine.status == "held" else 0) + (CENT if error == "gross" else 0)
    kept = commission(gross) + (2 * CENT if error == "fee" else 0)
    changes: dict[str, Any] = {"gross": gross, "commission": kept, "paid_at": MOMENT}
    if error == "stranger":
        changes |= {"code": f"99{number}", "transaction_code": ""}
    if error == "swapped" and other.order.cip:
        changes |= {"transaction_code": other.order.cip.transaction_code}
    if error == "no code":
        changes |= {"code": ""}
    return line(mine.order, **changes), gross, kept


def judge(mine: Sold, error: str, gross: Decimal, kept: Decimal, expected: Expected) -> str:
    """Say what becomes of a line that was not said before."""
    if error in ("stranger", "swapped"):
        expected.discrepancies["missing_here"] += 1
        return "discrepancy"
    if mine.status == "unheard":
        mine.paid = mine.order.amount  # the provider was asked
    if mine.paid is None:
        expected.discrepancies["status_mismatch"] += 1
        return "discrepancy"
    if gross != mine.paid:
        expected.discrepancies["amount_mismatch"] += 1
        return "discrepancy"
    if mine.taken:
        expected.discrepancies["duplicate_line"] += 1
        return "discrepancy"
    mine.taken = True
    expected.discrepancies["fee_mismatch"] += abs(kept - commission(gross)) > TOLERANCE
    return "matched"


def load(file: list[tuple[int, str]], sold: list[Sold], name: str, currency: str, expected: Expected) -> Any:
    """Import a file, and let the model do the same."""
    file = [(number, "" if error == "swapped" and len(sold) == 1 else error) for number, error in file]
    rows = [told(sold, number, error) for number, error in file]
    statuses = [""] * len(rows)
    before, here = expected.said, Counter[tuple[str, ...]]()
    # Of two lines of one payment in a file: who names its code comes before who doesn't, and what is plain comes first.
    plain = [
        error not in ("stranger", "swapped") and sold[number].paid == rows[at][1]
        for at, (number, error) in enumerate(file)
    ]
    for at in sorted(range(len(rows)), key=lambda at: (not plain[at], plain[at] and file[at][1] == "no code", at)):
        (number, error), (row, gross, kept) = file[at], rows[at]
        # What stood in another file is told again; twice in one file and without a number of its own it is two.
        here[tuple(row)] += 1
        if here[tuple(row)] <= before[tuple(row)]:
            statuses[at] = "duplicate"
            continue
        status = statuses[at] = judge(sold[number], error, gross, kept, expected)
        expected.sums["gross"] += gross
        expected.sums["matched" if status == "matched" else "unmatched"] += gross
        expected.sums["net"] += gross - kept
    expected.said = before | here
    settlement = import_settlement(io.BytesIO(text(row for row, _, _ in rows)), name, actor="ana", currency=currency)
    if settlement.file_name == name:  # else the same bytes were imported before
        assert [each.status for each in settlement.lines.order_by("number")] == statuses
    return settlement


def check(currency: str, sold: list[Sold], expected: Expected) -> None:
    books = balance(currency)
    assert books.holds, books.equations
    mine = [each for each in sold if each.order.currency == currency]
    for name in ("gross", "matched", "unmatched", "net"):
        assert getattr(books, name) == expected.sums[name], name
    assert books.settled == sum((each.paid or NONE for each in mine if each.taken), NONE)
    assert books.payments == sum((each.paid or NONE for each in mine), NONE)
    assert books.deposits == expected.sums["deposits"]
    found = Discrepancy.objects.filter(currency=currency, settlement__isnull=False).open()
    assert Counter(found.values_list("kind", flat=True)) == +expected.discrepancies


@given(st.data())
@settings(
    max_examples=250 if FULL else 12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_exactly_the_planted_errors_come_out_and_every_sum_is_right(data: st.DataObject) -> None:
    with empty_books():
        sold = [sell(*each) for each in data.draw(ORDERS)]
        shuffle = random.Random(data.draw(st.integers(0, 999)))
        by_currency: dict[str, Expected] = {"PEN": Expected(), "USD": Expected()}
        for number in range(data.draw(st.integers(1, 4))):
            currency = data.draw(st.sampled_from(sorted(by_currency)))
            mine = [place for place, each in enumerate(sold) if each.order.currency == currency]
            if not mine:
                continue
            # Cut anywhere, overlapping, repeated, shuffled.
            file = data.draw(st.lists(st.tuples(st.sampled_from(mine), ERRORS), min_size=1, max_size=8))
            expected = by_currency[currency]
            settlement = load(file, sold, f"{number}.txt", currency, expected)
            if data.draw(st.booleans()):
                assert load(file, sold, f"{number}-again.txt", currency, expected) == settlement
            if data.draw(st.booleans()):
                again = shuffle.sample(file, len(file))
                load(again, sold, f"{number}-shuffled.txt", currency, expected)
            settlement.refresh_from_db()
            if settlement.open_amount and (off := data.draw(st.sampled_from([None, NONE, CENT, -CENT]))) is not None:
                amount = settlement.open_amount + off
                if amount:
                    asked = settlement.discrepancies.filter(kind="payout_mismatch").open().exists()
                    enter_deposit(settlement, amount, date(2026, 11, 5), actor="ana", reason="As the bank says.")
                    expected.sums["deposits"] += amount
                    expected.discrepancies["payout_mismatch"] += bool(off) - asked
            if data.draw(st.booleans()):
                tick()
            for one, told_of in by_currency.items():
                check(one, sold, told_of)
        settled = {each.order.pk for each in sold if each.taken and each.status in ("paid", "unheard")}
        assert set(Order.objects.filter(settled_at__isnull=False).values_list("pk", flat=True)) == settled
        believed = {each.order.pk for each in sold if each.status == "paid" or (each.status == "unheard" and each.paid)}
        assert set(Order.objects.filter(state=OrderState.PAID).values_list("pk", flat=True)) == believed
        assert Match.objects.filter(stands=True).values("payment").distinct().count() == Match.objects.count()
        assert Payment.objects.count() >= len(settled)
