"""The last error of an attempt is kept on every database, whoever's words it is in, and forgotten after a success."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone, translation

from pagoefectivo_django.actors import Actor, ActorKind
from pagoefectivo_django.channels import failures
from pagoefectivo_django.channels.failures import Complaint, meaning
from pagoefectivo_django.errors import OutcomeUnknown, Refused
from pagoefectivo_django.facts import error_in
from pagoefectivo_django.models import Order
from tests.factories.orders import make

pytestmark = [pytest.mark.every_database, pytest.mark.django_db(transaction=True)]


def kept(problem: Exception | str) -> Order:
    """Put off an order because of a problem, and return the order as the database has it."""
    order = make()
    Order.objects.filter(pk=order.pk).update(retry_at=timezone.now() + timedelta(minutes=1))
    order.put_off(timezone.now(), problem)
    again = Order.objects.get(pk=order.pk)
    assert (order.last_error, order.error_data) == (again.last_error, again.error_data)
    return again


def test_a_refusal_with_twenty_complaints() -> None:
    """MariaDB takes JSON of 32 levels; a refusal may name twenty fields, and is quoted in another error."""
    complaints = [Complaint(f"field{number} 113", meaning("a value is not valid")) for number in range(20)]
    refused = failures.answered(Refused, "PagoEfectivo", 400, complaints, ["113"] * 20)
    quoted = OutcomeUnknown("%(said)s", code="made_up", said=Refused("%(said)s", code="made_up_too", said=refused))
    order = kept(quoted)
    assert order.last_error == f"OutcomeUnknown: {refused}"
    error = error_in(order.error_data or {})
    assert error
    with translation.override("es"):
        assert error.sentence == refused.sentence
        assert refused.sentence.startswith(
            "PagoEfectivo respondió 400: field0 113 (un valor no es válido); field1 113 ("
        )
    assert refused.sentence.count("(a value is not valid)") == str(refused).count("(a value is not valid)") == 20


@pytest.mark.parametrize(
    "problem",
    [
        ValueError("half \ud83d and \0 nothing"),
        OutcomeUnknown("half \ud83d and \0 nothing"),
        OutcomeUnknown("half \ud83d and \0 %(what)s", code="made_up", what="nothing"),
        OutcomeUnknown("half %(what)s", code="made_up", what="\ud83d and \0 nothing"),
        OutcomeUnknown("half %(who)s", code="made_up", who=Actor(ActorKind.PERSON, " and \0 nothing")),
        Refused(),
        OutcomeUnknown("%(said)s", code="made_up", said=Refused()),
    ],
    ids=["mistake", "no code", "sentence", "value", "actor", "empty", "empty inside"],
)
def test_letters_that_no_database_stores(problem: Exception) -> None:
    order = kept(problem)
    assert order.error_data
    error = error_in(order.error_data)
    assert error
    assert error.sentence not in ("", "None")
    assert not {"\0", "\ud83d"} & {*order.last_error, *error.sentence}


def test_a_code_of_wording() -> None:
    assert kept("payment_in_process").error_data == {"about": "payment_in_process"}
