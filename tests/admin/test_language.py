"""Every page of staff in Spanish and Chinese: no English word of ours, and no raw name of the program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pagoefectivo_django.actors import CLOCK, IMPORT, NOTIFICATION, PAYER, POLL, PROGRAM, PROVIDER, SHOP
from pagoefectivo_django.channels.dlocal import DlocalChannel
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import InvalidRequest, OutcomeUnknown, Refused
from pagoefectivo_django.facts import of_error
from pagoefectivo_django.flows import (
    assign_discrepancy,
    cancel_order,
    comment_on,
    extend_order,
    publish_events,
    refund_order,
    reopen_discrepancy,
    resolve_discrepancy,
    tick,
)
from pagoefectivo_django.flows.inbox.apply import ask_person
from pagoefectivo_django.flows.refunds.refund import approve_refund, close_refund, give_account, send_refund
from pagoefectivo_django.models import (
    ApiCall,
    Delivery,
    Deposit,
    Discrepancy,
    FailingReceiver,
    Match,
    Notification,
    Order,
    OrderEvent,
    Payment,
    Refund,
    Refusal,
)
from pagoefectivo_django.models.database import failure
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.signals import SIGNALS
from pagoefectivo_django.states import Fact, Kind, LineStatus, OrderState, Remark
from pagoefectivo_django.testing import expire, notify, pay
from pagoefectivo_django.wording.sentences import ANSWERS, CLOSED, SENTENCES
from tests import catalogues
from tests.catalogues import HOMES, forms
from tests.clock import later
from tests.factories.discrepancies import open_discrepancy as ask
from tests.factories.orders import make
from tests.factories.people import CCI
from tests.factories.settlements import settlement
from tests.factories.settlements import settlement_line as line

LANGUAGES = {"es": "es", "zh-hans": "zh_Hans"}
OURS = [each for model, each in admin.site._registry.items() if model._meta.app_label == "pagoefectivo"]
#: Texts that are no words: names with points, colons, digits, slashes, at signs or dashes in them.
NAME = re.compile(r"\S*[\d.:/@\\]\w\S*|\S*\d\S*|PE-Signature")
#: Texts of Django's own for which Django has no translation.
DJANGO = {"Model name", "Add link", "Change or view list link", "Search", "Run"}
WORD = re.compile(r"[A-Za-z]{3,}")
RAW = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
#: A discrepancy's subject as the database has it.
SUBJECT = re.compile(r"\b(?:order|cip|payment|refund|notification|settlement|line|code):\w+")
#: What the rows below are called, names of persons, programs and formats, and words of a language that English has too.
DATA = frozenset(
    [
        "peru",
        "rosa",
        "eva",
        "luis",
        "ana",
        "zzz",
        "shop",
        "cart",
        "bcp",
        "memory",
        "default",
        "settlement",
        "text",
        "ship",
        "kilo",
        "liq",
        "csv",
        "xlsx",
        "json",
        "pdf",
        "utf",
        "http",
        "get",
        "post",
        "django",
        "admin",
        "pagoefectivo",
        "cip",
        "cci",
        "igv",
        "pen",
        "usd",
        "sha",
        "lima",
        "api",
        "url",
        "xls",
        "com",
        "qr",
        "iso",
        "excel",
    ]
)
BOTH = {
    "es": frozenset(
        [
            "actual",
            "control",
            "error",
            "general",
            "no",
            "normal",
            "original",
            "personal",
            "portal",
            "real",
            "regular",
            "social",
            "total",
            "usual",
        ]
    ),
    "zh-hans": frozenset[str](),
}


@cache
def english_only(language: str) -> frozenset[str]:
    """Return the words of our English texts that no text in this language has, and that no row below is called."""
    english, translated = set[str](), set[str]()
    for home in HOMES:
        if home.language == LANGUAGES[language] and home.package == "pagoefectivo_django":
            for message in catalogues.written(home):
                if message.id:
                    english |= {word.lower() for text in forms(message.id) for word in WORD.findall(text)}
                    translated |= {word.lower() for text in forms(message.string) for word in WORD.findall(text)}
    return frozenset(english - translated - DATA - BOTH[language])


class Visible(HTMLParser):
    """The texts that a page shows, without those that are other people's or a program's: of scripts and messages."""

    def __init__(self) -> None:
        super().__init__()
        self.texts, self.hidden = list[str](), list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag in ("script", "style", "pre", "code"):
            self.hidden.append(tag)
        shown = ["title", "placeholder", "aria-label", "alt"]
        if tag == "input" and named.get("type") in ("submit", "button"):
            shown.append("value")
        self.texts += [named[name] or "" for name in shown if name in named]

    def handle_endtag(self, tag: str) -> None:
        if self.hidden and self.hidden[-1] == tag:
            self.hidden.pop()

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.texts.append(data)


def strange(page: str, language: str) -> list[tuple[str, str]]:
    """Return English words of ours and raw names that a page shows, each with the text around."""
    visible = Visible()
    visible.feed(page)
    english = english_only(language)
    found = []
    for text in visible.texts:
        if text.strip() in DJANGO:
            continue
        found += [(raw, text.strip()) for raw in RAW.findall(text) if not NAME.search(text)]
        found += [(raw, text.strip()) for raw in SUBJECT.findall(text)]
        text = text.strip().removeprefix("Search ")  # Django's, followed by our name of a model
        shown = {word.lower() for word in WORD.findall(NAME.sub(" ", text))}
        found += [(word, text.strip()) for word in sorted(shown & english)]
    return found


def _events(order: Order) -> None:
    """Append an event of each kind, fact, actor and sentence."""
    params: dict[str, Any] = {
        "action": "cancel", "wanted": "extend", "state": "paid", "code": "7", "settlement": "LIQ-1", "count": 3,
        "until": "2026-11-30T12:00:00+00:00", "heard": "2026-11-30T12:00:00+00:00", "days": 3, "contract_fee": "1.00",
        "contract_tax": "0.18", "currency": "PEN", "exception": "Zzz",
        "payments": [{"amount": "1.00", "currency": "PEN", "operation_number": "7"}],
    }  # fmt: skip
    error = InvalidRequest("%(order)s is %(state)s.", code="zzz", order="A", state=OrderState.PAID)
    deeds: list[dict[str, Any]] = [{"data": {"about": about, **params}} for about in SENTENCES]
    deeds += [{"kind": kind} for kind in SIGNALS]
    deeds += [{"fact": fact} for fact in (*Fact, *Remark)]
    actors = (CLOCK, IMPORT, NOTIFICATION, PAYER, POLL, PROGRAM, PROVIDER, SHOP)
    deeds += [{"actor_kind": actor.kind, "actor_name": actor.name} for actor in actors]
    deeds += [
        {"data": {"refund": 1, "amount": "1.00", "currency": "PEN", "status": "sent"}},
        {"data": {"action": "extend", **of_error(error)}, "fact": "refused"},
        {"data": {"way": "text", "message": "created", "about": "too_old"}, "fact": "unsent"},
        {"data": {"event": "cip_issued", "receiver": "shop.ship"}, "fact": "retried"},
        {"data": {"discrepancy": "late_payment", "resolution": "accept"}},
        {"data": {"payment": 1, "amount": "1.00", "currency": "PEN"}},
        {"data": {"file": "bank.csv"}, "fact": "downloaded"},
        {"data": {"notification": "abc1"}, "fact": "retried"},
        {"data": {"to": ""}, "fact": "assigned"},
    ]
    named = {"order": order, "kind": "noted", "state_after": "paid", "created_at": timezone.now(), "actor_name": "rosa"}
    events = [OrderEvent(**named | deed, number=100 + number) for number, deed in enumerate(deeds)]
    OrderEvent.objects.append(events)


def _discrepancies() -> None:
    """Open a discrepancy of each kind, and close some in each way."""
    order = pay(make(reference="A-1"))
    for kind in Kind:
        ask(kind, order=order, evidence="Zzz")
        ask(kind, line=line(), evidence="Zzz")
    closings = [*CLOSED, *(f"told_{fact}" for fact in Fact)]
    for number, (because, about) in enumerate(zip(closings, SENTENCES, strict=False)):
        Discrepancy.objects.create(
            kind=Kind.NOT_CONFIRMED, subject=f"zzz:{number}", status="resolved", resolved_by="worker:poll",
            resolved_at=timezone.now(), closed_because=because, created_at=timezone.now(), order=order, amount=1,
            currency="PEN", evidence=[{
                "at": "2026-11-30T12:00:00+00:00", "about": about, "fact": "issued", "source": "answer",
                "difference": "-1.00", "together": "2.00", "left": "1.00", "deposit": "1.00", "counted_out": "1.00",
                "due": "2026-11-30", "paid_at": "2026-11-30T12:00:00+00:00", "currency": "PEN", "amount": "1.00",
                "answer": [*ANSWERS][number % len(ANSWERS)], "told": "payment", "returned": "1.00", "said": "Zzz",
            }],
        )  # fmt: skip
    wrong = make(reference="A-2")
    notify(wrong, amount="1.00")
    mine = Discrepancy.objects.get(order=wrong)
    assign_discrepancy(mine, "eva", actor="rosa")
    comment_on(mine, "Zzz", actor="rosa")
    resolve_discrepancy(mine, "refund_due", actor="rosa", reason="Zzz")
    reopen_discrepancy(mine, actor="rosa", reason="Zzz")


def _orders() -> None:
    """Make orders in each state, with what pending actions leave."""
    pending = make(reference="A-3", payer=Payer(email="ana@zzz.pe", name="Zzz", phone="999888777"), concept="Zzz")
    MemoryChannel.fail("extend", Refused("Zzz"))
    with pytest.raises(Refused):
        extend_order(pending, later(days=3), actor="rosa", reason="Zzz")
    cancel_order(make(reference="A-4"), actor="rosa", reason="Zzz")
    expire(make(reference="A-5"))
    MemoryChannel.fail("issue", Refused("Zzz"))
    make(reference="A-6")
    MemoryChannel.fail("issue", OutcomeUnknown("Zzz"))
    make(reference="A-7")
    waiting = make(reference="A-8")
    Order.objects.filter(pk=waiting.pk).update(
        pending_action="cancel", action_requested_by="shop:", retry_at=timezone.now() + timedelta(days=1)
    )
    _events(pay(make(reference="A-9")))


def _money() -> None:
    """Make refunds in each status, and settlements with lines of each status and reason."""
    now = timezone.now()
    for number in range(5):
        order = pay(make(reference=f"B-{number}"))
        refund = refund_order(order, Decimal("5.00"), actor="rosa", reason="Zzz")
        if number:
            approve_refund(refund, actor="eva")
        if number > 1:
            give_account(refund, bank="BCP", cci=CCI, holder="Zzz")
            send_refund(refund, actor="eva")
        if number > 2:
            close_refund(refund, done=number == 3, actor="eva", reason="Zzz")
    Refund.objects.filter(status="failed").update(data={"about": "payment_taken_back"}, outcome="")
    of = settlement(imported_by=str(IMPORT), fault_count=1, faults=[{
        "line": 1, "column": "Zzz", "code": "zzz", "message": "is 0, which nobody paid.", "params": {},
    }], reading={"format": "settlement_text", "encoding": "utf-8", "separator": "semicolon", "quoting": "none",
                 "header": "1", "decimal": ",", "dates": "dd/mm/yyyy", "fees": "deducted",
                 "columns": {"code": "A", "gross": "B"}, "notes": ["codes_of_different_lengths"]})  # fmt: skip
    statuses = [*LineStatus]
    for number, about in enumerate(SENTENCES):
        line(of, status=statuses[number % len(statuses)], about=about, data={"answer": "told", "told": "payment"})
    payment = Payment.objects.all()[0]
    for rule in ("code", "transaction_code", "operation_number", "hand"):
        Match.objects.create(
            line=line(of), payment=payment, kind="settlement", amount=1, rule=rule, author=str(IMPORT), created_at=now,
            stands=None,
        )  # fmt: skip
    Deposit.objects.create(settlement=of, amount=1, received_on=now.date(), author="rosa", created_at=now)


def _failures() -> None:
    """Let work on records of each kind have failed: by a provider's answer, a state of things, a receiver's mistake."""
    refused = DlocalChannel("default", {}).failure(400, "5012")
    problems: list[Exception | str] = [refused, "never_back", ValueError("Zzz")]
    for model in (Order, Notification, Refund, Delivery):
        rows = list(model._base_manager.order_by("-pk")[:3])
        for row, problem in zip(rows, problems, strict=False):
            model._base_manager.filter(pk=row.pk).update(attempts=1, **failure(problem))
    Delivery.objects.update(delivered_at=None)
    ask_person(Notification.objects.all()[0], Kind.UNPROCESSED, timezone.now())


@pytest.fixture
def everything(transactional_db: None) -> None:
    _orders()
    _discrepancies()
    _money()
    now = timezone.now()
    FailingReceiver.objects.create(receiver="shop.ship", failures=9, since=now, paused_until=now)
    ApiCall.objects.create(
        channel="default", account="memory:default", method="GET", path="/v1/zzz", began_at=now, milliseconds=1
    )
    for reason in Refusal.Reason:
        Refusal.objects.create(channel="default", reason=reason, first_at=now, last_at=now)
    Notification.objects.filter(pk=Notification.objects.all()[0].pk).update(status="dead", fact="")
    publish_events()
    tick()
    _failures()


def addresses(model: type[Model]) -> Iterator[str]:
    """Yield the pages of a model: its list, the pages of its rows, and those of its buttons and files."""
    name = f"admin:pagoefectivo_{model._meta.model_name}"
    yield reverse(f"{name}_changelist")
    rows = [row.pk for row in model._default_manager.order_by("-pk")[:30]]
    yield from (reverse(f"{name}_change", args=[row]) for row in rows)
    for action in admin.site._registry[model].staff_actions:  # type: ignore[attr-defined]
        yield from (reverse(f"{name}_{action.name}", args=[row]) for row in rows[::9])


def _shown(answer: Any) -> str:
    return answer.content.decode() if answer.get("content-type", "").startswith("text/html") else ""


@pytest.mark.long
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.usefixtures("everything")
def test_no_page_of_staff_shows_english_or_a_raw_name(admin_client: Client, language: str) -> None:
    found = dict[tuple[str, str], str]()
    for model in [each.model for each in OURS]:
        for address in addresses(model):
            page = _shown(admin_client.get(address, headers={"accept-language": language}))
            found |= dict.fromkeys(strange(page, language), address)
        rows = [row.pk for row in model._default_manager.order_by("-pk")[:2]]
        bulk = [action.name for action in admin.site._registry[model].staff_actions if action.bulk]  # type: ignore[attr-defined]
        for action in bulk:
            asked = {"action": action, "_selected_action": rows}
            address = reverse(f"admin:pagoefectivo_{model._meta.model_name}_changelist")
            page = _shown(admin_client.post(address, asked, headers={"accept-language": language}))
            found |= dict.fromkeys(strange(page, language), f"{address} {action}")
    for address in ("/admin/", "/admin/pagoefectivo/", "/admin/pagoefectivo/settlement/import/"):
        page = _shown(admin_client.get(address, headers={"accept-language": language}))
        assert page
        found |= dict.fromkeys(strange(page, language), address)
    assert not found, "\n".join(f"{word} in {text!r} of {place}" for (word, text), place in found.items())


def test_an_english_page_is_noticed(admin_client: Client) -> None:
    """The look itself finds what it looks for."""
    page = "<p>paid after it was cancelled</p><i>late_payment</i><input type=submit value='Undo the match'>"
    words = {word for word, _ in strange(page, "es")}
    assert {"paid", "cancelled", "late_payment", "undo", "match"} <= words
    assert not strange("<p>pagado tarde</p><script>undo the match</script>", "es")
