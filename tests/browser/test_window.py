"""The window that most visits share: nothing of a page is left for the next one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.browser.pages import PHONE

PAGE = """<!doctype html><title>{0}</title><style>p {{ height: 600px }}</style><p id="all">{0}</p>
<script>{1}</script>"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def page(name: str, script: str = "") -> str:
        (tmp_path / f"{name}.html").write_text(PAGE.format(name, script), encoding="utf-8")
        return (tmp_path / f"{name}.html").as_uri()

    return page


def test_a_page_leaves_nothing_behind(visit: Any, write: Any) -> None:
    first = write("first", "localStorage.kept = 1; sessionStorage.kept = 1; window.kept = 1; setTimeout(nothing, 300)")
    with visit(first, viewport=PHONE, dark=True, reduced_motion="reduce") as seen:
        page = seen.page
        page.emulate_media(media="print")
        page.locator("#all").hover()
        page.locator("#all").click()
        assert page.evaluate("[innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]") == [360, True]
        assert page.evaluate("matchMedia('(prefers-reduced-motion: reduce)').matches")
    with visit(write("second")) as seen:
        assert seen.page is page  # the same window
        page.wait_for_timeout(400)
        for query in ("(prefers-color-scheme: dark)", "(prefers-reduced-motion: reduce)", "print"):
            assert not page.evaluate(f"matchMedia('{query}').matches"), query
        assert page.evaluate("[innerWidth, innerHeight, scrollY]") == [1280, 800, 0]
        assert page.evaluate("[localStorage.length, sessionStorage.length, typeof kept]") == [0, 0, "undefined"]
        assert page.evaluate("document.querySelector('#all:hover') === null")
        seen.check()


def test_what_a_page_does_wrong_is_its_own_fault(visit: Any, write: Any) -> None:
    wrong = write("wrong", "fetch('http://example.org/').catch(() => 0); console.error('no'); nothing()")
    with visit(wrong) as seen:
        seen.page.wait_for_timeout(100)
        assert seen.outside == ["http://example.org/"]
        assert {problem.split(":")[0] for problem in seen.problems} >= {"console", "exception"}
        with pytest.raises(AssertionError, match="asks outside"):
            seen.check()
    with visit(write("right")) as after:
        after.check()


def test_after_a_failure_there_is_a_new_window(visit: Any, write: Any) -> None:
    with pytest.raises(RuntimeError), visit(write("failing")) as seen:
        failed = seen.page
        raise RuntimeError
    with visit(write("next")) as seen:
        assert seen.page is not failed and failed.is_closed()
    with visit(write("next"), java_script_enabled=False) as own:
        assert own.page is not seen.page
