"""Pictures of explorers for their stored outputs: each is opened in headless Chromium and photographed as it starts."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cnnlab.widgets import stills
from tools.chromium import chromium

WIDTH = 760  # of the page, in CSS pixels
SCALE = 1.5
AIM = 40_000  # bytes of a picture
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
)


@contextmanager
def camera() -> Iterator[Callable[[str], str] | None]:
    """``with camera() as take:`` gives ``take(output) -> tag``, or None where there is no Chromium."""
    executable = chromium()
    if executable is None:
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        context = browser.new_context(
            viewport={"width": WIDTH + 16, "height": 1000},
            device_scale_factor=SCALE,
            color_scheme="light",
            reduced_motion="reduce",
        )

        def take(output: str) -> str:
            page = context.new_page()
            page.set_content(
                f'<!doctype html><html lang="en" data-theme="light"><body style="margin: 8px">{output}</body></html>'
            )
            root = page.locator(".cnnlab-explorer[data-mode]")
            root.wait_for()
            page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            box = root.bounding_box()
            shot = root.screenshot()
            page.close()
            kind, packed = smallest(shot)
            source = f"data:image/{kind};base64,{base64.b64encode(packed).decode('ascii')}"
            return stills.tag(output, source, round(box["width"]), round(box["height"]))

        yield take
        browser.close()


def smallest(png: bytes) -> tuple[str, bytes]:
    """The picture as WebP: in few colors and exactly, or with loss as a photograph likes it.

    The smaller of the two; where both are above the aim, fewer colors and more loss are tried.
    """
    from PIL import Image

    with Image.open(io.BytesIO(png)) as opened:
        picture = opened.convert("RGB")
    best = b""
    # Its commonest colors themselves: a palette of means would turn a small orange part brown.
    common = [color for _, color in sorted(picture.getcolors(2**24), reverse=True)]
    for colors, quality in ((128, 60), (48, 45)):
        palette = Image.new("P", (1, 1))
        palette.putpalette([value for color in common[:colors] for value in color])
        few = picture.quantize(palette=palette, dither=Image.Dither.NONE).convert("RGB")
        for image, options in ((few, {"lossless": True, "quality": 100}), (picture, {"quality": quality})):
            packed = io.BytesIO()
            image.save(packed, "WEBP", method=6, **options)
            best = min(best or packed.getvalue(), packed.getvalue(), key=len)
        if len(best) <= AIM:
            break
    return "webp", best
