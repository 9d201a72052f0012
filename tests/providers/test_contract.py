"""Every channel to a provider keeps the contract, and sells: PagoEfectivo's, and one to a provider of another shape."""

import pytest

from .contract import ProviderContract
from .control import Control
from .story import ProviderStory


class TestPagoEfectivo(ProviderContract):
    @pytest.fixture
    def control(self, sandbox: Control) -> Control:
        return sandbox


class TestHinting(ProviderContract):
    @pytest.fixture
    def control(self, hinter: Control) -> Control:
        return hinter


class TestLinking(ProviderContract):
    @pytest.fixture
    def control(self, linker: Control) -> Control:
        return linker


class TestStoryOfPagoEfectivo(ProviderStory):
    @pytest.fixture
    def control(self, sandbox: Control) -> Control:
        return sandbox


class TestStoryOfHinting(ProviderStory):
    @pytest.fixture
    def control(self, hinter: Control) -> Control:
        return hinter


class TestStoryOfLinking(ProviderStory):
    @pytest.fixture
    def control(self, linker: Control) -> Control:
        return linker
