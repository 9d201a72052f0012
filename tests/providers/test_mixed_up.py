"""A message of one provider at another's address, or about another account's code, is believed nowhere."""

from __future__ import annotations

import importlib
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from pagoefectivo_django.channels.base import Channel, Charge, Hint
from pagoefectivo_django.errors import InvalidSignature
from pagoefectivo_django.sandbox.dialects import DIALECTS
from tests.channels.contract import new_number
from tests.sandbox.running import Client

from .contract import ANA
from .dialect import DialectControl

#: Each provider's control, from the tests of its name.
MODULES = {name: importlib.import_module(f".test_{name}", __package__) for name in DIALECTS}


def control_of(name: str, dialects: Client) -> DialectControl:
    found = [each for each in vars(MODULES[name]).values() if getattr(each, "name", "") == name]
    control: DialectControl = found[0](dialects.site, dialects.session)
    return control


@pytest.fixture
def controls(dialects: Client, settings: Any) -> dict[str, DialectControl]:
    settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"PUBLIC_URL": "https://shop.example"}  # a hosted page's way back
    return {name: control_of(name, dialects) for name in DIALECTS}


def paid(control: DialectControl, channel: Channel) -> Any:
    """The message about a payment on the channel's account."""
    date, payer = timezone.now().replace(microsecond=0) + timedelta(days=2), replace(ANA, **control.document)
    charge = Charge(new_number(), Decimal("35.50"), control.currency, date, payer, "Two T-shirts")
    ref = channel.issue(charge).ref
    control.pay(ref)
    return ref, control.messages(ref)[-1]


@pytest.mark.parametrize("sender", DIALECTS)
def test_a_message_at_another_address_is_refused(controls: dict[str, DialectControl], sender: str) -> None:
    control = controls[sender]
    _, message = paid(control, control.channel(control.site))
    for name, other in controls.items():
        if name != sender:
            with pytest.raises(InvalidSignature):
                other.channel(other.site).verify(message)


@pytest.mark.parametrize("sender", DIALECTS)
def test_another_accounts_code_is_unknown(controls: dict[str, DialectControl], sender: str) -> None:
    """Even where both accounts would sign with one key, a look-up by the other account's key knows no such code."""
    control = controls[sender]
    ref, message = paid(control, control.channel(control.site))
    other = control.channel(control.site, other=True)
    if "other" not in control.lacks:  # EBANX signs for every merchant with one key
        with pytest.raises(InvalidSignature):
            other.verify(message)
    assert other.look_up([ref]) == {}
    assert all(isinstance(item, Hint) or item.account == other.account for item in other.read(message))
