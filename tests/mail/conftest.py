"""Messages for one test: connected, and disconnected afterwards."""

from collections.abc import Callable, Iterator
from typing import Any

import django
import pytest

from pagoefectivo_django import signals
from pagoefectivo_django.conf import MESSAGES
from pagoefectivo_django.receivers import connect_messages

Connect = Callable[..., None]


@pytest.fixture
def messages(settings: Any, mailers: None) -> Iterator[Connect]:
    """A function that connects what ``PAGOEFECTIVO`` says; without arguments every message, by mail."""
    before = {name: set(each.by_name) for name, each in signals.SIGNALS.items()}

    def connect(names: Any = MESSAGES, **others: Any) -> None:
        settings.PAGOEFECTIVO = {
            **settings.PAGOEFECTIVO,
            "PUBLIC_URL": "https://shop.example",
            "MESSAGES": names,
            **others,
        }
        settings.DEFAULT_FROM_EMAIL = "The Shop <pay@shop.example>"
        connect_messages()

    yield connect
    for name, each in signals.SIGNALS.items():
        for uid in set(each.by_name) - before[name]:
            each.disconnect(dispatch_uid=uid)


@pytest.fixture
def mail_server_at(settings: Any) -> Callable[[int], None]:
    """A function that has Django send its mail to a port of this machine; to 0: through what fails talkatively."""

    def choose(port: int) -> None:
        backend = "django.core.mail.backends.smtp.EmailBackend" if port else "tests.mail.server.Talkative"
        if django.VERSION >= (6, 1):
            options = {"host": "127.0.0.1", "port": port, "timeout": 20} if port else {}
            settings.MAILERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
        else:
            settings.EMAIL_BACKEND = backend
            settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, 20

    return choose
