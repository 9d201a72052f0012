"""Reading of a statement into a draft, for a person to confirm or discard; a draft counts in no report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import islice
from pathlib import PurePath
from typing import Any, BinaryIO

from django.db import IntegrityError, transaction
from django.db.models import F, Sum
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from ...actors import CLOCK, Actor
from ...channels import get_channel
from ...errors import InvalidRequest, PagoEfectivoError
from ...fees import Fee, split_commission
from ...models import Settlement, SettlementLine
from ...models.clock import current_time
from ...models.database import database, insert_many, one_transaction
from ...statements import Fault, Line, Statement, open_statement
from ...states import LineStatus, Remark, SettlementStatus, StatementKind
from ...workdays import lima_day
from ..ledger.remark import record_remark
from ..provider.accounts import accounts, statement_formats

#: Lines that are written, and matched, in one transaction.
BATCH = 5_000
#: Bad lines that are kept with their problem; the rest are only counted.
MOST_FAULTS = 100
#: Bad lines that ``told`` has in full.
MOST_TOLD = 5
#: A draft that nobody confirms in this time is discarded.
DRAFTS_LIVE = timedelta(days=7)

_COLUMNS = (
    "settlement", "number", "code", "transaction_code", "operation_number", "currency", "gross", "fee", "tax", "net",
    "paid_at", "payer", "collector", "digest", "first", "status", "about", "data", "reason",
    "payment_amount", "payment_currency", "rate",
)  # fmt: skip
_NOTHING = Decimal("0.00")
_NO_LINES = _("%(file)s has no lines; nothing is imported.")


def read_settlement(
    source: BinaryIO,
    name: str,
    *,
    actor: Actor | str,
    channel: str = "",
    format: str = "",
    currency: str = "",
    decimal: str = "",
    reference: str = "",
    dated: date | None = None,
    now: datetime | None = None,
    progress: Callable[[int], object] = lambda lines: None,
) -> Settlement:
    """Read a file into a draft and return the draft, or the confirmed settlement of the same file.

    Arguments give facts missing in the file: ``channel`` where there are several accounts; ``format``, ``currency`` and
    ``decimal`` mark where not detected. ``reference`` defaults to the file's name, ``dated`` to today; ``progress``
    gets the number of lines read. Raises ``InvalidRequest`` for a file that can't be read, and then keeps nothing.
    """
    now = now or current_time()
    _check_date(dated)
    formats = statement_formats()
    statement = open_statement(source, name, format=format, currency=currency, decimal=decimal, formats=formats)
    account = _account(channel)
    known = Settlement.objects.using(database()).filter(account=account, digest=statement.digest)
    if before := known.counted().first():
        return before
    draft = Settlement(
        kind=statement.kind,
        account=account,
        reference=(reference or PurePath(statement.name).stem)[:80],
        dated=dated or lima_day(now),
        currency=statement.currency,
        file_name=statement.name,
        digest=statement.digest,
        reading=statement.reading | ({"notes": statement.notes} if statement.notes else {}),
        imported_by=str(Actor.of(actor)),
        created_at=now,
    )
    draft.save(using=database())
    try:
        _write_lines(draft, statement, progress)
        if not draft.line_count and not draft.fault_count:
            raise InvalidRequest(_NO_LINES, code="statement_without_lines", file=draft.file_name)
    except BaseException:
        discard_settlement(draft)
        raise
    draft.save(using=database())
    return draft


def confirm_settlement(draft: Settlement, *, skip_bad: bool = False, now: datetime | None = None) -> Settlement:
    """Confirm a draft for the worker to match, and return the settlement, or the confirmed twin of the same file.

    Raises ``InvalidRequest`` if lines can't be read, unless ``skip_bad`` leaves those out, and for a settlement that is
    no draft any more.
    """
    try:
        twin = _confirm(draft, skip_bad, now)
    except IntegrityError:  # another process has just confirmed the same file
        twin = _confirm(draft, skip_bad, now)
    draft.refresh_from_db(using=database())
    return twin or draft


def _confirm(draft: Settlement, skip_bad: bool, now: datetime | None) -> Settlement | None:
    """Confirm a draft and return None; or change nothing and return the confirmed settlement of the same file."""
    with one_transaction() as alias:
        mine = Settlement.objects.using(alias).filter(pk=draft.pk, status=SettlementStatus.DRAFT)
        mine.update(attempts=F("attempts"))  # locks the settlement, on SQLite too
        found = mine.select_for_update().first()
        if found is None:
            raise InvalidRequest(
                _("Settlement %(settlement)s is no draft any more; look at what became of it."),
                code="settlement_no_draft",
                settlement=str(draft),
            )
        if found.fault_count and not skip_bad:
            first = found.faults[0]
            raise InvalidRequest(
                _(
                    "%(file)s: line %(line)d, %(column)s: %(problem)s Of such lines there are %(count)d. Nothing is "
                    "imported; mend them, or leave them out."
                ),
                code="statement_has_bad_lines",
                file=found.file_name,
                line=first["line"],
                column=f"{first['column']} {first.get('cell', '')}".rstrip(),
                problem=_problem(first),
                count=found.fault_count,
            )
        if not found.line_count:
            raise InvalidRequest(
                _("%(file)s has no line that can be read; nothing is imported."),
                code="statement_unreadable",
                file=found.file_name,
            )
        twin = Settlement.objects.using(alias).counted().filter(account=found.account, digest=found.digest).first()
        if twin is None:
            net = found.lines.using(alias).aggregate(sum=Sum("net"))["sum"] or _NOTHING
            mine.update(
                status=SettlementStatus.MATCHING,
                once=True,
                retry_at=now or current_time(),
                open_amount=net if found.kind == StatementKind.SETTLEMENT else _NOTHING,
            )
        return twin


def discard_settlement(draft: Settlement) -> None:
    """Delete a draft with all lines; raises ``InvalidRequest`` for a confirmed settlement."""
    mine = Settlement.objects.using(database()).filter(pk=draft.pk, status=SettlementStatus.DRAFT)
    if not mine.exists():
        raise InvalidRequest(
            _("Settlement %(settlement)s counts already; it can't be discarded."),
            code="settlement_counts",
            settlement=str(draft),
        )
    lines = SettlementLine.objects.using(database()).filter(settlement=draft, settlement__status=SettlementStatus.DRAFT)
    with transaction.atomic(using=database()):
        mine.update(attempts=F("attempts"))  # locks the settlement before its lines
        lines._raw_delete(database())
        mine._raw_delete(database())


def discard_old_drafts(now: datetime) -> None:
    """Delete drafts older than ``DRAFTS_LIVE``, at most ten: drafts hold personal data."""
    drafts = Settlement.objects.using(database()).filter(status=SettlementStatus.DRAFT)
    for draft in drafts.filter(created_at__lt=now - DRAFTS_LIVE)[:10]:
        discard_settlement(draft)
        record_remark(None, Remark.ENDED, actor=CLOCK, data={"about": "draft_not_confirmed", "settlement": str(draft)})


def told(settlement: Settlement) -> str:
    """Return the problems of a settlement's bad lines as text: the first five in full, the rest as a number."""
    shown = [
        gettext("line %(line)d, %(column)s: %(problem)s")
        % {"line": fault["line"], "column": fault["column"], "problem": problem_of(fault)}
        for fault in settlement.faults[:MOST_TOLD]
    ]
    if more := settlement.fault_count - len(shown):
        shown.append(gettext("And %(count)d more.") % {"count": more})
    return " ".join(shown)


