"""Pages that hold explorers, and how they are moved and looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[2]
PHONE = {"width": 360, "height": 740}
BOOK = {"width": 820, "height": 900}


def write_page(folder: Path, *explorers: object, attributes: str = "", body: str = "") -> str:
    """A page like the book's: its style sheet, an article, cell outputs."""
    sheet = (ROOT / "book" / "static" / "cnnlab.css").as_uri()
    cells = "".join(
        f'<div class="cell"><div class="cell_output"><div class="output text_html">{e._repr_html_()}</div></div></div>'
        for e in explorers
    )
    page = folder / "page.html"
    page.write_text(
        f'<!doctype html><html lang="en" style="font-size: 18px" {attributes}><head><meta charset="utf-8">'
        "<title>Explorers</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="{sheet}"></head><body {body}><main class="bd-content">'
        f'<article class="bd-article" style="max-width: 760px; margin: 8px auto"><h1>Page</h1>{cells}</article></main>'
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


def axe_violations(page: Page, within: str | None = None) -> list[str]:
    """What axe-core finds on the page, or below a selector."""
    from axe_playwright_python.sync_playwright import Axe

    # Preloading would fetch style sheets again, which a page opened from disk may not.
    found: list[dict[str, Any]] = Axe().run(page, context=within, options={"preload": False}).response["violations"]
    return [f"{v['id']} ({v['impact']}): {node['html'][:160]} {node['target']}" for v in found for node in v["nodes"]]
