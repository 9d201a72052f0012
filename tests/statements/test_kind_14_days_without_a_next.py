"""Kind 14: a date at the end of all dates is refused when it is read, and breaks nothing later."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from pagoefectivo_django.models import Settlement
from tests.factories.files import fault, lines, read, report, row, settlement


@pytest.mark.parametrize("written", ["31/12/9999 23:59:59", "31/12/2200 10:00:00"])
def test_in_a_text_it_is_a_bad_line(written: str) -> None:
    """It was read, and its statement could be neither kept nor matched: a day later is none."""
    assert "2199" in fault(settlement(paid=written))[2]
    assert len(lines(read(settlement(paid="31/12/2199 10:00:00")))) == 3


@pytest.mark.parametrize("paid", [datetime(9999, 12, 31, 23), datetime(2200, 1, 1)])  # noqa: DTZ001 (of a workbook)
def test_in_a_workbook_too(paid: datetime) -> None:
    assert "2199" in fault(report(row(), row(code=70000002, paid=paid)), "file.xlsx")[2]


@pytest.mark.django_db
@pytest.mark.parametrize("dated", [date.min, date(1999, 12, 31), date(2200, 1, 1), date.max])
def test_no_settlement_is_of_that_day(tmp_path: Path, dated: date) -> None:
    file = tmp_path / "liq.txt"
    file.write_bytes(settlement())
    with pytest.raises(CommandError, match="from 2000 to 2199"):
        call_command("pagoefectivo_settle", str(file), f"--date={dated}", "--currency=PEN")
    assert not Settlement.objects.exists()
