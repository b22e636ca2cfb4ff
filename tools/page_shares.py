"""What a reader scrolls past: the shares of code, figures, explorers, outputs and text in each chapter's built page.

    python tools/page_shares.py [--html _build/html] [--width 1280]

Heights are those of a real browser, with folded things folded. Beside them stands what scrolls sideways at that
width (code, tables, figures, outputs) and how many of the notebook's cells nbval does not compare. Needs chromium, as
the browser tests do.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.chapters import ROOT, code_cells, is_excused, notebooks
from tools.chromium import chromium

# Heights by kind: each thing is counted once, in the outermost box that has a kind.
SHARES = """() => {
    const kinds = {
        figures: "figure, .cell_output img",
        explorers: ".cnnlab-explorer, .cnnlab-lab",
        code: ".cell_input, article > pre, section > .highlight, section > div[class*=highlight-]",
        outputs: ".cell_output pre, .cell_output table",
    };
    const article = document.querySelector("article");
    const tall = (e) => e.getBoundingClientRect().height;
    const found = { total: tall(article) };
    const all = Object.values(kinds).join(",");
    for (const [kind, selector] of Object.entries(kinds))
        found[kind] = [...article.querySelectorAll(selector)]
            .filter((e) => e.checkVisibility() && !e.parentElement.closest(all))
            .reduce((sum, e) => sum + tall(e), 0);
    return found;
}"""

# Boxes that hold more than they show, as [kind, how many pixels, the beginning of what they hold, their longest line].
SIDEWAYS = """() => [...document.querySelectorAll("article *")]
    .filter((e) => !e.closest("svg") && !e.closest(".math-letters") && e.clientWidth > 0
        && e.scrollWidth > e.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(e).overflowX))
    .map((e) => [
        e.closest(".math") ? "formula" : e.closest(".cnnlab-explorer") ? "explorer" : e.closest("figure") ? "figure"
            : e.querySelector(":scope table") || e.closest("table") ? "table"
            : e.closest(".cell_input, .highlight") && !e.closest(".cell_output") ? "code"
            : e.closest(".tabular") ? "printed table" : "output",
        e.scrollWidth - e.clientWidth, e.textContent.trim().slice(0, 60),
        Math.max(...e.textContent.split("\\n").map((line) => line.length))])"""


def measured(html: Path, width: int) -> list[dict[str, object]]:
    """A row for each chapter whose page is built."""
    from playwright.sync_api import sync_playwright

    rows = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": width, "height": 800}, reduced_motion="reduce")
        for path in notebooks():
            built = html / path.relative_to(ROOT).with_suffix(".html")
            if not built.is_file():
                continue
            page.goto(built.as_uri())
            cells = code_cells(nbformat.read(path, as_version=4))
            rows.append(
                {"chapter": path.stem, "cells": len(cells), "excused": sum(map(is_excused, cells))}
                | page.evaluate(SHARES)
                | {"sideways": page.evaluate(SIDEWAYS)}
            )
        browser.close()
    return rows


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--html", type=Path, default=ROOT / "_build" / "html", help="the built pages")
    parser.add_argument("--width", type=int, default=1280, help="of the window, in pixels")
    parser.add_argument("--list", action="store_true", help="name each thing that scrolls sideways")
    options = parser.parse_args(arguments)
    if not (options.html / "index.html").is_file():
        print(f"--html={options.html} holds no built book; run: make book", file=sys.stderr)
        return 2
    kinds = ("code", "figures", "explorers", "outputs")
    print("| chapter | height, px | " + " | ".join(kinds) + " | text and rest | scroll sideways | excused cells |")
    print("|---|" + "---:|" * (len(kinds) + 4))
    for row in measured(options.html, options.width):
        shares = [row[kind] / row["total"] for kind in kinds]
        counts: dict[str, int] = {}
        for kind, *_ in row["sideways"]:
            counts[kind] = counts.get(kind, 0) + 1
        cut = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "nothing"
        percents = " | ".join(f"{share:.0%}" for share in [*shares, 1 - sum(shares)])
        print(
            f"| {row['chapter']} | {row['total']:.0f} | {percents} | {cut} | {row['excused']} of {row['cells']} |",
            flush=True,
        )
        if options.list:
            for kind, pixels, text, _ in row["sideways"]:
                print(f"    {kind} by {pixels} px: {text!r}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
