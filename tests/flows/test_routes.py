"""An order finds its way: which channels may be asked, in which order, and when a channel gives way to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from django.core.checks import run_checks
from django.db import connection
from django.test.utils import CaptureQueriesContext

from pagoefectivo_django.channels.base import Presents
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.errors import InvalidRequest, Misconfigured, OutcomeUnknown, Refused, Unavailable
from pagoefectivo_django.flows import reissue_code, tick
from pagoefectivo_django.flows.ledger.advance import advance
from pagoefectivo_django.flows.orders.open_link import open_link
from pagoefectivo_django.flows.possible import actions_of
from pagoefectivo_django.flows.provider.health import health
from pagoefectivo_django.flows.provider.routes import Candidate, has_links, route
from pagoefectivo_django.models import ApiCall, Cip, Order
from pagoefectivo_django.models.clock import current_time
from pagoefectivo_django.payer import Payer
from pagoefectivo_django.wording.data import in_words
from tests.clock import later
from tests.factories.messages import report
from tests.factories.orders import make
from tests.reading import CONTROL, calls, discrepancies, fresh

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("pagoefectivo_memory")]


class PeruOnly(MemoryChannel):
    countries = frozenset({"PE"})


class SolesOnly(MemoryChannel):
    currencies = frozenset({"PEN"})


class DocumentNeeded(MemoryChannel):
    needs_document: ClassVar = {"DNI": "[0-9]{8,9}", "RUC": "[0-9]{11}"}


class ThreeDays(MemoryChannel):
    expires_within = (timedelta(hours=1), timedelta(days=3))


class AnyDate(MemoryChannel):
    expires_within = None  # type: ignore[assignment]


class LaterOnly(MemoryChannel):
    expires_within = (timedelta(days=30), timedelta(days=60))


class PeruvianLinks(PeruOnly):
    presents = Presents.LINK


#: What the shop's own function does in this test.
_own: list[Callable[[Order, Sequence[Candidate]], Any]] = []


def chosen(order: Order, candidates: Sequence[Candidate]) -> Any:
    return _own[-1](order, candidates)


Sell = Callable[..., None]


@pytest.fixture
def sells_by(settings: Any) -> Sell:
    """A function that sets the channels, each an account of its own, and the route of both currencies."""
    options = settings.PAGOEFECTIVO["CHANNELS"]["default"]["OPTIONS"]

    def use(routes: Any = None, /, **channels: type[MemoryChannel] | None) -> None:
        entries = {
            alias: {
                "BACKEND": f"{backend.__module__}.{backend.__qualname__}" if backend else "no.such.Channel",
                "OPTIONS": options | {"NAME": alias, "CAN_FIND": True},
            }
            for alias, backend in channels.items()
        }
        routes = {key: list(channels) for key in ("PEN", "USD")} if routes is None else routes
        settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": entries, "ROUTES": routes}

    return use


@pytest.fixture
def three(sells_by: Sell) -> None:
    sells_by(a=MemoryChannel, b=MemoryChannel, c=MemoryChannel)


@pytest.fixture
def own(sells_by: Sell) -> Callable[[Callable[[Order, Sequence[Candidate]], Any]], None]:
    """A function that lets a function of the shop choose among three channels."""

    def use(function: Callable[[Order, Sequence[Candidate]], Any]) -> None:
        _own.append(function)
        sells_by(f"{chosen.__module__}.chosen", a=MemoryChannel, b=MemoryChannel, c=MemoryChannel)

    return use


def asked(order: Order) -> list[str]:
    """Return the channels whose answer the order's codes are about, the oldest first."""
    return list(Cip.objects.filter(order=order).order_by("pk").values_list("channel", flat=True))


def way(order: Order, now: datetime | None = None, **how: Any) -> list[str]:
    """Return the aliases of an order's route, in the order in which they would be asked."""
    return [one.alias for one in route(order, now or current_time(), **how) if not isinstance(one, Misconfigured)]


