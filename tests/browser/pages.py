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


# Marks one text of each look: of the same color, and large or not, on the same grounds. What stands out of the flow may
# have another ground than its ancestors, so that each such text has a look of its own. Large letters, which WCAG 2.2
# lets be paler, have 18 points, or 14 where they are bold.
EACH_LOOK = """() => {
    const known = new Map();
    let alone = 0;
    const large = ({ fontSize, fontWeight }) => parseFloat(fontSize) * 0.75 >= (fontWeight >= 700 ? 14 : 18);
    function grounds(element) {
        if (!element) return "";
        if (!known.has(element)) {
            const style = getComputedStyle(element);
            const { backgroundColor: color, backgroundImage: image, opacity, filter } = style;
            const plain = color === "rgba(0, 0, 0, 0)" && image === "none" && opacity === "1" && filter === "none";
            const own = plain ? "" : [color, image, opacity, filter].join("|");
            const moved = /absolute|fixed/.test(style.position) || style.transform !== "none";
            const flows = !moved || element.closest("svg");
            const below = grounds(element.parentElement);
            known.set(element, own || !flows ? [own, flows ? "" : `alone ${alone++}`, below].join("/") : below);
        }
        return known.get(element);
    }
    const looks = new Set();
    for (const element of document.querySelectorAll("body *")) {
        element.removeAttribute("data-look");
        const says = element.matches("input, select, textarea")
            || [...element.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
        if (!says || !element.checkVisibility()) continue;
        const own = getComputedStyle(element);
        const look = [own.color, own.fill, large(own), own.textShadow, grounds(element)].join("|");
        element.toggleAttribute("data-look", !looks.has(look));
        looks.add(look);
    }
    return looks.size;
}"""

# Most of axe's time goes to what it only walks past. The colors of highlighted code are the same on every page and have
# a test of their own; of a drawing that has been looked at, and of a formula, only what speaks is left: texts, names,
# roles.
THINNED = """() => {
    for (const code of document.querySelectorAll(".highlight pre")) code.textContent = code.textContent;
    const speaks = (e) => e.closest("text, title, desc, style, a, foreignObject")
        || [...e.attributes].some(({ name }) => /^(aria-.*|role|tabindex|lang|on.*)$/.test(name));
    for (const svg of document.querySelectorAll("figure.cnnlab-figure svg, mjx-container svg")) {
        const kept = new Set();
        for (const element of svg.querySelectorAll("*"))
            if (speaks(element)) for (let e = element; e !== svg; e = e.parentElement) kept.add(e);
        for (const element of svg.querySelectorAll("*")) if (!kept.has(element)) element.remove();
    }
}"""


def axe_violations(page: Page, within: str | None = None) -> list[str]:
    """What axe-core finds on the page, or below a selector; a color that is hard to read once for each look."""
    page.evaluate(EACH_LOOK)
    return _axe(page, within)


def hard_to_read(page: Page) -> list[str]:
    """Texts whose contrast axe-core finds too weak, one of each look.

    For a page on which all of `axe_violations` was asked in other colors: what a theme changes are colors.
    """
    assert page.evaluate(EACH_LOOK) >= 3
    return _axe(page, "[data-look]", runOnly={"type": "rule", "values": ["color-contrast"]})


def _axe(page: Page, within: str | None, **options: Any) -> list[str]:
    from axe_playwright_python.base import AXE_SCRIPT

    # Preloading would fetch style sheets again, which a page opened from disk may not.
    asked = {"preload": False, "resultTypes": ["violations"], **options}
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE_SCRIPT)
        page.evaluate("() => axe.configure({ rules: [{ id: 'color-contrast', selector: '[data-look]' }] })")
    found: list[dict[str, Any]] = page.evaluate(
        "([within, asked]) => axe.run(within || document, asked).then((said) => said.violations)", [within, asked]
    )
    return [f"{v['id']} ({v['impact']}): {node['html'][:160]} {node['target']}" for v in found for node in v["nodes"]]
