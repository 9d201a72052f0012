"""Whatever staff and operators send: pages of the admin, statements, arguments of commands; no 500 and no traceback."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from hypothesis import strategies as st

from pagoefectivo_django.admin.base import RecordAdmin
from pagoefectivo_django.flows import refund_order
from pagoefectivo_django.models import ApiCall, FailingReceiver, Settlement
from pagoefectivo_django.models.clock import current_time
from pagoefectivo_django.states import Kind
from pagoefectivo_django.testing import notify, pay
from tests.factories.discrepancies import open_discrepancy
from tests.factories.files import report, row, settlement
from tests.factories.orders import make
from tests.factories.settlements import settlement_line
from tests.hostile.fuzzing import Door, fuzz, sendable

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("pagoefectivo_memory")]

OURS = {
    str(each.opts.model_name): each
    for each in admin.site._registry.values()
    if isinstance(each, RecordAdmin) and each.opts.app_label == "pagoefectivo"
}
NAMES = st.sampled_from(sorted(OURS))
#: None stands for the key of a row that is there.
keys = st.none() | st.integers(-2, 2**70).map(str) | sendable


def fields() -> Iterator[str]:
    """Names that a list may be asked about, and those that Django's own address has."""
    yield from ("q", "o", "p", "all", "e", "_popup", "_to_field", "_facets", "_changelist_filters", "environment")
    for each in OURS.values():
        for one in each.list_filter:
            yield str(one if isinstance(one, str) else getattr(one, "parameter_name", ""))
        yield from each.linked_fields


lookups = st.sampled_from(["", "__exact", "__gte", "__lt", "__isnull", "__in", "__startswith", "__year", "__id__exact"])
values = sendable | st.sampled_from(["open", "2026-11-23", "2026-13-45", "yes", "no", "99999-01-01", "1", "0"])
discrepancies = st.dictionaries(
    st.builds(str.__add__, st.sampled_from(sorted(set(fields()))), lookups) | sendable, values, max_size=4
)
#: What forms of the admin have.
FIELDS = "reason expires_at confirmed resolution amount payment code who name operation_number text "
FIELDS += "received_on reference skip_bad index select_across what since until account currency file_type encoding "
FIELDS += "separator channel format decimal dated"
answers = st.dictionaries(
    st.sampled_from(FIELDS.split()),
    values | st.sampled_from(["accept", "ignore", "refund_due", "me", "csv", "xlsx", "paid", "2026-12-24T10:00"]),
    max_size=8,
)
ACTIONS = sorted({staff_action.name for each in OURS.values() for staff_action in each.staff_actions})
PAGES = ["change", "history", "delete", "evidence.json", "evidence.pdf", "evidence.exe", "payer.json"]
PAGES += sorted({staff_action.name for each in OURS.values() for staff_action in each.staff_actions})


class TestStaff(Door):
    """A shop with one row of everything, and somebody who may do everything."""

    def setUp(self) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            order = pay(make(), operation_number="1")
            notify(order, operation_number="2")
            refund_order(order, actor="rosa", reason="Sold out")
        open_discrepancy(Kind.UNMATCHED, line=settlement_line(payer="ana@example.com"))
        now = current_time()
        FailingReceiver.objects.create(receiver="shop.ship", failures=9, since=now, paused_until=now)
        ApiCall.objects.create(channel="default", account="memory:default", method="GET", began_at=now, milliseconds=1)
        self.user = User.objects.create_superuser("rosa")
        self.rows = {name: each.model._default_manager.order_by("pk")[0].pk for name, each in OURS.items()}

    def client_of_staff(self) -> Client:
        client = Client()  # which raises what a page raises
        client.force_login(self.user)
        return client

    @fuzz(NAMES, discrepancies)
    def test_no_list_breaks(self, name: str, asked: dict[str, str]) -> None:
        for path in (f"/admin/pagoefectivo/{name}/", "/admin/pagoefectivo/", "/admin/autocomplete/"):
            assert self.client_of_staff().get(path, asked).status_code < 500

    @fuzz(NAMES, keys, st.sampled_from(PAGES), discrepancies, answers)
    def test_no_page_of_a_record_breaks(
        self, name: str, key: str | None, page: str, asked: dict[str, str], said: dict[str, str]
    ) -> None:
        path = f"/admin/pagoefectivo/{name}/{self.rows[name] if key is None else key}/{page}"
        client = self.client_of_staff()
        for address in (path, f"{path}/"):
            assert client.get(address, asked).status_code < 500
            assert client.post(address, said).status_code < 500

    @fuzz(NAMES, st.sampled_from(ACTIONS) | sendable, st.lists(keys, max_size=3), answers)
    def test_no_action_breaks(self, name: str, action: str, chosen: list[str | None], said: dict[str, str]) -> None:
        picked = [str(self.rows[name]) if one is None else one for one in chosen]
        data: dict[str, Any] = {**said, "action": action, "_selected_action": picked}
        answer = self.client_of_staff().post(f"/admin/pagoefectivo/{name}/", data)
        assert answer.status_code < 500

    @fuzz(st.sampled_from(["import", "export", "add"]), answers)
    def test_no_other_page_breaks(self, page: str, said: dict[str, str]) -> None:
        client, path = self.client_of_staff(), f"/admin/pagoefectivo/settlement/{page}/"
        assert client.get(path).status_code < 500
        answer = client.post(path, said)
        assert answer.status_code < 500
        if answer.streaming:
            b"".join(answer)