def called(account: str, *statuses: int | None, ago: timedelta = timedelta(0)) -> None:
    """Record calls to an account, the oldest first and a second apart, the last one so long ago."""
    last = current_time() - ago
    for place, status in enumerate(reversed(statuses)):
        ApiCall.objects.create(
            channel=account, account=f"memory:{account}", method="POST", path="/v1/cips", status=status,
            began_at=last - timedelta(seconds=place), milliseconds=5,
        )  # fmt: skip


# A channel excludes itself.


@pytest.mark.parametrize(
    ("backend", "changes", "why"),
    [
        (SolesOnly, {"currency": "USD"}, "currency"),
        (PeruOnly, {"payer": Payer("ana@example.com", country="EC")}, "country"),
        (PeruOnly, {"payer": Payer("ana@example.com", country="ECUADOR")}, "country"),
        (DocumentNeeded, {}, "document"),
        (DocumentNeeded, {"payer": Payer("a@example.com", document_type="CE", document_number="12345678")}, "document"),
        (
            DocumentNeeded,
            {"payer": Payer("a@example.com", document_type="RUC", document_number="12345678")},
            "document",
        ),
        (ThreeDays, {"expires_at": later(days=5)}, "expiry"),
    ],
)
def test_an_order_goes_to_the_next_channel_where_the_first_can_not_take_it(
    sells_by: Sell, backend: type[MemoryChannel], changes: dict[str, Any], why: str
) -> None:
    sells_by(first=backend, second=AnyDate)
    assert asked(make(**changes)) == ["second"]
    sells_by(first=backend, other=backend, third=backend)
    if why == "expiry":  # as it is where a single channel can't take the date
        with pytest.raises(InvalidRequest) as refusal:
            make(**changes)
        assert refusal.value.code == "expires_at_out_of_range"
        return
    with pytest.raises(InvalidRequest) as refusal:
        make(**changes)
    assert refusal.value.code == "no_route"
    assert refusal.value.params["left_out"] == f"first: {why}, other: {why}, third: {why}"
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    ("backend", "payer"),
    [
        (PeruOnly, {}),
        (PeruOnly, {"country": "pe"}),
        (PeruOnly, {"country": "Perú"}),
        (PeruOnly, {"country": ""}),
        (DocumentNeeded, {"document_type": "DNI", "document_number": "1234.5678"}),
        (DocumentNeeded, {"document_type": "RUC", "document_number": "20123456789"}),
        (DocumentNeeded, {"document_number": "12345678"}),
    ],
)
def test_an_order_goes_to_the_first_channel_that_can_take_it(
    sells_by: Sell, backend: type[MemoryChannel], payer: dict[str, str]
) -> None:
    sells_by(first=backend, second=MemoryChannel)
    assert asked(make(payer=Payer("ana@example.com", **payer))) == ["first"]


def test_a_date_between_two_ranges_is_no_route(sells_by: Sell) -> None:
    sells_by(soon=ThreeDays, later=LaterOnly)
    with pytest.raises(InvalidRequest) as refusal:
        make(expires_at=later(days=10))
    assert (refusal.value.code, refusal.value.params["left_out"]) == ("no_route", "soon: expiry, later: expiry")


def test_the_least_date_that_may_be_asked_for_is_a_date_that_a_channel_takes(sells_by: Sell) -> None:
    sells_by(first=ThreeDays, second=MemoryChannel)
    now = current_time()
    assert asked(make(expires_at=now + timedelta(hours=1), now=now)) == ["first"]


def test_an_order_that_waited_keeps_its_channels(sells_by: Sell) -> None:
    """Where the time has become too short the provider says so, and nobody but the clock ends an order in silence."""
    sells_by(first=ThreeDays)
    MemoryChannel.fail("issue", Unavailable("down"))
    order = make(expires_at=later(minutes=61))
    tick(later(minutes=10))
    assert fresh(order).state == "pending"


# A function of the shop chooses.

Choose = Callable[[Callable[[Order, Sequence[Candidate]], Any]], None]


