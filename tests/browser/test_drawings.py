"""A saved drawing in Chromium is what CairoSVG makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cairosvg
import pytest

from tests.renderers import DRAWINGS, apart, black, raster

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("kind", DRAWINGS)
def test_chromium_draws_what_cairosvg_draws(kind: str, mode: str, browser: Browser, tmp_path: Path) -> None:
    path = DRAWINGS[kind]().save(tmp_path / "x.svg")
    expected = raster(cairosvg.svg2png(url=str(path)))
    tall, wide = expected.shape[:2]
    # Whatever the reader's system says, the file has the mode that it was saved in.
    page = browser.new_page(viewport={"width": wide, "height": tall}, color_scheme=mode)
    try:
        page.goto(path.as_uri())
        found = raster(page.screenshot())
    finally:
        page.close()
    assert abs(black(expected) - black(found)) < 0.015
    assert apart(expected, found) < 0.05
