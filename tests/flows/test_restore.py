"""A database restored from a backup: what it forgot finds its order, or a person, and nothing is made twice."""

import hashlib
import io
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from pagoefectivo_django.channels import get_channel
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import InvalidRequest
from pagoefectivo_django.flows import adopt_code, cancel_order, reissue_code, tick
from pagoefectivo_django.flows.provider.transaction_codes import reference_in
from pagoefectivo_django.flows.refunds.refund import refund_key
from pagoefectivo_django.models import Cip, Discrepancy, Order, Payment, Refund
from pagoefectivo_django.states import Fact
from pagoefectivo_django.testing import notify, pay
from tests.backup import backup, restore
from tests.clock import later
from tests.factories.orders import make
from tests.factories.statements import line, load

pytestmark = [
    pytest.mark.every_database,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
]


@pytest.fixture
def book() -> MemoryChannel:
    found = get_channel("default")
    assert isinstance(found, MemoryChannel)
    return found


def reconciled(*arguments: str) -> str:
    out = io.StringIO()
    call_command("pagoefectivo_reconcile", "--after-restore", timezone.now().isoformat(), *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def portal(tmp_path: Path, book: MemoryChannel) -> Callable[[], str]:
    """A function that writes all codes of the provider's portal into a file, and returns its name."""

    def write() -> str:
        path = tmp_path / "codes.txt"
        path.write_text("\n".join(book.book) + "\n")
        return str(path)

    return write


# No transaction code is ever made twice.


@pytest.mark.parametrize("reference", ["SHOP-1001", "x" * 64, "Ñandú 7", "A" * 23, "A" * 24])
def test_no_transaction_code_is_made_twice_even_after_a_restored_backup(book: MemoryChannel, reference: str) -> None:
    kept = backup()
    for _ in range(4):
        restore(kept)
        order = make(reference=reference)
        reissue_code(order)
    made = [slip.report.transaction_code for slip in book.book.values()]
    assert len(set(made)) == len(made) == 8
    assert all(len(name) <= 36 and re.fullmatch(r"[A-Za-z0-9_-]+", name) for name in made)


def test_a_readable_transaction_code_names_its_order(book: MemoryChannel, settings: Any) -> None:
    assert reference_in(make(reference="SHOP-1001").cips.get().transaction_code, book) == "SHOP-1001"
    assert reference_in(make(reference="Ñandú 7").cips.get().transaction_code, book) == ""
    for name in ("SHOP-1001-1-1", "SHOP-1001", "", "-0123456789ab", "SHOP-1001-0123456789ag"):
        assert reference_in(name, book) == ""
    settings.PAGOEFECTIVO["CHANNELS"]["default"]["OPTIONS"]["TRANSACTION_CODE_PREFIX"] = "Q."
    try:
        channel = get_channel("default")
        assert reference_in("Q.SHOP-1001-0123456789ab", channel) == "SHOP-1001"
        assert reference_in("QxSHOP-1001-0123456789ab", channel) == ""
    finally:
        del settings.PAGOEFECTIVO["CHANNELS"]["default"]["OPTIONS"]["TRANSACTION_CODE_PREFIX"]


def test_no_key_of_a_refund_is_used_twice() -> None:
    """A provider that knows the key would say that it was done, and send nothing."""
    order = pay(make())
    payment = Payment.objects.get()
    named: dict[str, Any] = {"pk": 7, "order": order, "payment": payment, "amount": 1, "currency": "PEN"}
    first = Refund(**named, requested_at=timezone.now())
    assert refund_key(first) == refund_key(first)
    assert refund_key(first) != refund_key(Refund(**named, requested_at=later(hours=1)))


# What happened since.


def test_what_was_paid_changed_or_ended_since_is_found(book: MemoryChannel, capsys: Any) -> None:
    paid, cancelled, extended = make(), make(), make()
    kept = backup()
    pay(paid)
    cancel_order(cancelled)
    book.set(extended.code, Fact.ISSUED, expires_at=later(days=9))
    restore(kept)
    for order in (paid, cancelled, extended):
        order.reload()
        assert order.state == "pending"
    said = reconciled()
    assert "watched=3" in said
    for order, state in ((paid, "paid"), (cancelled, "cancelled"), (extended, "pending")):
        order.reload()
        assert order.state == state
    assert extended.cip
    assert extended.cip.until > later(days=8)


def test_a_payment_that_was_taken_back_since_is_in_front_of_a_person(book: MemoryChannel) -> None:
    order = pay(make())
    kept = backup()
    book.set(order.code, Fact.ISSUED)
    notify(order, Fact.PAYMENT_REVERSED)
    restore(kept)
    reconciled()
    assert Discrepancy.objects.open().filter(order=order, kind="reversed").exists()


def test_what_is_settled_or_watched_no_longer_is_asked_about_once(book: MemoryChannel) -> None:
    settled, unwatched, long_ago, same = (pay(make()) for _ in range(4))
    load(line(settled), line(same))
    tick()
    Cip.objects.exclude(order=settled).update(poll_at=None)
    Cip.objects.filter(order=long_ago).update(changed_at=timezone.now() - timedelta(days=60))
    assert Order.objects.filter(settled_at__isnull=False).count() == 2
    kept = backup()
    for order in (settled, unwatched, long_ago):
        book.set(order.code, Fact.ISSUED)
        notify(order, Fact.PAYMENT_REVERSED)
    restore(kept)
    reconciled()
    found = Discrepancy.objects.open().filter(kind="reversed").values_list("order", flat=True)
    assert {*found} == {settled.pk, unwatched.pk}
    before = len(MemoryChannel.calls)
    for minutes in (2, 6, 31):
        tick(later(minutes=minutes))
    assert len(MemoryChannel.calls) == before, "once is enough"
    assert not Cip.objects.filter(look_at__isnull=False).exists()


def test_receivers_hear_twice_and_whoever_runs_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    make()
    restore(backup())
    said = reconciled()
    assert "Receivers hear again of what happened since" in said
    assert "events with new ids" in caplog.text


# What was issued since.


def new_then_issued() -> Order:
    """An order whose code the backup has not."""
    with transaction.atomic():  # its code is asked for after the commit
        order = make(reference="SHOP-1001")
        kept = backup()
    order.reload()
    code = order.code
    assert code
    restore(kept)
    order.reload()
    assert (order.state, order.code, Cip.objects.count()) == ("new", "", 0)
    order.metadata = {"code": code}
    return order


def test_a_code_that_was_forgotten_finds_its_order_by_the_portal(
    book: MemoryChannel, portal: Callable[[], str]
) -> None:
    order = new_then_issued()
    code = order.metadata["code"]
    book.set(code, Fact.PAYMENT, paid_at=timezone.now())
    assert "attached=1" in reconciled("--codes", portal())
    order.reload()
    assert (order.state, order.code) == ("paid", code)
    assert order.cips.get().transaction_code == book.book[code].report.transaction_code
    assert "known=1 found=0 attached=0" in reconciled("--codes", portal())
    assert Payment.objects.count() == 1


def test_a_code_that_was_forgotten_finds_its_order_by_its_message(book: MemoryChannel) -> None:
    order = new_then_issued()
    code = order.metadata["code"]
    reconciled()
    book.set(code, Fact.PAYMENT, paid_at=timezone.now())
    assert notify(order, code=code, operation_number="7") == 200
    for minutes in (1, 5):
        tick(later(minutes=minutes))
    order.reload()
    payment = Payment.objects.get()
    assert (order.state, payment.status, payment.cip.code) == ("paid", "applied", code)


def test_a_code_that_was_forgotten_finds_its_order_by_a_hint(book: MemoryChannel) -> None:
    order = new_then_issued()
    code = order.metadata["code"]
    reconciled()
    book.set(code, Fact.PAYMENT, paid_at=timezone.now())
    assert notify(order, Fact.CODE_EXPIRED, code=code) == 200
    tick(later(minutes=1))
    order.reload()
    assert (order.state, order.code) == ("paid", code)


def test_without_a_declared_restore_nothing_is_attached(book: MemoryChannel) -> None:
    order = new_then_issued()
    code = order.metadata["code"]
    book.set(code, Fact.PAYMENT, paid_at=timezone.now())
    notify(order, code=code)
    tick(later(minutes=1))
    assert not Payment.objects.exists()


def test_what_is_payable_and_forgotten_is_the_orders_code_again(book: MemoryChannel, portal: Callable[[], str]) -> None:
    order = new_then_issued()
    assert "attached=1" in reconciled("--codes", portal())
    order.reload()
    assert (order.state, order.code) == ("pending", order.cips.get().code)
    tick(later(minutes=1))
    assert len(book.book) == 1


def test_an_order_that_was_forgotten_is_a_persons(book: MemoryChannel, portal: Callable[[], str]) -> None:
    kept = backup()
    one, other, ended = (make(reference=f"SHOP-{number}") for number in range(3))
    book.set(one.code, Fact.PAYMENT, paid_at=timezone.now())
    book.set(ended.code, Fact.CODE_DELETED)
    restore(kept)
    assert "known=0 found=0 attached=0 closed=1 asked=2 unknown=0" in reconciled("--codes", portal())
    assert "asked=2" in reconciled("--codes", portal())
    assert not Order.objects.exists()
    told = {row.kind: row for row in Discrepancy.objects.open()}
    assert told.keys() == {"unmatched", "lost_code"}
    assert (told["unmatched"].amount, told["unmatched"].evidence[0]["code"]) == (Decimal("35.50"), one.code)
    assert told["lost_code"].evidence[0]["code"] == other.code


@pytest.mark.parametrize("what", ["amount", "currency", "reference", "two orders", "no random part", "hash"])
def test_a_transaction_code_that_names_no_single_order_is_a_persons(
    book: MemoryChannel, portal: Callable[[], str], what: str
) -> None:
    order = new_then_issued()
    code = order.metadata["code"]
    all_changes: dict[str, dict[str, Any]] = {
        "amount": {"amount": Decimal("1.00")},
        "currency": {"currency": "USD"},
        "reference": {"transaction_code": "SHOP-1002-0123456789ab"},
        "no random part": {"transaction_code": "SHOP-1001"},
        "hash": {"transaction_code": hashlib.sha256(b"x").hexdigest()[:36]},
    }
    book.set(code, Fact.PAYMENT, paid_at=timezone.now(), **all_changes.get(what, {}))
    if what == "two orders":
        cancel_order(order)
        make(reference="SHOP-1001")
    assert "asked=1" in reconciled("--codes", portal())
    assert not Payment.objects.exists()
    assert Discrepancy.objects.open().filter(kind="unmatched").exists()


def test_a_person_adopts_a_code_that_a_backup_forgot(book: MemoryChannel) -> None:
    order, other = new_then_issued(), make(reference="OTHER")
    code = order.metadata["code"]
    with pytest.raises(InvalidRequest):
        adopt_code(other, code, actor="marta")
    adopt_code(order, code, actor="marta")
    assert (order.state, order.code) == ("pending", code)


def test_messages_that_were_given_up_count_once_a_person_adopts_their_forgotten_code(book: MemoryChannel) -> None:
    order = new_then_issued()
    code = order.metadata["code"]
    book.set(code, Fact.PAYMENT, paid_at=timezone.now())
    slip = book.book.pop(code)
    notify(order, code=code, operation_number="7")
    notify(order, Fact.PAYMENT_REVERSED, code=code, operation_number="7")
    for hours in range(1, 40):
        tick(later(hours=hours))
    assert Discrepancy.objects.open().filter(kind="unmatched").count() == 2
    book.book[code] = slip
    adopt_code(order, code, actor="marta")
    tick(later(hours=41))
    assert (Order.objects.get().state, Payment.objects.get().status) == ("refunded", "reversed")
    assert not Discrepancy.objects.open().filter(kind="unmatched").exists()


# The command.


@pytest.mark.parametrize("wrong", ["yesterday", "2999-01-01", ""])
def test_a_moment_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(CommandError):
        call_command("pagoefectivo_reconcile", "--after-restore", wrong)


@pytest.mark.parametrize(
    "content", [b"7000x", b"\xff\xfe\x00", None, b"", b"CIP\n", b"7.0000001E7", b"70000001,SHOP-1"]
)
def test_a_file_that_has_no_codes_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "codes.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CommandError, match=re.escape(path.name)):
        reconciled("--codes", str(path))


@pytest.mark.parametrize(
    "written",
    ["{}", "CIP\r\n{}\r\n", "\ufeff{};\n", "'{}", '="{}"', '"{}"', "000000{}", "\u200e{}\u202c", "\n  {}  \n\n",
     "{}\t,\n", "{0} {0}"],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_file_of_codes_is_read_as_people_and_spreadsheets_write_it(
    tmp_path: Path, book: MemoryChannel, written: str, encoding: str
) -> None:
    path, code = tmp_path / "codes.txt", make().code
    path.write_bytes(written.format(code).encode(encoding))
    assert "known=1 found=0 attached=0 closed=0 asked=0 unknown=0" in reconciled("--codes", str(path))
    path.write_bytes(f"{code[:4]} {code[4:]}".encode(encoding))
    assert "known=1 found=0 attached=0 closed=0 asked=0 unknown=0" in reconciled("--codes", str(path))


def test_codes_that_nobody_knows_are_told(tmp_path: Path) -> None:
    path = tmp_path / "codes.txt"
    path.write_text("99999999\n")
    with pytest.raises(CommandError, match="1 of the codes"):
        reconciled("--codes", str(path))
