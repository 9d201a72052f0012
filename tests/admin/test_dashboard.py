"""The first page answers: was I paid, is anything wrong, is it still working; and leads to what is behind it."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.timezone import localtime

from pagoefectivo_django.channels import get_channel
from pagoefectivo_django.documents.charts import COLOURS, FOOT, HEIGHT, WIDTH, columns
from pagoefectivo_django.flows.reports.accounts import environment_of, environments, known_accounts
from pagoefectivo_django.flows.reports.balance import ages
from pagoefectivo_django.flows.reports.health import calls, open_discrepancies, silence, waiting
from pagoefectivo_django.flows.reports.sales import conversion, days_until, open_amounts, paid_per_day
from pagoefectivo_django.models import ApiCall, Cip, Discrepancy, Heartbeat, Notification, Order, Payment, Refusal
from pagoefectivo_django.testing import pay
from tests.factories.messages import SECRET
from tests.factories.people import hire_superuser
from tests.factories.provider import serve_by

pytestmark = pytest.mark.every_database

ACCOUNT = "memory:default"
NOON = datetime.fromisoformat("2026-11-20T12:00:00-05:00")


@pytest.fixture
def owner(transactional_db: None) -> Client:
    return hire_superuser()


def home(client: Client, **query: str) -> str:
    answer = client.get(reverse("admin:app_list", args=["pagoefectivo"]), query)
    assert answer.status_code == 200
    return unescape(answer.content.decode()).replace("\u00a0", " ")


def sold(new_order: Callable[..., Order], reference: str, **changes: Any) -> Order:
    """Return a paid order, its times moved to where a test wants them."""
    order = new_order(reference)
    pay(order)
    Order.objects.filter(pk=order.pk).update(**changes)
    order.refresh_from_db()
    return order


def test_what_was_paid_is_counted_by_day_of_lima_and_channel(new_order: Callable[..., Order]) -> None:
    late = datetime.fromisoformat("2026-11-20T04:59:00+00:00")  # one minute before midnight in Lima
    sold(new_order, "A", paid_at=late)
    sold(new_order, "B", paid_at=late + timedelta(minutes=1))
    sold(new_order, "C", paid_at=NOON)
    sold(new_order, "TOO-OLD", paid_at=NOON - timedelta(days=14))
    new_order("UNPAID")
    found = paid_per_day([ACCOUNT], days_until(NOON, 14))
    assert [(str(one.day), one.count, one.amount) for one in found] == [
        ("2026-11-19", 1, Decimal("120.50")),
        ("2026-11-20", 2, Decimal("241.00")),
    ]
    assert paid_per_day(["another"], days_until(NOON, 14)) == []


def test_the_conversion_counts_who_got_a_code_and_how_soon_they_paid(new_order: Callable[..., Order]) -> None:
    for number, hours in enumerate((0.5, 5, 23, 30, 31)):
        sold(new_order, f"P-{number}", created_at=NOON, paid_at=NOON + timedelta(hours=hours))
    new_order("UNPAID")
    Order.objects.filter(reference="UNPAID").update(created_at=NOON)
    sold(new_order, "BEFORE", created_at=NOON - timedelta(days=1))
    found = conversion([ACCOUNT], NOON.date())
    assert (found.issued, found.paid, [speed.count for speed in found.speeds]) == (6, 5, [1, 1, 1, 2])


def test_what_can_still_be_paid_by_the_time_that_is_left(new_order: Callable[..., Order]) -> None:
    for number, hours in enumerate((-1, 3, 10, 30, 60)):
        order = new_order(f"O-{number}", currency="USD" if number == 4 else "PEN")
        Order.objects.filter(pk=order.pk).update(expires_at=NOON + timedelta(hours=hours))
    sold(new_order, "PAID", expires_at=NOON + timedelta(hours=3))
    found = open_amounts([ACCOUNT], NOON)
    assert [bucket.count for bucket in found] == [1, 1, 1, 1, 1]
    assert [bucket.amounts for bucket in found][3:] == [{"PEN": Decimal("120.50")}, {"USD": Decimal("120.50")}]


def test_what_is_paid_and_not_settled_by_its_age(new_order: Callable[..., Order]) -> None:
    for number, days in enumerate((0, 1, 3, 9, 40)):
        order = sold(new_order, f"S-{number}")
        Payment.objects.filter(cip__order=order).update(paid_at=NOON - timedelta(days=days))
    Payment.objects.filter(cip__order=sold(new_order, "BACK")).update(paid_at=NOON, status="reversed")
    assert [(str(age), age.count) for age in ages("PEN", NOON)] == [("0-1", 2), ("2-3", 1), ("4-7", 0), (">7", 2)]


def test_test_and_live_are_apart(new_order: Callable[..., Order], owner: Client) -> None:
    order = sold(new_order, "LIVE", paid_at=timezone.now())
    Cip.objects.filter(order=order).update(account="pagoefectivo:production:77")
    sold(new_order, "TEST", paid_at=timezone.now())
    assert environments(known_accounts()) == ["production", ""]
    assert environment_of(ACCOUNT) == ""
    assert home(owner).count("S/ 120.50 (1 order)") == home(owner, environment="").count("S/ 120.50 (1 order)") == 1
    assert "pagoefectivo:production:77" in home(owner, environment="production")


def test_silence_is_measured_against_the_same_hour_of_other_days(new_order: Callable[..., Order]) -> None:
    order = new_order()
    pay(order)
    first = Notification.objects.get()
    Notification.objects.update(received_at=NOON - timedelta(hours=2), last_received_at=NOON - timedelta(hours=2))
    assert silence(ACCOUNT, "default", NOON).usual is None
    for ago in range(1, 15):
        for place in range(4):
            moment = NOON - timedelta(days=ago, minutes=20 - place)
            first.pk, first.identity, first.received_at, first.last_received_at = None, f"{ago}-{place}", moment, moment
            first.save(force_insert=True)
    heard = silence(ACCOUNT, "default", NOON)
    assert heard.usual == timedelta(minutes=15)
    assert heard.silence == timedelta(hours=2)
    assert heard.too_long
    assert not silence(ACCOUNT, "default", NOON - timedelta(minutes=50)).too_long


def test_which_secret_proved_the_last_message(new_order: Callable[..., Order], settings: Any) -> None:
    pay(new_order())
    assert (silence(ACCOUNT, "default", NOON).verified_by, silence(ACCOUNT, "default", NOON).secrets) == (1, 1)
    serve_by(settings, WEBHOOK_SECRETS=["made-up-new", SECRET])
    assert (silence(ACCOUNT, "default", NOON).verified_by, silence(ACCOUNT, "default", NOON).secrets) == (2, 2)
    serve_by(settings, WEBHOOK_SECRETS=["made-up-new"])
    assert silence(ACCOUNT, "default", NOON).verified_by == 0
    assert len(get_channel("default").fingerprints()[0]) == 12


@pytest.mark.django_db
def test_calls_of_the_last_day() -> None:
    for hours, status, took in ((1, 200, 100), (2, None, 8000), (3, 503, 300), (25, None, 9)):
        ApiCall.objects.create(
            channel="default", account=ACCOUNT, method="POST", path="/v1/cips", status=status,
            began_at=NOON - timedelta(hours=hours), milliseconds=took,
        )  # fmt: skip
    found = calls(ACCOUNT, NOON)
    assert (found.count, found.failed, found.mean, found.longest) == (3, 2, 2800, 8000)


def test_each_channel_with_what_it_can_do(owner: Client, settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {
        "CHANNELS": {
            "cash": {
                "BACKEND": "pagoefectivo_django.channels.pagoefectivo.PagoEfectivoChannel",
                "OPTIONS": {"ENVIRONMENT": "sandbox", "SERVICE_ID": 1234, "ACCESS_KEY": "x", "SECRET_KEY": "x"},
            },
            "pages": {
                "BACKEND": "tests.providers.linking.LinkingChannel",
                "OPTIONS": {"BASE_URL": "http://localhost:1", "KEY": "x", "SECRET": "x"},
            },
        }
    }
    shown = {}
    for environment, alias in (("sandbox", "cash"), ("test", "pages")):
        table = home(owner, environment=environment).partition("What each channel can do")[2].partition("</table>")[0]
        head, *rows = (re.findall(r"<t[dh][^>]*>\s*(.*?)\s*</t[dh]>", row, re.DOTALL) for row in table.split("<tr")[1:])
        assert head[1:] == [alias.capitalize()]
        shown[alias] = dict(rows)
    assert shown["cash"]["the payer gets"] == "a code"
    assert shown["cash"]["currencies"] == "PEN, USD"
    assert shown["cash"]["date of the code"] == "10 minutes – 182 days"
    assert shown["pages"]["the payer gets"] == "a link"


def test_until_when_a_failing_provider_is_asked_last(
    new_order: Callable[..., Order], owner: Client, settings: Any
) -> None:
    new_order()
    now = timezone.now()
    ApiCall.objects.create(
        channel="default", account=ACCOUNT, method="POST", path="/v1/cips", status=503, began_at=now, milliseconds=9
    )
    until = localize(localtime(now + timedelta(minutes=2)))
    assert "Asked last until" in home(owner)
    assert until not in home(owner), "nobody else can be asked"
    entry = settings.PAGOEFECTIVO["CHANNELS"]["default"]
    second = entry | {"OPTIONS": entry["OPTIONS"] | {"NAME": "second"}}
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": {"default": entry, "second": second}}
    assert home(owner).count(until) == 1


def test_all_is_well_and_then_it_is_not(new_order: Callable[..., Order], owner: Client) -> None:
    pay(new_order())
    assert "nothing that we know of" in home(owner)
    Notification.objects.update(status="dead")
    Refusal.objects.create(channel="default", reason="unproven", count=41, first_at=NOON, last_at=timezone.now())
    Heartbeat.objects.update(beaten_at=timezone.now() - timedelta(hours=1))
    fields = {"kind": "late_payment", "created_at": timezone.now(), "evidence": []}
    Discrepancy.objects.create(subject="1", account=ACCOUNT, **fields)
    Discrepancy.objects.create(subject="2", account="pagoefectivo:production:1", **fields)
    Discrepancy.objects.create(subject="3", **fields)
    page = home(owner)
    assert "2 open discrepancies, 1 message given up" in page
    assert "no worker runs" in page
    assert "no current secret made its signature" in page
    assert ">41<" in page
    assert [(one.kind, one.count) for one in open_discrepancies([ACCOUNT])] == [("late_payment", 2)]
    assert waiting().dead == 1


def test_everything_leads_to_the_list_behind_it(new_order: Callable[..., Order], owner: Client) -> None:
    pay(new_order())
    new_order("OPEN")
    Discrepancy.objects.create(kind="late_payment", subject="1", created_at=timezone.now(), evidence=[])
    links = re.findall(r'href="(/admin/pagoefectivo/\w+/\?[^"]+)"', home(owner))
    assert len(links) > 15
    for one in links:
        answer = owner.get(one)
        assert answer.status_code == 200, (one, answer.headers.get("Location"))


def test_who_may_see_what(new_order: Callable[..., Order], hire: Callable[..., Client]) -> None:
    pay(new_order())
    assert "Was I paid?" not in home(hire("nobody", "view_refund"))
    page = home(hire("seller", "view_order"))
    assert "Was I paid?" in page
    assert "Refused messages" not in page
    assert "Open discrepancies" not in page
    assert "The books" not in page


def test_the_statements_do_not_grow_with_the_orders(new_order: Callable[..., Order], owner: Client) -> None:
    pay(new_order())
    home(owner)
    with CaptureQueriesContext(connection) as few:
        home(owner)
    for number in range(8):
        pay(new_order(f"MORE-{number}"))
    with CaptureQueriesContext(connection) as many:
        home(owner)
    assert len(many) == len(few) < 75


def test_columns_stand_on_each_other_and_stay_in_the_picture() -> None:
    ten = [(Decimal(10), "ten"), (Decimal(0), "none"), (Decimal(5), "five")]
    chart = columns(["a", "b", "c"], [("one", ten), ("two", ten)], "20")
    assert [one.height for one in chart.rectangles] == [75, 75, 37.5, 37.5]
    assert chart.rectangles[1].y == chart.rectangles[0].y - 75
    assert all(one.x >= 0 and one.x + one.width <= WIDTH and one.y >= 0 for one in chart.rectangles)
    assert all(one.y + one.height <= HEIGHT - FOOT for one in chart.rectangles)
    assert chart.legend == [(1, "one"), (2, "two")]
    assert (
        len({colour for colour, _ in columns(["a"], [(str(n), [(Decimal(1), "")]) for n in range(9)]).legend})
        == COLOURS
    )
    assert columns(["a"], [("none", [(Decimal(0), "")])]).rectangles == []
