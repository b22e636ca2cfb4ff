"""The training lab in a real JupyterLab: Train, curves that move, Stop, light and dark, on a phone's width."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.jupyter_server import STOP_AND_TIME, jupyterlab, notebook, page_of, status, wait_for_status

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest.importorskip("jupyterlab")

CELL = """\
import torch
torch.set_num_threads(1)
from cnnlab.widgets import TrainingLab
lab = TrainingLab(datasets=["digits"], epochs=100, batch_size=32)
lab
"""


SCENES = """\
import torch
torch.set_num_threads(1)
from cnnlab.widgets import {lab}
lab = {lab}(pictures=256, size=48, epochs=200, batch_size=16)
lab
"""
SCENE_LABS = {"DetectionLab": "Boxes", "SegmentationLab": "Masks"}


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab of our own, with its own settings, on a free port."""
    home = tmp_path_factory.mktemp("jupyter")
    work = home / "work"
    work.mkdir()
    (work / "lab.ipynb").write_text(notebook(CELL))
    for name in SCENE_LABS:
        (work / f"{name}.ipynb").write_text(notebook(SCENES.format(lab=name)))
    with jupyterlab(home) as address:
        yield address


@contextmanager
def _opened(browser: Browser, address: str, name: str = "lab") -> Iterator[tuple[Page, list[str]]]:
    """The notebook in JupyterLab's plain mode, its cell run; and the exceptions that the page throws."""
    with page_of(browser, address, f"doc/tree/{name}.ipynb") as (page, thrown):
        page.locator(".jp-Notebook .cm-content").first.wait_for()
        prompt = page.locator(".jp-Notebook .jp-InputPrompt").first
        for _ in range(40):  # a cell that is run before its kernel is connected is forgotten
            page.locator(".jp-Notebook .cm-content").first.click()
            page.keyboard.press("Control+Enter")
            page.wait_for_timeout(1500)
            if prompt.inner_text().strip("[]: \u00a0"):  # a star or a number
                break
        page.get_by_role("button", name="Train").wait_for()
        yield page, thrown


def _curve(page: Page) -> str:
    return page.locator(".jp-OutputArea figure.cnnlab-figure").first.inner_html()


def _epoch(line: str) -> int:
    return int(re.search(r"epoch (\d+) of", line).group(1))


