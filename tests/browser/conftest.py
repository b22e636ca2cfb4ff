"""A real browser over the built book, by http and by file://, with every outside request refused and recorded.

The tests need Debian's ``chromium-headless-shell`` or its ``chromium`` (``apt-get install`` either). Without one they
skip; with CNNLAB_REQUIRE_BROWSER=1, as in continuous integration, they fail instead.
"""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.browser.pages import BOOK, write_page
from tools.chromium import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    # Nobody else is found. To ask for each request whether it may pass would cost a fifth of each visit.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
DESKTOP = {"width": 1280, "height": 800}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


def _executable() -> str:
    if path := chromium():
        return path
    message = "no chromium found; on Debian: apt-get install chromium-headless-shell (or chromium)"
    if os.environ.get("CNNLAB_REQUIRE_BROWSER") == "1":
        pytest.fail(f"{message} (CNNLAB_REQUIRE_BROWSER=1, so browser tests may not skip)")
    pytest.skip(message)


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of the built book."""
    if not (HTML / "index.html").is_file():
        pytest.fail(f"the book is not built ({HTML} has no index.html); run: make book")
    return HTML


@pytest.fixture(scope="session")
def http_site(html: Path) -> Iterator[str]:
    """The built book's address on a local http server, without a slash at the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(html)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(timeout=5)


@pytest.fixture(scope="session")
def file_site(html: Path) -> str:
    """The built book's address on disk."""
    return html.as_uri()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One chromium for all browser tests (a fresh profile each time)."""
    executable = _executable()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """What went on while a page was open."""

    page: Page
    outside: list[str] = field(default_factory=list)  # requests to anything but the book
    problems: list[str] = field(default_factory=list)  # console errors, uncaught exceptions, failed requests
    asked: list[str] = field(default_factory=list)  # addresses of the book's own that were asked for

    def check(self) -> None:
        """Fail on an outside request, a console error or an uncaught exception."""
        assert not self.outside, f"{self.page.url} asks outside: {self.outside}"
        assert not self.problems, f"{self.page.url}: {self.problems}"

    def weight(self) -> int:
        """Bytes of what the page has asked of ``http_site`` until it asks no more, text compressed by gzip."""
        # Its own count: Playwright's "networkidle" does not come at all once in a thousand visits.
        before = -1
        while before < len(self.asked):
            before = len(self.asked)
            self.page.wait_for_timeout(250)
        paths = {urlsplit(url).path for url in self.asked if url.startswith("http://127.0.0.1:")}
        return sum(_compressed_size(HTML / unquote(path).lstrip("/")) for path in paths)


@cache
def _compressed_size(file: Path) -> int:
    """What pages share is packed once; what is not there weighs nothing, and is an error of the console."""
    body = file.read_bytes() if file.is_file() else b""
    packed = file.suffix in (".woff", ".woff2", ".png", ".jpg", ".jpeg", ".gif", ".webp")
    return len(body) if packed else len(gzip.compress(body, 6))


Opener = Callable[..., Any]
LOCAL = ("data:", "blob:", "about:", "file:", "http://127.0.0.1:")
FORGET = "() => { try { localStorage.clear(); sessionStorage.clear(); } catch { /* a page without an origin */ } }"


class _Tab:
    """A page whose every request and complaint is noted in the visit that is going on, if one is."""

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.context = browser.new_context(service_workers="block", **options)
        self.context.set_default_timeout(60_000)
        self.page = page = self.context.new_page()
        self.now: Visit | None = None
        self.context.on("request", self._asked)
        page.on("console", lambda m: self._note(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: self._note(f"exception: {error}"))
        page.on("requestfailed", self._failed)

    def _note(self, problem: str) -> None:
        if self.now is not None:
            self.now.problems.append(problem)

    def _asked(self, request: Any) -> None:
        if self.now is not None:
            (self.now.asked if request.url.startswith(LOCAL) else self.now.outside).append(request.url)

    def _failed(self, request: Any) -> None:
        # What a page was still loading when it was left has not failed.
        if request.url.startswith(LOCAL) and request.failure != "net::ERR_ABORTED":
            self._note(f"failed: {request.url}")

    def open(self, url: str) -> Visit:
        self.now = Visit(self.page)
        self.page.goto(url, wait_until="load")
        return self.now

    def dress(self, viewport: dict[str, int], scheme: str, motion: str) -> None:
        self.page.set_viewport_size(viewport)
        self.page.emulate_media(media="null", color_scheme=scheme, reduced_motion=motion)

    def leave(self) -> None:
        """Nothing of a page is left for the next one: what it stored, its clocks, the pointer over it."""
        self.now = None
        self.page.evaluate(FORGET)
        self.page.mouse.move(-9, -9)
        self.page.goto("about:blank")


@pytest.fixture(scope="session")
def visit(browser: Browser) -> Iterator[Opener]:
    """``with visit(url, viewport=PHONE, dark=True) as v:`` opens a page; ``v.page`` is Playwright's page.

    ``v.outside`` and ``v.problems`` list what went wrong so far, ``v.check()`` fails on any; ``v.weight()`` is what
    came over http. Leaving the block leaves the page.

    A new window costs twice what most visits do, so that one is kept for all that go well and ask for nothing
    unusual. A page that is given other options of Playwright's contexts has a window of its own.
    """
    kept: list[_Tab] = []

    @contextmanager
    def open_page(
        url: str,
        *,
        viewport: dict[str, int] | None = None,
        dark: bool = False,
        reduced_motion: str = "no-preference",
        **options: Any,
    ) -> Iterator[Visit]:
        own = bool(options)
        tab = kept.pop() if kept and not own else _Tab(browser, **options)
        try:
            tab.dress(viewport or DESKTOP, "dark" if dark else "light", reduced_motion)
            yield tab.open(url)
            if not own:
                tab.leave()
                kept.append(tab)
        finally:
            if tab not in kept:
                tab.context.close()

    yield open_page
    for tab in kept:
        tab.context.close()


@pytest.fixture
def opened(visit, tmp_path):
    """``with opened(explorer, ...) as v:`` opens a page that holds them, and fails on errors and outside requests."""

    @contextmanager
    def open_page(*explorers, attributes='data-theme="light"', body="", frame=False, viewport=BOOK, **options):
        page = write_page(tmp_path, *explorers, attributes=attributes, body=body, frame=frame)
        with visit(page, viewport=viewport, **options) as v:
            yield v
            v.check()

    return open_page
