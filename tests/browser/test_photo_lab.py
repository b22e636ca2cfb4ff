"""The photo lab in a real JupyterLab: an answer at once, an upload, a path that leads nowhere, a phone's width."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.jupyter_server import jupyterlab, notebook, page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("jupyterlab")

CELL = """\
import torch
torch.set_num_threads(1)
from cnnlab.widgets import PhotoLab
PhotoLab()
"""
STATUS = ".jp-OutputArea [role=status]"


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("jupyter")
    (home / "work").mkdir()
    (home / "work" / "photo.ipynb").write_text(notebook(CELL))
    with jupyterlab(home) as address:
        yield address


@pytest.mark.slow
def test_photographs_are_asked_about(browser: Browser, jupyter: str, tmp_path: Path) -> None:
    from cnnlab.data import sample_photos

    Image.fromarray(sample_photos()["coffee"]).save(tmp_path / "my cup.png")
    with page_of(browser, jupyter, "doc/tree/photo.ipynb") as (page, thrown):
        page.locator(".jp-Notebook .cm-content").first.wait_for()
        prompt = page.locator(".jp-Notebook .jp-InputPrompt").first
        for _ in range(40):  # a cell that is run before its kernel is connected is forgotten
            page.locator(".jp-Notebook .cm-content").first.click()
            page.keyboard.press("Control+Enter")
            page.wait_for_timeout(1500)
            if prompt.inner_text().strip("[]: \u00a0"):
                break

        def wait_for(text: str) -> None:
            page.locator(STATUS, has_text=text).wait_for()

        wait_for("takes cat for tiger cat")
        for _ in range(2):  # the same file once more
            with page.expect_file_chooser() as chooser:
                page.get_by_role("button", name="Upload yours").click()
            chooser.value.set_files(tmp_path / "my cup.png")
            wait_for("takes my cup.png for espresso")
            page.get_by_label("Photograph").select_option("camera")
            wait_for("takes camera for tripod")
        page.get_by_label("Or its place").fill("nowhere.jpg")
        page.keyboard.press("Enter")
        page.locator(".jp-OutputArea [role=alert]", has_text="'nowhere.jpg' is not there").wait_for()
        page.get_by_label("Photograph").select_option("rocket")
        wait_for("takes rocket for missile")
        assert page.locator(".jp-OutputArea [role=alert]").count() == 0
        if os.environ.get("CNNLAB_SCREENSHOTS"):
            page.screenshot(path=f"{os.environ['CNNLAB_SCREENSHOTS']}/photo-lab.png")
        page.set_viewport_size({"width": 360, "height": 900})
        page.wait_for_timeout(500)
        if os.environ.get("CNNLAB_SCREENSHOTS"):
            page.screenshot(path=f"{os.environ['CNNLAB_SCREENSHOTS']}/photo-lab-360.png")
        assert not thrown