def test_a_function_chooses_among_the_candidates(own: Choose) -> None:
    heard: list[tuple[str, list[str]]] = []

    def by_amount(order: Order, candidates: Sequence[Candidate]) -> list[str]:
        heard.append((order.reference, [one.alias for one in candidates]))
        assert all(one.abilities.can_find and one.health.asked_last_until is None for one in candidates)
        assert [one.account for one in candidates] == ["memory:a", "memory:b", "memory:c"]
        return ["c", "a"] if order.amount > 100 else ["b"]

    own(by_amount)
    assert asked(make("LARGE", amount=Decimal(500))) == ["c"]
    assert asked(make("SMALL")) == ["b"]
    assert heard == [("LARGE", ["a", "b", "c"]), ("SMALL", ["a", "b", "c"])]


def test_a_function_may_name_channels_that_exclude_themselves(own: Choose, settings: Any) -> None:
    own(lambda order, candidates: ["a", "b"])
    channels = settings.PAGOEFECTIVO["CHANNELS"]
    dear = channels["a"] | {"OPTIONS": channels["a"]["OPTIONS"] | {"MIN_AMOUNT": Decimal(1000)}}
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"CHANNELS": channels | {"a": dear}}
    assert asked(make()) == ["b"]


def test_what_a_function_does_to_its_order_is_forgotten(own: Choose) -> None:
    def spoil(order: Order, candidates: Sequence[Candidate]) -> list[str]:
        order.amount, order.state = Decimal(1), "paid"
        return ["a"]

    own(spoil)
    order = make()
    assert (fresh(order).amount, fresh(order).state) == (Decimal("35.50"), "pending")
    assert MemoryChannel("a", {"NAME": "a"}).book[order.code].report.amount == Decimal("35.50")


def _fail(order: Order, candidates: Sequence[Candidate]) -> list[str]:
    raise KeyError(order.email)


