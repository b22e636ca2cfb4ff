"""A real browser over the built book, by http and by file://, with every outside request refused and recorded.

The tests need Debian's ``chromium`` (``apt-get install chromium``). Without it they skip; with
CNNLAB_REQUIRE_BROWSER=1, as in continuous integration, they fail instead.
"""

from __future__ import annotations

import gzip
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.pages import BOOK, write_page

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
]
DESKTOP = {"width": 1280, "height": 800}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


def _executable() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    message = "no chromium found; on Debian or Ubuntu: apt-get install chromium"
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
    weight: int = 0  # bytes of the first load, text compressed by gzip

    def check(self) -> None:
        """Fail on an outside request, a console error or an uncaught exception."""
        assert not self.outside, f"{self.page.url} asks outside: {self.outside}"
        assert not self.problems, f"{self.page.url}: {self.problems}"


def _compressed_size(url: str, body: bytes) -> int:
    packed = url.split("?")[0].endswith((".woff", ".woff2", ".png", ".jpg", ".jpeg", ".gif", ".webp"))
    return len(body) if packed else len(gzip.compress(body, 6))


Opener = Callable[..., Any]


@pytest.fixture(scope="session")
def visit(browser: Browser) -> Opener:
    """``with visit(url, viewport=PHONE, dark=True) as v:`` opens a page; ``v.page`` is Playwright's page.

    ``v.outside`` and ``v.problems`` list what went wrong so far, ``v.check()`` fails on any; ``v.weight`` is
    filled only with ``weigh=True``. Leaving the block closes the page.
    """

    @contextmanager
    def open_page(
        url: str, *, viewport: dict[str, int] | None = None, dark: bool = False, weigh: bool = False, **options: Any
    ) -> Iterator[Visit]:
        context = browser.new_context(
            viewport=viewport or DESKTOP, color_scheme="dark" if dark else "light", service_workers="block", **options
        )
        context.set_default_timeout(60_000)
        page = context.new_page()
        seen = Visit(page)
        local = ("data:", "blob:", "about:", "file:", "http://127.0.0.1:")

        def refuse(route: Any) -> None:
            if route.request.url.startswith(local):
                route.continue_()
            else:
                seen.outside.append(route.request.url)
                route.abort()

        def weigh_response(response: Any) -> None:
            if response.url.startswith("http://127.0.0.1:") and response.status == 200:
                seen.weight += _compressed_size(response.url, response.body())

        context.route("**/*", refuse)
        page.on("console", lambda m: seen.problems.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: seen.problems.append(f"exception: {error}"))
        # What a page was still loading when it was left has not failed.
        page.on(
            "requestfailed",
            lambda r: (
                seen.problems.append(f"failed: {r.url}")
                if r.url.startswith(local) and r.failure != "net::ERR_ABORTED"
                else None
            ),
        )
        responses: list[Any] = []
        if weigh:
            page.on("response", lambda response: responses.append(response))
        try:
            page.goto(url, wait_until="load")
            if weigh:
                page.wait_for_load_state("networkidle")
                for response in responses:
                    weigh_response(response)
            yield seen
        finally:
            context.close()

    return open_page


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
