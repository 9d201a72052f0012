"""What the tests of the helpers for shops' tests need."""

from __future__ import annotations

from typing import Any

import django
import pytest


@pytest.fixture(autouse=True)
def mailers(settings: Any) -> None:
    """Name the mailer where Django asks for one (6.1)."""
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