def problem_of(fault: dict[str, Any]) -> str:
    """Return the problem of a bad line, as kept by a settlement, in the active language."""
    return f"{fault.get('cell', '')} {_problem(fault).sentence}".lstrip()


def _problem(fault: dict[str, Any]) -> PagoEfectivoError:
    # A row of the first migration has a whole sentence, in English, and no code.
    message, code = fault.get("message") or fault["problem"], fault.get("code", "line_unreadable")
    return PagoEfectivoError(message, code=code, **fault.get("params", {}))


def _check_date(dated: date | None) -> None:
    if dated and not 2000 <= dated.year < 2200:
        raise InvalidRequest(
            _("dated is %(date)s; pass the day of the transfer, from 2000 to 2199."),
            code="settlement_date_out_of_range",
            date=dated,
        )


def _account(channel: str) -> str:
    known = accounts()
    if channel:
        return get_channel(channel).account
    if len(known) != 1:
        raise InvalidRequest(
            _("There are %(count)d accounts; say which channel the statement is of."),
            code="channel_not_said",
            count=len(known),
        )
    return next(iter(known))


def _write_lines(draft: Settlement, statement: Statement, progress: Callable[[int], object]) -> None:
    lines, seen = statement.lines(), Counter[str]()
    while batch := list(islice(lines, BATCH)):
        faults = [line for line in batch if isinstance(line, Fault)]
        draft.fault_count += len(faults)
        draft.faults += [
            {
                "line": fault.number,
                "column": fault.column,
                "cell": fault.cell,
                "code": fault.code,
                "message": fault.message,
                "params": fault.params,
            }
            for fault in faults[: MOST_FAULTS - len(draft.faults)]
        ]
        rows = [_row(draft, line, seen) for line in batch if isinstance(line, Line)]
        with transaction.atomic(using=database()):
            insert_many(SettlementLine, _COLUMNS, rows)
        draft.line_count += len(rows)
        progress(draft.line_count)