#: Files that are good, but for some bytes; and files of lines that are nothing.
OTHER = b"CIP;Monto;Fecha\n70000001;35,50;23/11/2026\n"
good = st.sampled_from([settlement(), report(row(), row(code=70000002)), OTHER])


def with_other_bytes(file: bytes, changes: list[tuple[int, int]]) -> bytes:
    spoiled = bytearray(file)
    for place, byte in changes:
        spoiled[place % len(file)] = byte
    return bytes(spoiled)


changes = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6)
spoiled = st.builds(with_other_bytes, good, changes)
cells = sendable | st.sampled_from(
    ["CIP", "Monto", "35.50", "70000001", "23/11/2026", "Cancelada", "=1+1", "1/2/26", "31/12/9999"]
)
tables = st.lists(st.lists(cells, max_size=16).map(",".join), max_size=8).map("\n".join)
files = st.binary(max_size=400) | spoiled | tables.map(lambda text: text.encode(errors="replace"))
file_names = st.sampled_from(["liq.txt", "report.xlsx", "x.csv", "x/../y", "\u202e", "a" * 300]) | sendable
said_of_files = st.fixed_dictionaries(
    {},
    optional={
        "currency": st.sampled_from(["", "PEN", "USD", "EUR"]),
        "format": st.sampled_from(["", "cip_report", "settlement_text", "x"]),
        "decimal": st.sampled_from(["", ".", ",", ";"]),
        "channel": st.sampled_from(["default", "", "x"]),
        "reference": sendable,
        "dated": st.sampled_from(["", "2026-11-23", "0001-01-01", "9999-12-31", "x"]),
    },
)


class TestStatements(Door):
    """Files that staff uploads, and confirms."""

    def setUp(self) -> None:
        self.user = User.objects.create_superuser("rosa")

    @fuzz(files, file_names, said_of_files)
    def test_no_file_breaks_the_import(self, data: bytes, name: str, said: dict[str, str]) -> None:
        client = Client()
        client.force_login(self.user)
        path = "/admin/pagoefectivo/settlement/import/"
        upload = SimpleUploadedFile(name or "x", data)
        answer = client.post(path, {"channel": "default", "currency": "PEN", **said, "file": upload})
        assert answer.status_code in (200, 302)
        for draft in Settlement.objects.filter(status="draft"):
            page = f"/admin/pagoefectivo/settlement/{draft.pk}/"
            assert client.get(f"{page}change/").status_code == 200
            assert client.post(f"{page}confirm/", {"skip_bad": "on"}).status_code in (200, 302)


#: Each command with its options. The worker makes one round; the doctor, who asks other machines, is left out.
COMMANDS = {
    "pagoefectivo_worker": ["--once"],
    "pagoefectivo_reconcile": ["--all", "--channel", "--after-restore", "--codes", "--report", "--since", "--until"],
    "pagoefectivo_settle": [
        "--channel", "--format", "--currency", "--decimal", "--reference", "--date", "--preview", "--skip-bad"
    ],
    "pagoefectivo_forget": ["--erase", "--export", "--document", "--reason"],
}  # fmt: skip
#: What a shell can hand over.
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
words |= st.sampled_from(["default", "PEN", "2026-11-23", "2026-11-23T10:00:00Z", "2099-01-01", "ana@example.com", "x"])


class TestOperators(Door):
    """Commands with arguments of any kind: they do their work, or say what is wrong."""

    def setUp(self) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            pay(make(), operation_number="1")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = Path(folder.name) / "file"

    @fuzz(st.sampled_from(sorted(COMMANDS)), st.lists(st.none() | words | st.integers(0, 9), max_size=6), files)
    def test_no_arguments_break_a_command(self, name: str, chosen: list[str | int | None], data: bytes) -> None:
        self.file.write_bytes(data)
        options = COMMANDS[name]
        arguments = [
            str(self.file) if one is None else options[one % len(options)] if isinstance(one, int) else one
            for one in chosen
        ]
        always = ["--once"] if name == "pagoefectivo_worker" else []
        with suppress(CommandError):
            call_command(name, *always, *arguments, stdout=StringIO(), stderr=StringIO())
