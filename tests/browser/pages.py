"""Pages that hold explorers, and how they are moved and looked at."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[2]
PHONE = {"width": 360, "height": 740}
BOOK = {"width": 820, "height": 900}
FRAME = 1000 / 60  # milliseconds between two pictures of a screen

CHANGE = """([selector, index, property, values]) => {
    const control = [...document.querySelectorAll(selector)].at(index);
    return Math.min(...values.map((value) => {
        control[property] = value;
        const start = performance.now();
        control.dispatchEvent(new Event(control.tagName === "SELECT" ? "change" : "input"));
        document.body.offsetHeight;
        return performance.now() - start;
    }));
}"""


def write_page(folder: Path, *explorers: object, attributes: str = "", body: str = "", frame: bool = False) -> str:
    """A page like the book's: its style sheet, an article, cell outputs.

    With ``frame`` it is an output's own page as in Colab: no style sheet but the output's, as wide as the window.
    """
    sheet = (ROOT / "book" / "static" / "cnnlab.css").as_uri()
    cells = "".join(
        f'<div class="cell"><div class="cell_output"><div class="output text_html">{e._repr_html_()}</div></div></div>'
        for e in explorers
    )
    link = "" if frame else f'<link rel="stylesheet" href="{sheet}">'
    sizes = ("16px", "none; margin: 0 -8px") if frame else ("18px", "760px; margin: 8px auto")
    page = folder / "page.html"
    page.write_text(
        f'<!doctype html><html lang="en" style="font-size: {sizes[0]}" {attributes}><head><meta charset="utf-8">'
        "<title>Explorers</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'{link}</head><body {body}><main class="bd-content">'
        f'<article class="bd-article" style="max-width: {sizes[1]}"><h1>Page</h1>{cells}</article></main>'
        "</body></html>",
        encoding="utf-8",
    )
    return page.as_uri()


def set_slider(page: Page, label: str, value: int) -> None:
    """By keyboard: to the left end, then step by step."""
    slider = page.get_by_role("slider", name=label)
    slider.focus()
    page.keyboard.press("Home")
    for _ in range(value - int(slider.get_attribute("min"))):
        page.keyboard.press("ArrowRight")


def quickest_change(page: Page, selector: str, values: Iterable[int | float], index: int = 0) -> float:
    """Milliseconds that an explorer takes for a change of one control, layout included: the best of all changes.

    The best, and in up to ten rounds until it is within a frame, since other work on the machine interrupts most.

    Args:
        selector: of the control: a slider, or a select (whose values are the places of its options).
        index: which of the elements that the selector finds; -1 is the last.
    """
    kind = "selectedIndex" if selector == "select" else "value"
    best = float("inf")
    for _ in range(10):
        best = min(best, page.evaluate(CHANGE, [selector, index, kind, list(values)]))
        if best < FRAME:
            break
        page.wait_for_timeout(100)
    return best


# Marks one text of each look: of the same color, size and weight on the same grounds.
EACH_LOOK = """() => {
    const looks = new Set();
    for (const element of document.querySelectorAll("body *")) {
        if (![...element.childNodes].some((child) => child.nodeType === 3 && child.data.trim())) continue;
        const own = getComputedStyle(element);
        const look = [own.color, own.fill, own.fontSize, own.fontWeight, own.textShadow];
        for (let ground = element; ground; ground = ground.parentElement) {
            const { backgroundColor, backgroundImage, opacity, filter } = getComputedStyle(ground);
            const plain = backgroundColor === "rgba(0, 0, 0, 0)" && backgroundImage === "none";
            if (!plain || opacity !== "1" || filter !== "none") {
                look.push(backgroundColor, backgroundImage, opacity, filter);
            }
        }
        const seen = look.join("|");
        element.toggleAttribute("data-look", !looks.has(seen) && element.checkVisibility());
        if (element.checkVisibility()) looks.add(seen);
    }
    return looks.size;
}"""


def axe_violations(page: Page, within: str | None = None) -> list[str]:
    """What axe-core finds on the page, or below a selector."""
    return _axe(page, within)


def hard_to_read(page: Page) -> list[str]:
    """Texts whose contrast axe-core finds too weak, where one of each look is asked: half of the time is its search.

    For a page on which all of `axe_violations` was asked in other colors: what a theme changes are colors.
    """
    assert page.evaluate(EACH_LOOK) >= 3
    return _axe(page, "[data-look]", runOnly={"type": "rule", "values": ["color-contrast"]})


def _axe(page: Page, within: str | None, **options: Any) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    # Preloading would fetch style sheets again, which a page opened from disk may not.
    asked = {"preload": False, "resultTypes": ["violations"], **options}
    found: list[dict[str, Any]] = Axe().run(page, context=within, options=asked).response["violations"]
    return [f"{v['id']} ({v['impact']}): {node['html'][:160]} {node['target']}" for v in found for node in v["nodes"]]
