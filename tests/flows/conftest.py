"""What several files about the flows begin with."""

from typing import Any

import pytest

from tests.factories.provider import Busy, serve_by


@pytest.fixture
def busy(settings: Any) -> None:
    """Let ``Busy`` serve the account; nothing happens during its calls yet."""
    Busy.during.clear()
    serve_by(settings, Busy)