def _fail_in_sql(order: Order, candidates: Sequence[Candidate]) -> Iterable[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT no_such_column FROM no_such_table")
    return []


@pytest.mark.every_database
@pytest.mark.parametrize(
    "function",
    [_fail, _fail_in_sql, lambda *_: None, lambda *_: ["nowhere"], lambda *_: "ab", lambda *_: [["a"]], lambda *_: []],
)
def test_an_order_waits_for_a_function_that_fails(
    own: Choose, function: Callable[[Order, Sequence[Candidate]], Any], caplog: pytest.LogCaptureFixture
) -> None:
    """No default sends money by another road."""
    own(function)
    order = make()
    assert (fresh(order).state, calls("issue")) == ("new", [])
    assert "ROUTES" in fresh(order).last_error
    assert "ERROR" in {record.levelname for record in caplog.records} or not function(order, ())
    own(lambda order, candidates: ["b"])
    tick(later(hours=1))
    assert (fresh(order).state, asked(order)) == ("pending", ["b"])


@pytest.mark.every_database
def test_a_function_that_fails_after_a_refusal_rejects_nothing(own: Choose) -> None:
    told = iter([lambda *_: ["a"], _fail_in_sql, _fail, lambda *_: ["b"]])
    own(lambda order, candidates: next(told)(order, candidates))
    MemoryChannel.fail("issue", Refused("no"))
    order = make()
    assert (fresh(order).state, fresh(order).pending_action) == ("new", "issue")
    tick(later(hours=1))
    assert (fresh(order).state, asked(order)) == ("pending", ["a", "b"])


def test_an_order_is_rejected_when_all_that_the_function_chose_have_refused(own: Choose) -> None:
    own(lambda order, candidates: ["b", "a"])
    for _ in range(2):
        MemoryChannel.fail("issue", Refused("no"))
    order = make()
    assert (fresh(order).state, asked(order)) == ("rejected", ["b", "a"])


def test_a_reissue_whose_function_fails_leaves_the_old_code(own: Choose) -> None:
    own(lambda order, candidates: ["a"])
    order = make()
    own(_fail)
    with pytest.raises(Misconfigured) as caught:
        reissue_code(order)
    assert caught.value.code == "routes_failed"
    assert "ana@example.com" not in str(caught.value)
    assert fresh(order).cip.status == "current"  # type: ignore[union-attr]
    assert calls("delete") == []


@pytest.mark.parametrize("path", ["no.such.function", "chosen", "pagoefectivo_django.conf.UNIX", ""])
def test_a_path_that_leads_to_no_function_is_told_and_the_order_waits(sells_by: Sell, path: str) -> None:
    sells_by(path, a=MemoryChannel)
    assert "pagoefectivo.E004" in {message.id for message in run_checks(tags=["pagoefectivo"])}
    order = make()
    assert (fresh(order).state, calls("issue")) == ("new", [])
    sells_by(a=MemoryChannel)
    tick(later(hours=1))
    assert fresh(order).state == "pending"


def test_a_function_is_silent_in_the_checks(own: Choose) -> None:
    own(lambda order, candidates: ["a"])
    assert not [message for message in run_checks(tags=["pagoefectivo"]) if message.id == "pagoefectivo.E004"]


def test_an_order_that_no_candidate_takes_is_not_written_whatever_the_function_says(own: Choose) -> None:
    own(lambda order, candidates: ["a"])
    with pytest.raises(InvalidRequest) as refusal:
        make(expires_at=later(days=500))
    assert refusal.value.code == "expires_at_out_of_range"
    assert not Order.objects.exists()


# A channel gives way.


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("error", [Refused("no"), Unavailable("down"), Misconfigured("keys")])
def test_a_channel_that_refused_or_was_not_reached_gives_way_at_once(error: Exception) -> None:
    MemoryChannel.fail("issue", error)
    order = make()
    assert (fresh(order).state, order.cip and order.cip.channel) == ("pending", "b")


@pytest.mark.usefixtures("three")
def test_the_next_channel_is_asked_after_a_no_that_counts() -> None:
    MemoryChannel.fail("issue", OutcomeUnknown("dropped"))
    order = make()
    tick(later(minutes=2))
    assert asked(order) == ["a"], "the no comes too early"
    tick(later(minutes=5))
    assert asked(order) == ["a", "b"]
    assert fresh(order).state == "pending"


@pytest.mark.usefixtures("three")
def test_the_route_goes_on_behind_the_channel_that_lost_an_answer() -> None:
    """The first was down when the second lost its answer."""
    MemoryChannel.fail("issue", Unavailable("down"))
    MemoryChannel.fail("issue", OutcomeUnknown("dropped"))
    order = make()
    assert asked(order) == ["b"]
    tick(later(minutes=5))
    assert asked(order) == ["b", "c"]


def test_the_same_channel_is_asked_again_where_there_is_no_other(sells_by: Sell) -> None:
    sells_by(a=MemoryChannel)
    MemoryChannel.fail("issue", OutcomeUnknown("dropped"))
    order = make()
    tick(later(minutes=5))
    assert (asked(order), fresh(order).state) == (["a", "a"], "pending")


@pytest.mark.usefixtures("three")
def test_nobody_else_is_asked_until_find_answers_and_a_person_is_told() -> None:
    MemoryChannel.fail("issue", OutcomeUnknown("dropped"))
    order = make()
    for minutes in range(5, 75, 5):
        MemoryChannel.fail("find", OutcomeUnknown("silent"))
        tick(later(minutes=minutes))
        MemoryChannel.failures.clear()
    assert (asked(order), discrepancies()) == (["a"], ["lost_code"])
    tick(later(minutes=80))
    assert (asked(order), fresh(order).state) == (["a", "b"], "pending")


@pytest.mark.usefixtures("three")
def test_whichever_code_is_paid_first_pays_the_order() -> None:
    MemoryChannel.fail("issue", OutcomeUnknown("dropped"))
    order = make()
    tick(later(minutes=5))
    first = Cip.objects.get(channel="a")
    advance(report(first, code="70099999", transaction_code=first.transaction_code))
    assert (fresh(order).state, fresh(order).cip) == ("paid", first)
    advance(report(Cip.objects.get(channel="b")))
    assert discrepancies() == ["duplicate_payment"]


@pytest.mark.usefixtures("three")
def test_an_order_goes_on_asking_the_channel_that_was_down_when_another_refused(settings: Any) -> None:
    """The pending action ended with the refusal, and nobody asked again."""
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"ROUTES": {"PEN": ["a", "b"]}}
    MemoryChannel.fail("issue", Unavailable("down"))
    MemoryChannel.fail("issue", Refused("no"))
    order = make()
    assert fresh(order).state == "new"
    tick(later(hours=1))
    assert (fresh(order).state, asked(order)) == ("pending", ["b", "a"])


