"""A chapter as a student meets it: a fresh clone in JupyterLab, not trusted, nothing run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from tests.jupyter_server import jupyterlab, page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("jupyterlab")

ROOT = Path(__file__).resolve().parents[2]
CHAPTER = ROOT / "book" / "architectures" / "resnet.ipynb"  # charts, drawings, a lab's poster and an explorer

# Of each figure: its number, whether its picture has come and is as wide as a picture, and what is written below it.
FIGURES = """() => [...document.querySelectorAll(".jp-OutputArea figure.cnnlab-figure")].map((figure) => {
  const image = figure.querySelector("img");
  const caption = figure.querySelector("figcaption");
  const box = image && image.getBoundingClientRect();
  return {
    alt: image ? image.alt : "",
    loaded: Boolean(image && image.complete && image.naturalWidth > 0),
    shown: Boolean(box && box.width > 100 && box.height > 50),
    caption: caption && caption.getBoundingClientRect().height > 0 ? caption.innerText : "",
  };
})"""


# Of each explorer: whether its still has come and is as wide as a picture, and its words.
STILLS = """() => [...document.querySelectorAll(".jp-OutputArea .cnnlab-explorer")].map((explorer) => {
  const image = explorer.querySelector("img");
  const box = image && image.getBoundingClientRect();
  return {
    shown: Boolean(image && image.naturalWidth > 0 && box.width > 100 && box.height > 50),
    words: explorer.innerText,
  };
})"""


IS_DARK = "matchMedia('(prefers-color-scheme: dark)').matches"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab that has never seen the chapters: no signature says that they are trusted."""
    home = tmp_path_factory.mktemp("jupyter")
    (home / "work").mkdir()
    shutil.copy(CHAPTER, home / "work")
    with jupyterlab(
        home, notebook_extension_tracker={"windowingMode": "none", "autoStartDefaultKernel": False}
    ) as address:
        yield address


def test_every_picture_of_an_untrusted_chapter_is_seen(browser: Browser, clone: str) -> None:
    """In one visit: JupyterLab takes longer to start than to show the pictures of another color scheme."""
    notebook = nbformat.read(CHAPTER, as_version=4)
    outputs = [
        output.get("data", {}).get("text/html", "")
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]
    captions = [html.split("<figcaption>")[1].split("</figcaption>")[0] for html in outputs if "<figcaption>" in html]
    explorers = sum('class="cnnlab-explorer' in html for html in outputs)
    assert captions and explorers
    with page_of(browser, clone, f"doc/tree/{CHAPTER.name}", color_scheme="light") as (page, _):
        page.wait_for_function(
            "(n) => document.querySelectorAll('.jp-OutputArea figure.cnnlab-figure figcaption').length >= n",
            arg=len(captions),
        )
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate(IS_DARK) == (scheme == "dark")
            page.wait_for_function("() => [...document.images].every((image) => image.complete)")
            # The notebook is indeed not trusted: what it may not hold is gone.
            stripped = ", ".join(f".jp-RenderedHTML {tag}" for tag in ("script", "style", "svg", "input"))
            assert page.locator(stripped).count() == 0
            figures, stills = page.evaluate(FIGURES), page.evaluate(STILLS)
            if folder := os.environ.get("CNNLAB_SCREENSHOTS"):
                pictures = page.locator(".jp-OutputArea :is(figure.cnnlab-figure, .cnnlab-explorer)").all()
                for number, picture in enumerate(pictures):
                    picture.scroll_into_view_if_needed()
                    picture.screenshot(path=f"{folder}/untrusted-{scheme}-{number}.png")
            assert [one["caption"] for one in figures if one["caption"]] == captions
            for one in figures:  # the poster of the lab too, which has a note in place of a caption
                assert one["alt"] and one["loaded"] and one["shown"], one
            assert len(stills) == explorers
            for one in stills:
                assert one["shown"] and "File, Trust notebook, or run the cell" in one["words"], one