def _row(draft: Settlement, line: Line, seen: Counter[str]) -> tuple[Any, ...]:
    (
        number,
        code,
        transaction_code,
        operation_number,
        gross,
        _,
        _,
        _,
        _,
        paid_at,
        payer,
        collector,
        ignored,
        doubt,
        status_said,
        payment_amount,
        payment_currency,
        rate,
    ) = line
    if ignored:
        gross, fee, net = _NOTHING, Fee(_NOTHING, _NOTHING), _NOTHING
    else:
        fee = _fee(draft, line)
        net = gross - fee.amount - fee.tax
    said: Iterable[Any] = (
        draft.account, draft.kind, draft.currency, code, transaction_code, operation_number, gross, fee.amount,
        fee.tax, paid_at, payer, *((payment_amount, payment_currency) if payment_currency else ()),
    )  # fmt: skip
    text = "\x1f".join(map(str, said))
    if gross < 0 or not operation_number:
        # Two payments without operation numbers, or two parts of a refund, may be equal in every field. The count tells
        # their lines apart, so both are kept.
        seen[text] += 1
        text += f"\x1f{seen[text]}"
    status = LineStatus.IGNORED if ignored else LineStatus.NEW
    return (
        draft.pk, number, code, transaction_code, operation_number, draft.currency, gross, fee.amount, fee.tax, net,
        paid_at, payer[:100], collector[:120], sha256(text.encode()).hexdigest(), None, status.value,
        ignored or doubt, {"said": status_said} if status_said else {}, "", payment_amount, payment_currency, rate,
    )  # fmt: skip


def _fee(draft: Settlement, line: Line) -> Fee:
    """Return fee and IGV of a line; a commission with IGV included is divided by the day's rate.

    A commission in another currency than the payment's is a fee: IGV is a tax in Peru, and the file names none.
    """
    if line.fee is not None and line.tax is not None:
        return Fee(line.fee, line.tax)
    commission = line.commission
    if commission is None:
        commission = line.gross - line.net if line.net is not None else _NOTHING
    if line.payment_currency:
        return Fee(commission, _NOTHING)
    return split_commission(commission, lima_day(line.paid_at) if line.paid_at else draft.dated)
