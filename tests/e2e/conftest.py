"""A real browser. Requests that leave the machine, and errors on the console, fail the test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from tests.live import ROOT, WebServer
from tests.world import PASSWORD, Persona

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    # MapLibre needs WebGL 2; this draws it in software.
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
)
DESKTOP = {"width": 1440, "height": 900}


def find_chromium() -> str | None:
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


# Playwright runs an event loop in this thread while it is open, under which Django refuses
# database work: so it ends with this package, and tests here read the database over HTTP.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("no Chromium found: install one, or name it in the variable CHROMIUM")
    if not (ROOT / "frontend" / "dist" / "manifest.json").exists():
        pytest.fail("the front end is not built: run `npm ci && npm run build` in frontend/")
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        # Chromium's sandbox refuses to run as root.
        flags = [*FLAGS, "--no-sandbox"] if root else list(FLAGS)
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def sign_in(browser: Browser, server: WebServer, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens a company's live map in a browser of its own, by way of the sign-in form."""
    problems: list[str] = []
    pages: list[Page] = []

    def watch(request: Request) -> None:
        host = urlsplit(request.url).hostname or ""
        if request.url.startswith("http") and not host.endswith("localhost"):
            problems.append(f"a request left the machine: {request.url}")

    def listen(message: ConsoleMessage) -> None:
        # A test that takes the network away causes the latter itself.
        if message.type == "error" and "ERR_INTERNET_DISCONNECTED" not in message.text:
            problems.append(f"console: {message.text}")

    def make(persona: Persona, *, viewport: dict[str, int] | None = None) -> Page:
        context = browser.new_context(viewport=viewport or DESKTOP)  # type: ignore[arg-type]
        page = context.new_page()
        page.on("request", watch)
        page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
        page.on("console", listen)
        page.goto(server.url_of(persona))
        page.get_by_label("Email").fill(persona.dispatcher)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_function("window.__sera?.connection() === 'live'")
        pages.append(page)
        return page

    yield make
    for page in pages:
        page.context.close()
    assert problems == []
