"""Kind 12: a real gunicorn, a real message in pieces: it is read, and the doctor says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from pagoefectivo_django.channels.memory import MemoryChannel
from pagoefectivo_django.doctor import examine, webhook
from pagoefectivo_django.models import Notification, Payment, Refusal
from tests.factories.messages import SECRET, paid
from tests.factories.orders import make
from tests.serving import gunicorn

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("pagoefectivo_memory"),
    pytest.mark.once,
]

WSGI = ["--threads=2", "django.core.wsgi:get_wsgi_application()"]
ASGI = ["--worker-class=asgi", "django.core.asgi:get_asgi_application()"]


def test_a_message_in_pieces_is_read(child_environment: dict[str, str], tmp_path: Path, settings: Any) -> None:
    order = make()
    body = paid(order)
    with gunicorn(child_environment, tmp_path, *WSGI) as site:
        headers = {"PE-Signature": MemoryChannel.sign(body, SECRET)}
        pieces = iter([body[:10], body[10:11], body[11:]])  # whose length requests does not know
        answer = requests.post(f"{site}/pay/webhooks/default/", pieces, headers=headers, timeout=20)
        assert answer.status_code == 200
        assert Payment.objects.get().amount == order.amount
        long = requests.post(f"{site}/pay/webhooks/default/", iter([b" " * 50_000] * 4), headers=headers, timeout=20)
        assert long.status_code == 413
        assert Refusal.objects.get().reason == "too_large"
        settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"PUBLIC_URL": site}
        said = {one.seen: one.verdict for one in examine() if one.step == "webhook default"}
        assert said["A message in pieces (chunked) is read."] == "ok"
        (huge,) = [seen for seen in said if "says it has" in seen]
        assert "is answered 413 before they are sent" in huge
    assert Notification.objects.count() == 1


def test_under_asgi_it_is_read_and_so_is_everything_else(
    child_environment: dict[str, str], tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Django stores a whole body before any code of a project runs; only the server in front can refuse it sooner."""
    monkeypatch.setattr(webhook, "QUIET", 1.0)
    with gunicorn(child_environment, tmp_path, *ASGI) as site:
        settings.PAGOEFECTIVO = settings.PAGOEFECTIVO | {"PUBLIC_URL": site}
        said = {one.seen: one.verdict for one in examine() if one.step == "webhook default"}
        assert said["A message in pieces (chunked) is read."] == "ok"
        (huge,) = [seen for seen in said if "says it has" in seen]
        assert "is not refused before they are sent" in huge
        assert said[huge] == "warning"