def test_an_order_waits_for_a_channel_that_can_not_be_built_when_another_refused(sells_by: Sell) -> None:
    sells_by(a=None, b=MemoryChannel)
    MemoryChannel.fail("issue", Refused("no"))
    order = make()
    assert fresh(order).state == "new"
    sells_by(a=MemoryChannel, b=MemoryChannel)
    tick(later(hours=1))
    assert (fresh(order).state, asked(order)) == ("pending", ["b", "a"])


@pytest.mark.usefixtures("three")
def test_a_reissue_asks_each_channel_once_for_a_no(settings: Any) -> None:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"ROUTES": {"PEN": ["a", "b"]}}
    MemoryChannel.fail("issue", Refused("no"))
    order = make()
    assert asked(order) == ["a", "b"]
    MemoryChannel.fail("issue", Unavailable("down"))
    MemoryChannel.fail("issue", Refused("no"))
    with pytest.raises(Unavailable):
        reissue_code(order, now=later(minutes=1))
    MemoryChannel.fail("issue", Refused("no"))
    tick(later(hours=1))
    assert (asked(order)[2:], fresh(order).pending_action) == (["b", "a"], "")
    assert discrepancies() == ["not_confirmed"]


# Health.


@pytest.mark.usefixtures("three")
@pytest.mark.every_database
def test_a_channel_that_failed_most_of_its_last_calls_is_asked_last() -> None:
    called("a", 201, 503, None, 429)
    called("b", 201, 404, 503, 500)
    order = make()
    assert asked(order) == ["b"]
    assert way(order) == ["b", "c", "a"]
    for name in "bc":
        called(name, 503, None, 429)
    assert way(order) == ["a", "b", "c"], "none is left out"


@pytest.mark.usefixtures("three")
def test_a_failing_channel_is_asked_in_its_own_place_after_two_minutes_without_a_bad_call() -> None:
    called("a", 503, 503, ago=timedelta(seconds=100))
    order = make()
    assert way(order) == ["b", "c", "a"]
    assert way(order, current_time() + timedelta(seconds=30)) == ["a", "b", "c"]


@pytest.mark.usefixtures("three")
def test_only_the_last_calls_count() -> None:
    called("a", *[503] * 30, *[201] * 10, ago=timedelta(seconds=1))
    assert health("memory:a", current_time()).calls == 20
    assert health("memory:a", current_time()).asked_last_until is None, "half is not most"
    called("a", *[503] * 15)
    assert health("memory:a", current_time()).asked_last_until is not None
    ApiCall.objects.all().delete()
    called("a", *[503] * 5, ago=timedelta(minutes=11))
    called("a", 201, 201, 201)
    assert health("memory:a", current_time()).bad == 0, "those of more than ten minutes ago"


@pytest.mark.usefixtures("three")
def test_health_costs_one_query_of_an_index_and_none_without_a_choice(settings: Any) -> None:
    def spent() -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            make()
        return [query["sql"] for query in captured if not CONTROL.match(query["sql"])]

    several = spent()
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"ROUTES": {"PEN": ["a"]}}
    alone = spent()
    assert len([sql for sql in alone if "apicall" in sql]) == 0
    assert len([sql for sql in several if "apicall" in sql]) == 1
    assert len(several) == len(alone) + 1


def test_a_function_is_told_the_health_and_decides(own: Choose) -> None:
    def well(order: Order, candidates: Sequence[Candidate]) -> list[str]:
        return [one.alias for one in candidates if one.health.asked_last_until] or ["c"]

    own(well)
    called("b", None, None)
    assert asked(make()) == ["b"]


# Links.


