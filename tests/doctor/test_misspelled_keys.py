"""Kind 12: a doctor signs with the settings that it judges, so what is misspelled there is told before it says "ok"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pagoefectivo_django.doctor import examine

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "wrong",
    [{"WEBHOOK_SECRET": "the provider's"}, {"TIMEOUTS": 5}, {"ENVIRONMENT": "prod"}],
    ids=lambda wrong: " ".join(wrong),
)
def test_what_is_misspelled_is_no_health(shop: Callable[..., None], wrong: dict[str, Any]) -> None:
    """Every step said ok: the test message was signed and proven by the other key alike."""
    shop(**wrong)
    told = [one for one in examine() if one.step == "settings" and one.verdict == "failure"]
    assert [one for one in told if next(iter(wrong)) in one.seen and one.hint], told


def test_what_is_spelled_right_is(shop: Callable[..., None]) -> None:
    shop(WEBHOOK_SECRETS=["a-made-up-secret-of-some-length"], TIMEOUT=5)
    assert [one for one in examine() if one.verdict == "failure"] == []