def test_lab_trains_and_stops_in_jupyterlab(browser: Browser, jupyter: str, record_property: Any) -> None:
    with _opened(browser, jupyter) as (page, thrown):
        assert "Ready." in status(page)
        assert page.locator(".cnnlab-lab-poster").count() == 0
        for menu in ("Model", "Data", "Optimizer", "Augmentation", "Batch size"):
            assert page.get_by_label(menu).first.is_visible(), f"the menu {menu} is not to be seen"
        empty = _curve(page)

        page.get_by_role("button", name="Train").click()
        page.wait_for_function("() => /epoch [2-9]/.test(document.querySelector('.cnnlab-lab-status').textContent)")
        first, early = _epoch(status(page)), _curve(page)
        page.wait_for_function(
            "(n) => +/epoch (\\d+) of/.exec(document.querySelector('.cnnlab-lab-status').textContent)[1] >= n + 2",
            arg=first,
        )
        page.wait_for_function(
            "(old) => document.querySelector('.jp-OutputArea figure.cnnlab-figure').innerHTML !== old", arg=early
        )
        assert empty != early != _curve(page)
        assert page.get_by_role("button", name="Train").is_disabled()

        waits = [page.evaluate(STOP_AND_TIME)]
        reached = status(page)
        page.get_by_role("button", name="Stop").click(force=True, no_wait_after=True)  # twice is harmless
        page.wait_for_timeout(700)
        assert status(page) == reached, "it went on after Stop"
        for _ in range(2):  # and again: a new run each
            page.get_by_role("button", name="Train").click()
            page.wait_for_function("() => / [1-9]\\d*%/.test(document.querySelector('.cnnlab-lab-status').textContent)")
            page.wait_for_timeout(300)
            waits.append(page.evaluate(STOP_AND_TIME))
        print("\nStop took", ", ".join(f"{wait:.0f} ms" for wait in waits))
        record_property("stop_milliseconds", [round(wait) for wait in waits])
        assert sorted(waits)[1] < 1000  # the median: a busy machine may hold up one of them

        # The kernel's own interrupt button is a Stop, though its widgets' thread hears no KeyboardInterrupt.
        page.get_by_role("button", name="Train").click()
        wait_for_status(page, " [1-9]\\d*%")
        page.get_by_role("button", name="Interrupt the kernel").click()
        wait_for_status(page, "Run 4 stopped")
        assert page.get_by_role("button", name="Train").is_enabled()

        page.get_by_role("button", name="Confusion").click()
        page.locator("figure[aria-label^='Confusion matrix of run 4']").wait_for()
        page.get_by_role("button", name="Mistakes").click()
        page.locator("figure[aria-label*='taken for']").wait_for()
        page.get_by_role("button", name="Accuracy").click()
        page.locator("figure[aria-label*='run 1: lenet5_28']").wait_for()
        assert page.locator("[aria-label='Runs'] tbody tr").count() == 4

        page.set_viewport_size({"width": 360, "height": 740})
        page.wait_for_timeout(500)
        inside = page.locator(".jp-OutputArea-output .widget-vbox, .jp-OutputArea-output .jupyter-widgets").first
        wide, room = inside.evaluate("(box) => [box.scrollWidth, box.clientWidth]")
        assert wide <= room + 1, f"the panel is {wide} px wide in {room} px"
        if folder := os.environ.get("CNNLAB_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/lab-360.png")
            page.set_viewport_size({"width": 1000, "height": 900})
            page.wait_for_timeout(500)
            page.screenshot(path=f"{folder}/lab-1000.png")
        assert not thrown, thrown


@pytest.mark.parametrize("name", SCENE_LABS)
def test_boxes_and_masks_improve_while_their_lab_trains(browser: Browser, jupyter: str, name: str) -> None:
    with _opened(browser, jupyter, name) as (page, thrown):
        page.get_by_role("button", name=SCENE_LABS[name], exact=True).click()
        page.locator("figure[aria-label^='Train a']").wait_for()
        page.get_by_role("button", name="Train").click()
        picture = page.locator("figure[aria-label^='Run 1 after']")
        picture.wait_for()
        page.locator("figure[aria-label*=' epochs, m']").wait_for()  # the first is finished
        early = picture.get_attribute("aria-label")
        page.wait_for_function(
            "(old) => { const now = document.querySelector(\"figure[aria-label^='Run 1 after']\");"
            " return now && now.getAttribute('aria-label') !== old; }",
            arg=early,
        )
        page.evaluate(STOP_AND_TIME)
        page.get_by_role("button", name="Loss").click()
        page.locator("figure[aria-label^='Line chart of loss by epoch, training and test']").wait_for()
        page.set_viewport_size({"width": 360, "height": 740})
        page.wait_for_timeout(500)
        inside = page.locator(".jp-OutputArea-output .widget-vbox, .jp-OutputArea-output .jupyter-widgets").first
        wide, room = inside.evaluate("(box) => [box.scrollWidth, box.clientWidth]")
        assert wide <= room + 1, f"the panel is {wide} px wide in {room} px"
        page.get_by_role("button", name=SCENE_LABS[name], exact=True).click()
        picture.wait_for()
        if folder := os.environ.get("CNNLAB_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/{name}-360.png")
            page.set_viewport_size({"width": 1000, "height": 900})
            page.wait_for_timeout(500)
            page.screenshot(path=f"{folder}/{name}-1000.png")
        assert not thrown, thrown
