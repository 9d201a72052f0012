"""``pagoefectivo_settle FILE``."""

import io
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from pagoefectivo_django.models import Settlement, SettlementLine
from pagoefectivo_django.testing import pay
from tests.factories.orders import make
from tests.factories.statements import line, text

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]


def run(path: Path, *options: str) -> str:
    out = io.StringIO()
    call_command("pagoefectivo_settle", str(path), "--currency", "PEN", *options, stdout=out)
    return out.getvalue()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "LIQ-77.txt"
    file.write_bytes(text([line(pay(make())), line(pay(make()))]))
    return file


def test_it_shows_how_the_file_is_read_and_imports_it(path: Path) -> None:
    told = run(path, "--date", "2026-11-10")
    assert "settlement LIQ-77 of memory:default, 2026-11-10, PEN: lines=2 bad=0" in told
    assert "encoding: utf-8" in told
    assert "matched=2" in told
    assert Settlement.objects.get().reference == "LIQ-77"


@pytest.mark.every_database
def test_a_file_from_a_machine_with_other_letters_is_imported(path: Path) -> None:
    """Its name is no UTF-8, as of a ZIP that Windows made."""
    told = run(path.rename(path.with_name("liquidaci\udcf3n.txt")))
    assert "matched=2" in told
    assert Settlement.objects.get().file_name == "liquidaci?n.txt"


def test_a_preview_keeps_nothing(path: Path) -> None:
    assert "lines=2" in run(path, "--preview")
    assert not Settlement.objects.exists()
    assert not SettlementLine.objects.exists()


def test_a_second_time_it_says_so(path: Path) -> None:
    run(path)
    assert "nothing changes" in run(path)
    assert Settlement.objects.count() == 1


def test_bad_lines_stop_it_unless_they_are_left_out(path: Path) -> None:
    with path.open("ab") as file:
        file.write(text([[*line(pay(make()))[:6], "0.00", *line(pay(make()))[7:]]]))
    with pytest.raises(CommandError, match=r"line 3, .*0"):
        run(path)
    assert not Settlement.objects.exists()
    told = run(path, "--skip-bad")
    assert "bad=1" in told
    assert "matched=2" in told


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="can't be opened"):
        run(tmp_path / "none.txt")


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    with pytest.raises(CommandError, match="is empty"):
        run(tmp_path / "empty.txt")
