"""Real Chromium, driven by Playwright. Where it is not installed these tests are skipped, which the run says loudly."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.chromium import CHROMIUM, FLAGS

Open = Callable[..., Page]

# Milliseconds: a machine that does five other things is slow, and nothing is wrong with the page.
expect.set_options(timeout=30_000)


@dataclass
class Chromium:
    """The one browser of a session, and what is open in it."""

    browser: Browser
    #: Playwright keeps it in this thread.
    loop: asyncio.AbstractEventLoop
    #: One for each kind of device, since a new one costs half a second.
    contexts: dict[str, BrowserContext] = field(default_factory=dict)

    def context(self, *, clock: bool, **device: Any) -> BrowserContext:
        """Return the context of such a device; with ``clock`` a new one, since its timers are nobody else's."""
        key = f"{device}, {len(self.contexts) if clock else ''}"
        if key not in self.contexts:
            self.contexts[key] = self.browser.new_context(timezone_id="Europe/Madrid", **device)
            if clock:
                self.contexts[key].clock.install()
        return self.contexts[key]

    def tidy(self) -> None:
        """Close every page, and forget who was logged in."""
        for context in self.contexts.values():
            for page in context.pages:
                page.close()
            context.clear_cookies()


@pytest.fixture(scope="session")
def started_chromium() -> Iterator[Chromium]:
    """A browser that was started, and whose event loop nobody sees.

    In its sight ``asyncio.run`` and Django's database would refuse to work in every later test of this process.
    """
    if not CHROMIUM:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        started = Chromium(browser, asyncio.get_running_loop())
        asyncio._set_running_loop(None)
        yield started
        asyncio._set_running_loop(started.loop)
        browser.close()


@pytest.fixture
def chromium(started_chromium: Chromium) -> Iterator[Chromium]:
    """The session's browser, while one test drives it."""
    with pytest.MonkeyPatch.context() as patch:
        # With a loop in its thread Django would not let a test use the database.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        asyncio._set_running_loop(started_chromium.loop)
        yield started_chromium
        started_chromium.tidy()
        asyncio._set_running_loop(None)


@pytest.fixture
def visit(chromium: Chromium) -> Iterator[Open]:
    """A function that opens an address as somebody with a device of their own, who wants nothing from other hosts.

    With ``clock`` the page's timers are run at once (``page.clock``) instead of being waited for.
    """
    strays, errors = [], []

    def open_page(address: str, *, width: int = 360, dark: bool = False, clock: bool = False, **device: Any) -> Page:
        page = chromium.context(clock=clock, **device).new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        ours = ("http://127.0.0.1", "http://localhost", "data:")
        page.on("request", lambda request: None if request.url.startswith(ours) else strays.append(request.url))
        change_device(page, width, dark)
        page.goto(address)
        return page

    yield open_page
    assert not strays, f"requests to other hosts: {strays}"
    assert not errors, f"the browser complains: {errors}"


def change_device(page: Page, width: int, dark: bool = False) -> None:
    """Have the page that is open on another screen: widths and colours are a matter of style sheets."""
    page.set_viewport_size({"width": width, "height": 740})
    page.emulate_media(color_scheme="dark" if dark else "light")
    # Colours may pass slowly from one to the other.
    page.evaluate("document.getAnimations().forEach(animation => animation.finish())")


def assert_fits(page: Page) -> None:
    """Find nothing that sticks out of the screen."""
    page.wait_for_load_state()
    wide, screen = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= screen, f"{page.url} is {wide} pixels wide on {screen}"


#: Level AA of WCAG 2.2, and what is merely good practice.
WCAG, ADVICE = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "best-practice"


def assert_accessible(page: Page, *, advice: bool = True) -> None:
    """Find nothing at AA; nor, with ``advice``, against what is merely good practice."""
    page.wait_for_load_state()  # a link or a button that was clicked has opened the page, and no more
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    tags = [*WCAG, ADVICE] if advice else WCAG
    # To preload costs half of the time and is for sounds and films only.
    options = {"runOnly": {"type": "tag", "values": tags}, "resultTypes": ["violations"], "preload": False}
    found = AxeResults(page.evaluate("options => axe.run(options)", options))
    assert found.violations_count == 0, f"{page.url}: {found.generate_report()}"
