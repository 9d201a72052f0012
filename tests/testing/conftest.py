"""What the tests of the helpers for shops' tests need."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _mailers(mailers: None) -> None:
    """Receivers and alerts send mails."""
