"""The app connected, networks of this machine allowed, and receivers."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps

from pagoefectivo_django import hooks
from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.contrib.webhooks.apps import PagoEfectivoWebhooksConfig
from pagoefectivo_django.signals import SIGNALS
from tests.api.conftest import caller, shop, uncounted  # noqa: F401  fixtures of the API's tests
from tests.contrib.webhooks.listening import Listener, listening


@pytest.fixture
def local(settings: Any) -> None:
    """Allow receivers on this machine, without TLS."""
    allowed = {"ALLOW": ["127.0.0.0/8", "::1"], "HTTP": True}
    settings.PAGOEFECTIVO = {**settings.PAGOEFECTIVO, "WEBHOOKS": allowed}


@pytest.fixture
def listener(local: None) -> Iterator[Listener]:
    """A receiver that accepts everything."""
    with listening() as found:
        yield found


@pytest.fixture
def webhooks() -> Iterator[None]:
    """Connect the app, as a shop's process does at its start."""
    MemoryChannel.clear()
    PagoEfectivoWebhooksConfig.ready(apps.get_app_config("pagoefectivo_webhooks"))  # type: ignore[arg-type]
    yield
    for signal in SIGNALS.values():
        signal.disconnect(dispatch_uid="pagoefectivo.webhooks")
    hooks.DELIVERING.clear()
    hooks.TROUBLES.clear()
    MemoryChannel.clear()


@pytest.fixture(autouse=True)
def _mailers(mailers: None) -> None:
    """Receivers and alerts send mails."""
