"""The contract's fee, its IGV, and when money is due."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import override_settings

from pagoefectivo_django.fees import Fee, expected_fee, faults_of_contract, igv_rate, split_commission
from pagoefectivo_django.workdays import due_on, is_workday, latest_due

NONE = Decimal(0)
#: One merchant's contract (protocol 7.4).
BANDS = [
    (Decimal(20), Decimal("1.50"), NONE),
    (Decimal("39.90"), Decimal("1.55"), NONE),
    (Decimal(95), Decimal("1.60"), NONE),
    (None, NONE, Decimal("3.5")),
]
CONTRACTS = [
    {"SINCE": date(2025, 1, 1), "BANDS": BANDS},
    {"SINCE": date(2026, 7, 1), "BANDS": [(None, Decimal("0.49"), Decimal("2.89"))], "ROUNDING": "ROUND_DOWN"},
]


@pytest.mark.parametrize(
    ("amount", "fee", "tax"),
    [
        ("0.01", "1.50", "0.27"),
        ("20.00", "1.50", "0.27"),
        ("20.01", "1.55", "0.28"),  # 0.279
        ("39.90", "1.55", "0.28"),
        ("95.00", "1.60", "0.29"),  # 0.288
        ("95.01", "3.33", "0.60"),  # 3.32535 and 0.5994
        ("1000.00", "35.00", "6.30"),
    ],
)
def test_a_band_a_rounding_and_igv_on_the_rounded_fee(amount: str, fee: str, tax: str) -> None:
    with override_settings(PAGOEFECTIVO={"FEES": {"PEN": CONTRACTS}}):
        found = expected_fee(Decimal(amount), "PEN", date(2026, 6, 30))
    assert found == Fee(Decimal(fee), Decimal(tax))


def test_the_contract_of_the_day_counts_with_its_own_rounding() -> None:
    with override_settings(PAGOEFECTIVO={"FEES": {"PEN": CONTRACTS}}):
        # 0.49 + 1.02595 and 18 % of 1.51, both cut off
        assert expected_fee(Decimal("35.50"), "PEN", date(2026, 7, 1)) == Fee(Decimal("1.51"), Decimal("0.27"))
        assert expected_fee(Decimal("35.50"), "PEN", date(2024, 12, 31)) is None
        assert expected_fee(Decimal("35.50"), "USD", date(2026, 7, 1)) is None


def test_igv_is_of_the_day() -> None:
    rates = [(date(2011, 3, 1), Decimal(18)), (date(2027, 1, 1), Decimal("16.5"))]
    with override_settings(PAGOEFECTIVO={"IGV": rates}):
        assert igv_rate(date(2026, 12, 31)) == Decimal(18)
        assert igv_rate(date(2027, 1, 1)) == Decimal("16.5")
        assert igv_rate(date(2000, 1, 1)) == 0
        assert split_commission(Decimal("1.17"), date(2027, 1, 1)) == Fee(Decimal("1.00"), Decimal("0.17"))


@pytest.mark.parametrize("cents", range(0, 400, 7))
def test_a_divided_commission_loses_nothing(cents: int) -> None:
    commission = Decimal(cents) / 100
    assert split_commission(commission, date(2026, 11, 1)).total == commission


@pytest.mark.parametrize(
    "fees",
    [
        [],
        {"EUR": []},
        {"PEN": CONTRACTS[0]},
        {"PEN": [{"BANDS": BANDS}]},
        {"PEN": [{"SINCE": "2025-01-01", "BANDS": BANDS}]},
        {"PEN": [{"SINCE": date(2025, 1, 1), "BANDS": [(None, 1.5, NONE)]}]},
        {"PEN": [{"SINCE": date(2025, 1, 1), "BANDS": [(None, -NONE - 1, NONE)]}]},
        {"PEN": [{"SINCE": date(2025, 1, 1), "BANDS": [(Decimal(20), NONE, NONE), (Decimal(10), NONE, NONE)]}]},
        {"PEN": [{"SINCE": date(2025, 1, 1), "BANDS": [(None, NONE, NONE), (Decimal(10), NONE, NONE)]}]},
        {"PEN": [{"SINCE": date(2025, 1, 1), "BANDS": BANDS, "ROUNDING": "up"}]},
        {"PEN": [{"SINCE": date(2025, 1, 1), "BANDS": BANDS, "PERCENT": 3}]},
    ],
)
def test_a_contract_that_cannot_be_read_is_told(fees: Any) -> None:
    assert faults_of_contract(fees, [])


def test_a_right_contract_has_no_fault() -> None:
    assert faults_of_contract({"PEN": CONTRACTS}, [(date(2011, 3, 1), Decimal(18))]) == []
    assert faults_of_contract({}, [("2011-03-01", 18)])


# Business days.


@pytest.mark.parametrize(
    ("paid", "days", "due"),
    [
        (date(2026, 11, 2), 1, date(2026, 11, 3)),
        (date(2026, 11, 6), 1, date(2026, 11, 9)),  # over a weekend
        (date(2026, 12, 4), 3, date(2026, 12, 11)),  # the 8th and the 9th are holidays
        (date(2026, 11, 1), 1, date(2026, 11, 2)),  # a Sunday
        (date(2026, 12, 31), 2, date(2027, 1, 5)),
        (date(2026, 7, 27), 0, date(2026, 7, 27)),
    ],
)
def test_money_is_due_after_business_days_of_peru(paid: date, days: int, due: date) -> None:
    assert due_on(paid, days) == due


@pytest.mark.parametrize("day", [date(2026, 7, 28), date(2026, 7, 29), date(2026, 4, 3), date(2026, 11, 7)])
def test_fiestas_patrias_and_weekends_are_no_business_days(day: date) -> None:
    assert not is_workday(day)


@pytest.mark.parametrize("days", [0, 1, 3, 5, 10])
@pytest.mark.parametrize("today", [date(2026, 12, 7 + more) for more in range(7)])
def test_what_is_older_than_the_latest_due_is_overdue_and_nothing_else(today: date, days: int) -> None:
    latest = latest_due(today, days)
    overdue = [
        day for day in (date.fromordinal(today.toordinal() - back) for back in range(40)) if due_on(day, days) < today
    ]
    assert overdue == [
        day for day in (date.fromordinal(today.toordinal() - back) for back in range(40)) if day < latest
    ]
