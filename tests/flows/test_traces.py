"""One id joins a request with its calls, its events, their deliveries and its log lines."""

import json
import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import InterfaceError, connection
from pythonjsonlogger.json import JsonFormatter

from pagoefectivo_django.channels.exchange import Exchange, heard_by
from pagoefectivo_django.channels.http import Call, Deadline, send
from pagoefectivo_django.flows import tick
from pagoefectivo_django.models import ApiCall, ApiCallSubject, Notification, Order
from pagoefectivo_django.traces import LOGGERS, current_trace, traced
from tests.channels.scripted import Says, Script, playing
from tests.factories.messages import paid, post
from tests.factories.orders import make

pytestmark = [pytest.mark.every_database, pytest.mark.django_db(transaction=True)]


class Lines(logging.Handler):
    """What a shop's own handler would print."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter("%(levelname)s %(name)s %(trace)s %(message)s"))
        self.found: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(json.loads(self.format(record)))


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, logger = Lines(), logging.getLogger("pagoefectivo")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_a_piece_of_work_within_another_has_its_id() -> None:
    assert current_trace() == ""
    with traced() as outer:
        assert len(outer) == 32
        with traced() as inner:
            assert inner == outer == current_trace()
        with traced("another") as other:
            assert other == "another"
        assert current_trace() == outer
    assert current_trace() == ""


@pytest.mark.parametrize("name", LOGGERS)
def test_every_logger_tells_it(lines: Lines, name: str) -> None:
    with traced("abc"):
        logging.getLogger(name).info("told")
    assert lines.found == [{"levelname": "INFO", "name": name, "trace": "abc", "message": "told"}]


@pytest.mark.usefixtures("pagoefectivo_memory")
def test_a_message_its_events_and_their_receivers_have_one(lines: Lines) -> None:
    order = make()
    post(paid(order))
    row = Notification.objects.get()
    assert len(row.trace) == 32
    assert {event.trace for event in order.events.filter(kind="payment_confirmed")} == {row.trace}
    assert order.events.get(kind="cip_issued").trace not in ("", row.trace)
    tick()
    assert not [line for line in lines.found if line["name"] != "pagoefectivo.worker" and not line["trace"]]


def test_a_sale_over_http_has_one_id_to_the_provider(settings: Any, lines: Lines) -> None:
    with playing() as script:
        assert isinstance(script, Script)
        issued = {"code": 100, "data": {"cip": 2459200, "currency": "PEN", "amount": 35.5}}
        script.on("POST /v1/cips", Says(201, issued))
        options = {
            "ENVIRONMENT": "sandbox", "SERVICE_ID": 1234, "ACCESS_KEY": "made-up", "SECRET_KEY": "made-up",
            "BASE_URL": script.base, "REQUEST_ID_HEADER": "X-Request-ID",
        }  # fmt: skip
        backend = "pagoefectivo_django.channels.pagoefectivo.PagoEfectivoChannel"
        settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {
            "CHANNELS": {"default": {"BACKEND": backend, "OPTIONS": options}}
        }
        order = make()
        heard = script.asked("POST /v1/cips")
    call = ApiCall.objects.get(path="/v1/cips")
    assert order.code == "2459200"
    assert (call.method, call.status, call.failed) == ("POST", 201, False)
    assert json.loads(call.request)["amount"] == "35.50"
    assert "ana@example.com" not in call.request + call.answer
    assert ApiCallSubject.objects.filter(call=call).get().order == order
    assert order.events.get(kind="cip_issued").trace == call.trace
    (asked,) = heard
    assert {name.lower(): value for name, value in asked.headers.items()}["x-request-id"] == call.trace
    (line,) = [line for line in lines.found if "/v1/cips 201" in line["message"]]
    assert line["trace"] == call.trace
    assert {event.trace for event in Order.objects.get().events.all()} == {call.trace}


@pytest.mark.parametrize("amount", ["1", "1.00"])
def test_an_order_of_one_gets_its_code(settings: Any, amount: str) -> None:
    """Our own request says 1.00, which equals True: while a body was redacted by its value, this code got lost."""
    with playing() as script:
        script.on(
            "POST /v1/cips", Says(201, f'{{"code": 100, "data": {{"cip": 2459202, "amount": {amount}}}}}'.encode())
        )
        options = {"SERVICE_ID": 1234, "ACCESS_KEY": "made-up", "SECRET_KEY": "made-up", "BASE_URL": script.base}
        backend = "pagoefectivo_django.channels.pagoefectivo.PagoEfectivoChannel"
        settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {
            "CHANNELS": {"default": {"BACKEND": backend, "OPTIONS": options}}
        }
        order = make(amount=Decimal("1.00"))
    assert (order.state, order.code) == ("pending", "2459202")
    assert json.loads(ApiCall.objects.get(path="/v1/cips").request)["amount"] == "1.00"


def test_a_call_that_cannot_be_written_down_is_answered_all_the_same(settings: Any, lines: Lines) -> None:
    """The code that the provider issued must not get lost for the sake of a record."""
    with playing() as script:
        script.on("POST /v1/cips", Says(201, {"code": 100, "data": {"cip": 2459201}}))
        options = {"SERVICE_ID": 1234, "ACCESS_KEY": "made-up", "SECRET_KEY": "made-up", "BASE_URL": script.base}
        backend = "pagoefectivo_django.channels.pagoefectivo.PagoEfectivoChannel"
        settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {
            "CHANNELS": {"default": {"BACKEND": backend, "OPTIONS": options}}
        }

        def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if sql.startswith("INSERT") and "apicall" in sql:
                raise InterfaceError("the connection is gone")
            return execute(sql, params, many, context)

        with connection.execute_wrapper(refuse):
            order = make()
    assert (order.state, order.code) == ("pending", "2459201")
    assert not ApiCall.objects.exists()
    assert [line for line in lines.found if "could not be written down (InterfaceError)" in line["message"]]


def test_a_listener_that_fails_costs_no_answer(lines: Lines) -> None:
    def broken(exchange: Exchange) -> None:
        raise RuntimeError("no room")

    with playing() as script, heard_by(broken):
        script.on("POST /x", Says(200, b"{}"))
        answer = send(Call("POST", f"{script.base.removesuffix('/v1/')}/x", 5), Deadline(5))
    assert answer.status == 200
    assert [line for line in lines.found if "could not be recorded (RuntimeError)" in line["message"]]
