"""The desk: evidence side by side, what may be done about a discrepancy, and the list with its filters."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from pagoefectivo_django.admin.comparison import MOST_SHOWN, guesses
from pagoefectivo_django.admin.explanations import EXPLANATIONS
from pagoefectivo_django.flows import assign_discrepancy, comment_on, reopen_discrepancy, resolve_discrepancy
from pagoefectivo_django.models import Deposit, Discrepancy, Notification, Order
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.states import Kind
from pagoefectivo_django.testing import notify, pay
from tests.factories.discrepancies import open_discrepancy
from tests.factories.people import STAFF
from tests.factories.settlements import settlement, settlement_line
from tests.reading import page

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/pagoefectivo/discrepancy/"
NewOrder = Callable[..., Order]


def url(discrepancy: Discrepancy, verb: str) -> str:
    return reverse(f"admin:pagoefectivo_discrepancy_{verb}", args=[discrepancy.pk])


def panel(html: str, title: str) -> dict[str, str]:
    """Return a column of the page: what stands beside each label."""
    found = re.search(rf'<section class="module pagoefectivo-panel"><h2>{title}</h2>(.*?)</section>', html, re.DOTALL)
    assert found, title
    pairs = re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", found[1], re.DOTALL)
    return {strip_tags(label): " ".join(strip_tags(value).split()) for label, value in pairs}


def section(html: str, title: str) -> str:
    found = re.search(rf"<h2>{title}</h2>(.*?)</section>", html, re.DOTALL)
    return found[1] if found else ""


def listed(staff: Client, **filters: str) -> set[int]:
    answer = staff.get(LIST, filters)
    assert answer.status_code == 200
    return {row.pk for row in answer.context["cl"].result_list}


# The kinds.


def test_every_kind_says_what_it_means_and_what_to_do() -> None:
    assert set(EXPLANATIONS) == set(Kind)
    assert len({str(text) for text in EXPLANATIONS.values()}) == len(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_page_and_a_page_to_answer_it(staff: Client, kind: Kind) -> None:
    discrepancy = open_discrepancy(kind)
    html = page(staff, discrepancy)
    assert str(EXPLANATIONS[kind]).split(".")[0] in html.replace("&#x27;", "'")
    assert "None." in html
    assert "ignore" in staff.get(url(discrepancy, "resolve")).content.decode()


# Side by side.


def test_order_line_and_notifications_stand_side_by_side(staff: Client, new_order: NewOrder) -> None:
    order = pay(new_order(), operation_number="11")
    of = settlement_line(
        code=order.code, gross=Decimal("120.60"), operation_number="12", transaction_code="", collector="BCP"
    )
    html = page(staff, open_discrepancy(Kind.AMOUNT_MISMATCH, order=order, cip=order.cip, line=of))
    ours, theirs = panel(html, "Our order"), panel(html, "The provider&#x27;s line")
    assert (ours["Order"], ours["State"], ours["Amount"]) == ("SHOP-1001", "paid", "S/ 120.50")
    assert order.cip
    assert (ours["CIP"], ours["Transaction code"]) == (order.code, order.cip.transaction_code)
    assert (ours["Operation number"], ours["Settled"]) == ("11", "–")
    assert theirs["Gross"] == "S/ 120.60 ≠ differs"
    assert theirs["Operation number"] == "12 ≠ differs"
    assert (theirs["Fee"], theirs["IGV"], theirs["Net"]) == ("S/ 1.00", "S/ 0.18", "S/ 119.42")
    assert (theirs["CIP"], theirs["Transaction code"], theirs["Collector"]) == (order.code, "–", "BCP")
    assert "differs" not in theirs["Paid"]
    assert of.settlement.reference in theirs["Settlement"]
    message = Notification.objects.get()
    assert f"/notification/{message.pk}/change/" in section(html, "Notifications")
    (said,) = panel(html, "Notifications").values()
    assert said == f"payment {order.code} applied"
    assert f"/order/{order.pk}/change/" in section(html, "Our order")
    assert html.count("≠") == 2


def test_what_is_the_same_is_not_marked(staff: Client, new_order: NewOrder) -> None:
    order = pay(new_order(), operation_number="11")
    assert order.cip
    of = settlement_line(
        code=order.code,
        gross=Decimal("120.50"),
        operation_number="11",
        transaction_code=order.cip.transaction_code,
        paid_at=order.paid_at,
    )
    html = page(staff, open_discrepancy(Kind.DUPLICATE_LINE, order=order, cip=order.cip, line=of))
    assert "≠" not in html
    back = settlement_line(code=order.code, gross=Decimal("-120.50"), fee=Decimal(0), tax=Decimal(0))
    assert "≠" not in page(staff, open_discrepancy(Kind.REFUND_UNMATCHED, order=order, cip=order.cip, line=back))


@pytest.mark.parametrize(
    ("label", "changes"),
    [
        ("CIP", {"code": "999"}),
        ("Transaction code", {"transaction_code": "another"}),
        ("Gross", {"currency": "USD"}),
        ("Paid", {"paid_at": timezone.now() - timedelta(days=2)}),
    ],
)
def test_each_difference_is_marked(staff: Client, new_order: NewOrder, label: str, changes: dict[str, Any]) -> None:
    order = pay(new_order(), operation_number="11")
    named: dict[str, Any] = {"code": order.code, "gross": Decimal("120.50"), "paid_at": order.paid_at}
    of = settlement_line(**named | changes)
    theirs = panel(
        page(staff, open_discrepancy(Kind.MISSING_HERE, order=order, cip=order.cip, line=of)),
        "The provider&#x27;s line",
    )
    assert [name for name, value in theirs.items() if "≠ differs" in value] == [label]


def test_the_payment_that_came_stands_by_the_order(staff: Client, discrepancy: Discrepancy) -> None:
    html = page(staff, discrepancy)
    assert panel(html, "Our order")["Payment"] == "S/ 1.00 4711 held ≠ differs"
    assert panel(html, "The provider&#x27;s line") == {}
    assert len(panel(html, "Notifications")) == 1


def test_a_settlement_shows_its_sums_and_deposits(staff: Client) -> None:
    of = settlement(open_amount=Decimal("10.00"))
    for gross in ("100.00", "50.00"):
        settlement_line(of, gross=Decimal(gross), status="matched")
    settlement_line(of, status="duplicate", first=None, gross=Decimal("1000.00"))
    now = timezone.now()
    for amount in ("100.00", "37.64"):
        Deposit.objects.create(
            settlement=of, amount=Decimal(amount), received_on=now.date(), author="rosa", created_at=now
        )
    discrepancy = open_discrepancy(Kind.PAYOUT_MISMATCH, settlement=of, amount=Decimal("10.00"), currency="PEN")
    theirs = panel(page(staff, discrepancy), "The provider&#x27;s settlement")
    assert (theirs["Gross"], theirs["Fee"], theirs["IGV"]) == ("S/ 150.00", "S/ 2.00", "S/ 0.36")
    assert (theirs["Net"], theirs["Deposits"]) == ("S/ 147.64", "S/ 137.64 ≠ differs")
    assert theirs["Open"] == "S/ 10.00"
    Deposit.objects.create(
        settlement=of, amount=Decimal("10.00"), received_on=now.date(), author="rosa", created_at=now
    )
    theirs = panel(page(staff, discrepancy), "The provider&#x27;s settlement")
    assert theirs["Deposits"] == "S/ 147.64"


def test_a_fee_that_is_not_the_contracts_is_marked(staff: Client, new_order: NewOrder) -> None:
    discrepancy = open_discrepancy(
        Kind.FEE_MISMATCH, line=settlement_line(status="matched"), amount=Decimal("0.10"), currency="PEN"
    )
    theirs = panel(page(staff, discrepancy), "The provider&#x27;s line")
    assert [name for name, value in theirs.items() if "≠" in value] == ["Fee", "IGV"]


@pytest.mark.parametrize(
    ("paid", "difference", "language"),
    [
        ("36.00", "S/ 84.50 too little", "en"),
        ("121.00", "S/ 0.50 too much", "en"),
        ("121.00", "S/ 0.50 de más", "es"),
        ("36.00", "少付 S/ 84.50", "zh-hans"),
    ],
)
def test_how_much_too_much_or_too_little_was_paid_is_said_in_words(
    staff: Client, new_order: NewOrder, paid: str, difference: str, language: str
) -> None:
    order = pay(new_order(), operation_number="7", amount=Decimal(paid))
    notify(order, operation_number="8", amount=Decimal("84.50"))
    first, second = Discrepancy.objects.order_by("pk")
    html = [
        staff.get(url(asked, "change"), headers={"accept-language": language}).content.decode().replace("\xa0", " ")
        for asked in (first, second)
    ]
    assert difference in html[0]
    assert f"S/ {Decimal(paid) + Decimal('84.50'):,.2f}" in html[1]


def test_the_evidence_begins_with_what_decides_in_the_readers_language(staff: Client, new_order: NewOrder) -> None:
    pay(new_order(), operation_number="7", amount=Decimal("36.00"))
    answer = staff.get(url(Discrepancy.objects.get(), "change"), headers={"accept-language": "es"})
    headings = re.findall(r"<th[^>]*>\s*([^<]*?)\s*</th>", section(answer.content.decode(), "Evidencia"))
    assert [each.casefold() for each in headings][:4] == ["hecho", "monto", "moneda", "diferencia con el pedido"]


# What a line may be.


def test_a_line_that_nobody_knows_has_suggestions_the_same_payer_first(staff: Client, new_order: NewOrder) -> None:
    dni = {"document_type": "DNI", "document_number": "45678912"}
    payers: dict[str, dict[str, Any]] = {"OTHER": {}, "SAME-MAIL": {}, "SAME-DNI": dni}
    orders = [
        pay(new_order(name, payer=Payer(email=f"{name.lower()}@example.com", **more)), operation_number=name)
        for name, more in payers.items()
    ]
    pay(new_order("DEARER", amount=Decimal("121.00")), operation_number="9")
    of = settlement_line(code="404", gross=Decimal("120.50"), payer="Same-Mail@example.com")
    assert [found.cip.order.reference for found in guesses(of)] == ["SAME-MAIL", "OTHER", "SAME-DNI"]
    of.payer = "45678912"
    assert [found.cip.order.reference for found in guesses(of)] == ["SAME-DNI", "OTHER", "SAME-MAIL"]
    html = section(page(staff, open_discrepancy(Kind.MISSING_HERE, line=of)), "Suggestions only: .*?")
    for order in orders:
        assert f"/order/{order.pk}/change/" in html
    assert "DEARER" not in html
    assert "@" not in html


@pytest.mark.parametrize("spoiled", ["settled", "late", "account", "currency", "undated"])
def test_what_can_not_be_the_line_is_not_suggested(new_order: NewOrder, spoiled: str) -> None:
    order = pay(new_order(), operation_number="1")
    of = settlement_line(code="404", gross=Decimal("120.50"))
    assert len(guesses(of)) == 1
    if spoiled == "settled":
        Order.objects.filter(pk=order.pk).update(settled_at=timezone.now())
    elif spoiled == "late":
        of.paid_at = timezone.now() + timedelta(days=1, hours=1)
    elif spoiled == "account":
        of.settlement.account = "memory:other"
    elif spoiled == "currency":
        of.currency = "USD"
    else:
        of.paid_at = None
    assert not guesses(of)


def test_suggestions_are_few_and_only_for_lines_that_nobody_knows(staff: Client, new_order: NewOrder) -> None:
    orders = [pay(new_order(f"SHOP-{number}"), operation_number=str(number)) for number in range(MOST_SHOWN + 1)]
    of = settlement_line(code="404", gross=Decimal("120.50"))
    assert len(guesses(of)) == MOST_SHOWN
    html = page(staff, open_discrepancy(Kind.AMOUNT_MISMATCH, order=orders[0], line=of))
    assert "Suggestions only" not in html


# Deeds.


def test_the_page_offers_what_can_be_done(staff: Client, discrepancy: Discrepancy) -> None:
    html = page(staff, discrepancy)
    offered = {verb: url(discrepancy, verb) in html for verb in ("resolve", "reopen", "assign", "comment")}
    assert offered == {"resolve": True, "reopen": False, "assign": True, "comment": True}
    resolve_discrepancy(discrepancy, "ignore", **STAFF)
    html = page(staff, discrepancy)
    offered = {verb: url(discrepancy, verb) in html for verb in ("resolve", "reopen", "assign", "comment")}
    assert offered == {"resolve": False, "reopen": True, "assign": False, "comment": True}


@pytest.mark.parametrize("verb", ["resolve", "reopen", "assign", "comment"])
def test_who_may_only_look_does_nothing(looker: Client, discrepancy: Discrepancy, verb: str) -> None:
    data = {"resolution": "ignore", "reason": "x", "who": "me", "text": "x"}
    if verb == "reopen":
        resolve_discrepancy(discrepancy, "ignore", **STAFF)
    known = discrepancy.events.count()
    assert url(discrepancy, verb) not in page(looker, discrepancy)
    assert looker.get(url(discrepancy, verb)).status_code == 403
    assert looker.post(url(discrepancy, verb), data).status_code == 403
    assert discrepancy.events.count() == known


def test_take_it_give_it_put_it_back(staff: Client, discrepancy: Discrepancy, hire: Callable[..., Client]) -> None:
    hire("luis", "view_discrepancy", "change_discrepancy")
    assert 'value="me"' in staff.get(url(discrepancy, "assign")).content.decode()
    for data, holder in (({"who": "me"}, "rosa"), ({"who": "other", "name": "luis"}, "luis"), ({"who": "nobody"}, "")):
        assert staff.post(url(discrepancy, "assign"), data).status_code == 302
        discrepancy.refresh_from_db()
        assert discrepancy.assigned_to == holder
        assert (holder or "nobody") in page(staff, discrepancy)


@pytest.mark.parametrize("name", ["", "nobody-here", "eva", "paula"])
def test_a_discrepancy_is_given_only_to_who_may_answer_it(
    staff: Client, discrepancy: Discrepancy, hire: Callable[..., Client], django_user_model: type, name: str
) -> None:
    hire("eva", "view_discrepancy")
    django_user_model.objects.create_user("paula", is_staff=False)  # type: ignore[attr-defined]
    answer = staff.post(url(discrepancy, "assign"), {"who": "other", "name": name})
    assert answer.status_code == 200
    assert "may answer discrepancies" in answer.content.decode()
    discrepancy.refresh_from_db()
    assert discrepancy.assigned_to == ""


def test_comments_and_answers_stand_in_the_timeline(staff: Client, discrepancy: Discrepancy) -> None:
    staff.post(url(discrepancy, "assign"), {"who": "me"})
    staff.post(url(discrepancy, "comment"), {"text": "I called <b>them</b>."})
    staff.post(url(discrepancy, "resolve"), {"resolution": "ignore", "reason": "Agreed by phone"})
    staff.post(url(discrepancy, "reopen"), {"reason": "They called back"})
    discrepancy.refresh_from_db()
    assert (discrepancy.status, discrepancy.reason, discrepancy.assigned_to) == ("open", "", "rosa")
    rows = re.findall(r"<tr>(.*?)</tr>", section(page(staff, discrepancy), "Timeline"), re.DOTALL)[1:]
    cells = [[strip_tags(cell) for cell in re.findall(r"<td.*?>(.*?)</td>", row, re.DOTALL)][1:] for row in rows]
    assert cells == [
        ["a message of the provider", "discrepancy opened", "–", "–"],
        ["rosa", "assigned", "assigned to: rosa", "–"],
        ["rosa", "commented", "–", "I called &lt;b&gt;them&lt;/b&gt;."],
        ["rosa", "answered", "answer: ignore", "Agreed by phone"],
        ["rosa", "reopened", "–", "They called back"],
    ]


@pytest.mark.parametrize(
    ("verb", "data"), [("comment", {"text": " "}), ("comment", {"text": "x" * 501}), ("assign", {})]
)
def test_what_is_incomplete_is_asked_again(
    staff: Client, discrepancy: Discrepancy, verb: str, data: dict[str, str]
) -> None:
    answer = staff.post(url(discrepancy, verb), data)
    assert (answer.status_code, discrepancy.events.count()) == (200, 1)
    assert "errorlist" in answer.content.decode()


def test_who_comes_second_reads_what_the_first_did(staff: Client, discrepancy: Discrepancy) -> None:
    resolve_discrepancy(discrepancy, "ignore", **STAFF)
    reopen_discrepancy(discrepancy, actor="luis", reason="x")
    assert "was reopened by luis" in staff.post(url(discrepancy, "reopen"), {"reason": "y"}).content.decode()
    resolve_discrepancy(discrepancy, "ignore", actor="luis", reason="x")
    assert "was resolved by luis" in staff.post(url(discrepancy, "assign"), {"who": "me"}).content.decode()


def test_a_line_can_be_ignored_and_is_offered_nothing_else(staff: Client, new_order: NewOrder) -> None:
    discrepancy = open_discrepancy(Kind.AMOUNT_MISMATCH, order=new_order(), line=settlement_line())
    html = staff.get(url(discrepancy, "resolve")).content.decode()
    assert re.findall(r'name="resolution" value="(\w+)"', html) == ["ignore"]
    assert "checked" in html
    answer = staff.post(url(discrepancy, "resolve"), {"resolution": "accept", "reason": "x"})
    assert "errorlist" in answer.content.decode()
    staff.post(url(discrepancy, "resolve"), {"resolution": "ignore", "reason": "Theirs"})
    assert discrepancy.line
    discrepancy.line.refresh_from_db()
    assert (discrepancy.line.status, discrepancy.line.reason) == ("ignored", "Theirs")


# The list.


def test_the_list_says_whose_how_old_and_how_much(staff: Client, discrepancy: Discrepancy) -> None:
    assign_discrepancy(discrepancy, "luis", actor="luis")
    Discrepancy.objects.update(created_at=timezone.now() - timedelta(days=3))
    html = staff.get(LIST).content.decode()
    for shown in ("SHOP-1001", "S/\u00a01.00", "luis", "a refund is due"):
        assert shown in html
    for days, age in ((0, "today"), (1, "1 day"), (3, "3 days")):
        Discrepancy.objects.update(created_at=timezone.now() - timedelta(days=days))
        assert re.search(rf"<td\b[^>]*\bfield-age\b[^>]*>{age}<", staff.get(LIST).content.decode())


@pytest.mark.every_database
@pytest.mark.parametrize(
    ("days", "span"), [(0, "0"), (1, "1-3"), (3, "1-3"), (4, "4-7"), (7, "4-7"), (8, "8"), (400, "8")]
)
def test_filter_by_age(staff: Client, days: int, span: str) -> None:
    discrepancy = open_discrepancy(Kind.LOST_CODE)
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    for moment in (today, today + timedelta(hours=23, minutes=59)):
        Discrepancy.objects.update(created_at=moment - timedelta(days=days))
        assert {one for one in ("0", "1-3", "4-7", "8") if discrepancy.pk in listed(staff, age=one)} == {span}


@pytest.mark.every_database
@pytest.mark.parametrize(
    ("amount", "range_"),
    [
        ("0.01", "small"), ("99.99", "small"), ("100.00", "middle"), ("1000.00", "middle"), ("1000.01", "large"),
        ("-99.99", "small"), ("-100.00", "middle"), ("-1000.00", "middle"), ("-5000.00", "large"), (None, None),
    ],
)  # fmt: skip
def test_filter_by_amount(staff: Client, amount: str | None, range_: str | None) -> None:
    discrepancy = open_discrepancy(Kind.LOST_CODE)
    Discrepancy.objects.update(amount=amount, currency="PEN")
    assert [one for one in ("small", "middle", "large") if discrepancy.pk in listed(staff, amount=one)] == (
        [range_] if range_ else []
    )


@pytest.mark.every_database
def test_filter_by_kind_status_and_holder(staff: Client) -> None:
    mine, theirs, free = (open_discrepancy(kind) for kind in (Kind.LOST_CODE, Kind.UNPROCESSED, Kind.MISSING_HERE))
    assign_discrepancy(mine, "rosa", actor="rosa")
    assign_discrepancy(theirs, "luis", actor="luis")
    resolve_discrepancy(theirs, "ignore", **STAFF)
    assert listed(staff, assigned="me") == {mine.pk}
    assert listed(staff, assigned="nobody") == {free.pk}
    assert listed(staff, kind__exact="unprocessed") == {theirs.pk}
    assert listed(staff, status__exact="open") == {mine.pk, free.pk}
    assert listed(staff, assigned="x", age="x", amount="x") == {mine.pk, theirs.pk, free.pk}


def test_search_finds_a_settlement(staff: Client) -> None:
    of = open_discrepancy(Kind.MISSING_HERE, line=settlement_line(settlement(reference="LIQ-2026-77")))
    open_discrepancy(Kind.MISSING_HERE, line=settlement_line())
    assert listed(staff, q="2026-77") == {of.pk}


def test_a_discrepancy_of_no_order_is_known_by_its_line_or_settlement(staff: Client) -> None:
    of = settlement_line(settlement(reference="LIQ-A"), number=7)
    open_discrepancy(Kind.MISSING_HERE, line=of)
    open_discrepancy(Kind.PAYOUT_MISMATCH, settlement=settlement(reference="LIQ-B"))
    html = staff.get(LIST).content.decode()
    assert "LIQ-A #7" in html
    assert "LIQ-B" in html
    assert of.digest not in page(staff, Discrepancy.objects.get(line=of))


def test_filters_cost_no_statement(staff: Client) -> None:
    for _ in range(3):
        open_discrepancy(Kind.LOST_CODE)
    costs = []
    for filters in ({}, {"age": "1-3", "amount": "small", "assigned": "me", "kind__exact": "lost_code"}):
        with CaptureQueriesContext(connection) as captured:
            answer = staff.get(LIST, filters)
        costs.append(len([query for query in captured if "pagoefectivo_discrepancy" in query["sql"]]))
        assert b"_facets" not in answer.content
    assert costs[1] <= costs[0]


@pytest.mark.parametrize("many", [1, 12])
def test_a_page_costs_the_same_however_much_happened(staff: Client, new_order: NewOrder, many: int) -> None:
    order = pay(new_order(), operation_number="11")
    discrepancy = open_discrepancy(
        Kind.DUPLICATE_LINE, order=order, cip=order.cip, line=settlement_line(code=order.code)
    )
    page(staff, discrepancy)
    for number in range(many):
        comment_on(discrepancy, str(number), actor="rosa")
        notify(order, operation_number=f"9{number}")
    with CaptureQueriesContext(connection) as captured:
        html = page(staff, discrepancy)
    assert section(html, "Notifications").count("<dt>") == min(many + 1, MOST_SHOWN)
    assert len(captured) <= 25, "\n".join(query["sql"][:200] for query in captured)