def test_a_link_that_the_payer_can_not_have_is_not_offered(sells_by: Sell) -> None:
    sells_by(code=MemoryChannel, link=PeruvianLinks)
    MemoryChannel.fail("issue", Unavailable("down"))
    MemoryChannel.fail("issue", Unavailable("down"))
    assert not has_links(make(payer=Payer("ana@example.com", country="EC")))
    assert has_links(make())


def test_the_function_runs_while_no_order_is_locked(own: Callable[[Any], None]) -> None:
    """Also when a refusal asks whether another channel is left."""
    inside: list[bool] = []

    def choose(order: Order, candidates: Sequence[Candidate]) -> list[str]:
        inside.append(bool(connection.savepoint_ids))  # a transaction around the function's own
        return ["a"]

    own(choose)
    MemoryChannel.fail("issue", Refused("no"))
    order = make()
    assert fresh(order).state == "rejected", "the function chose one channel, which refused"
    assert len(inside) > 1
    assert not any(inside)


class ShortLink(MemoryChannel):
    presents = Presents.LINK
    life = timedelta(minutes=10)


def test_a_second_press_asks_nobody_while_a_lost_code_may_exist(sells_by: Sell) -> None:
    sells_by(a=ShortLink, b=MemoryChannel, c=MemoryChannel)
    order = make()
    MemoryChannel.fail("issue", Unavailable("down"))
    MemoryChannel.fail("issue", OutcomeUnknown("lost"), after=True)
    MemoryChannel.failures["find"] = [(OutcomeUnknown("silent"), False)] * 9
    with pytest.raises(OutcomeUnknown):
        open_link(order, current_time())
    assert asked(order) == ["b"]
    with pytest.raises(InvalidRequest) as refusal:
        open_link(fresh(order), current_time())
    assert refusal.value.code == "code_pending"
    assert asked(order) == ["b"]
    MemoryChannel.failures["find"] = []
    with pytest.raises(InvalidRequest):  # b's code is there, and no link is needed
        open_link(fresh(order), current_time())
    assert (fresh(order).state, asked(order)) == ("pending", ["b"])


def test_an_order_whose_first_channel_is_down_says_so_and_offers_the_page_of_the_next(sells_by: Sell) -> None:
    sells_by(a=MemoryChannel, b=ShortLink)
    MemoryChannel.fail("issue", Unavailable("The provider is down."))
    order = make()
    (told,) = order.events.filter(kind="noted")
    assert (told.data["action"], told.data["about"], told.data["said"]) == (
        *("issue", "waits_for_press", "The provider is down."),
    )
    assert in_words(told.data).startswith("No code could be requested")
    assert (order.state, order.pending_action, actions_of([order])[order]["open_link"]) == ("new", "", "")
    with pytest.raises(InvalidRequest) as refusal:  # the press asks the first channel once more
        open_link(order, current_time())
    assert (refusal.value.code, fresh(order).state) == ("order_paid_by_code", "pending")


def test_an_order_that_waits_for_its_press_alone_notes_nothing(sells_by: Sell) -> None:
    sells_by(a=ShortLink)
    assert not make().events.filter(kind="noted").exists()


class Blind(MemoryChannel):
    """A provider that can't be asked by our number, whatever the OPTIONS say."""

    def __init__(self, alias: str, options: Mapping[str, Any]) -> None:
        super().__init__(alias, {**options, "CAN_FIND": False})


@pytest.mark.parametrize("first", [MemoryChannel, PeruvianLinks])
def test_a_process_that_died_at_the_second_provider_leaves_no_order_to_a_person(
    sells_by: Sell, first: type[MemoryChannel]
) -> None:
    """The provider knows nothing of the first request, or nobody of its link; so at most one code may exist."""
    sells_by(a=first, b=Blind)
    MemoryChannel.fail("issue", OutcomeUnknown("lost"))
    order = make()
    MemoryChannel.fail("issue", KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        tick(later(minutes=5))
    for minutes in (10, 15, 20):
        tick(later(minutes=minutes))
    assert (fresh(order).state, discrepancies()) == ("pending", [])
