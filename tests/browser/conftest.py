"""Real Chromium, driven by Playwright. Where it is not installed these tests are skipped, which the run says loudly."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.chromium import CHROMIUM, FLAGS

Open = Callable[..., Page]

# Milliseconds: a machine that does five other things is slow, and nothing is wrong with the page.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for a module."""
    if not CHROMIUM:
        pytest.skip("Chromium is not installed")
    with pytest.MonkeyPatch.context() as patch:
        # Playwright keeps an event loop in this thread, in which Django would not let us use the database.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            yield browser
            browser.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Open]:
    """A function that opens an address as somebody with a device of their own, who wants nothing from other hosts."""
    contexts, strays, errors = [], [], []

    def open_page(address: str, *, width: int = 360, dark: bool = False, scripts: bool = True, **more: Any) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": 740},
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
            timezone_id="Europe/Madrid",
            **more,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        ours = ("http://127.0.0.1", "http://localhost", "data:")
        page.on("request", lambda request: None if request.url.startswith(ours) else strays.append(request.url))
        page.goto(address)
        return page

    open_page.errors = errors  # type: ignore[attr-defined]
    yield open_page
    for context in contexts:
        context.close()
    assert not strays, f"requests to other hosts: {strays}"
    assert not errors, f"the browser complains: {errors}"
