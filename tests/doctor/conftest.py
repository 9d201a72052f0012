"""A shop that is well, for a doctor to look at."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from pagoefectivo_django.models import Heartbeat
from tests.sandbox.running import Client, running

BACKEND = "pagoefectivo_django.channels.pagoefectivo.PagoEfectivoChannel"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Client]:
    with running() as client:
        yield client


@pytest.fixture
def shop(sandbox: Client, live_server: Any, settings: Any, mailers: None, tmp_path: Path) -> Callable[..., None]:
    """A shop that is well; what is passed changes its settings, or the options of its channel (in capitals)."""
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": str(tmp_path)}
    }
    settings.DEFAULT_FROM_EMAIL = "shop@example.com"
    settings.DEBUG = True
    Heartbeat.objects.create(name="tick", beaten_at=timezone.now())

    def be(public_url: str = live_server.url, **options: Any) -> None:
        keys = {name: sandbox.keys[name] for name in ("SERVICE_ID", "ACCESS_KEY", "SECRET_KEY")}
        entry = {"BACKEND": BACKEND, "OPTIONS": keys | {"ENVIRONMENT": "sandbox", "BASE_URL": sandbox.base} | options}
        settings.PAGOEFECTIVO = {"CHANNELS": {"default": entry}, "PUBLIC_URL": public_url}

    be()
    return be
