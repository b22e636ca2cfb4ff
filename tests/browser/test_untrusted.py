"""A chapter as a student meets it: a fresh clone in JupyterLab, not trusted, nothing run."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest.importorskip("jupyterlab")

ROOT = Path(__file__).resolve().parents[2]
CHAPTER = ROOT / "book" / "architectures" / "resnet.ipynb"  # charts, drawings, a lab's poster and an explorer
TOKEN = "a-token-for-one-test"

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


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab that has never seen the chapters: no signature says that they are trusted."""
    home = tmp_path_factory.mktemp("jupyter")
    work = home / "work"
    work.mkdir()
    shutil.copy(CHAPTER, work)
    settings = home / "settings" / "@jupyterlab"
    for name, said in {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
        "notebook-extension/tracker": {"windowingMode": "none", "autoStartDefaultKernel": False},
    }.items():
        (settings / name).parent.mkdir(parents=True, exist_ok=True)
        (settings / f"{name}.jupyterlab-settings").write_text(json.dumps(said), encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={work}", f"--IdentityProvider.token={TOKEN}"]
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with (home / "log.txt").open("w") as log:
        server = subprocess.Popen(command, env=environment, cwd=work, stdout=log, stderr=log)
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(450):
                try:
                    with urllib.request.urlopen(f"{address}/api/status?token={TOKEN}", timeout=5):
                        break
                except (urllib.error.URLError, OSError):
                    assert server.poll() is None, (home / "log.txt").read_text()[-2000:]
                    time.sleep(0.2)
            yield address
        finally:
            server.terminate()
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()


@pytest.mark.parametrize("dark", [False, True])
def test_every_figure_of_an_untrusted_chapter_is_seen_with_its_caption(
    browser: Browser, clone: str, dark: bool
) -> None:
    notebook = nbformat.read(CHAPTER, as_version=4)
    expected = [
        output.data["text/html"].split("<figcaption>")[1].split("</figcaption>")[0]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "<figcaption>" in output.get("data", {}).get("text/html", "")
    ]
    assert expected
    context = browser.new_context(viewport={"width": 1280, "height": 1400}, service_workers="block")
    context.set_default_timeout(120_000)

    def refuse(route: Any) -> None:
        inside = route.request.url.startswith((clone, "data:", "blob:", "about:"))
        route.continue_() if inside else route.abort()

    context.route("**/*", refuse)
    page = context.new_page()
    try:
        page.goto(f"{clone}/doc/tree/{CHAPTER.name}?token={TOKEN}", wait_until="load")
        page.wait_for_function(
            "(n) => document.querySelectorAll('.jp-OutputArea figure.cnnlab-figure figcaption').length >= n",
            arg=len(expected),
        )
        page.wait_for_function("() => [...document.images].every((image) => image.complete)")
        # The notebook is indeed not trusted: what it may not hold is gone.
        stripped = ", ".join(f".jp-RenderedHTML {tag}" for tag in ("script", "style", "svg", "input"))
        assert page.locator(stripped).count() == 0
        assert page.locator(".jp-OutputArea .cnnlab-explorer").count() >= 1
        seen = page.evaluate(FIGURES)
        if folder := os.environ.get("CNNLAB_SCREENSHOTS"):
            for number, figure in enumerate(page.locator(".jp-OutputArea figure.cnnlab-figure").all()[:6]):
                figure.scroll_into_view_if_needed()
                figure.screenshot(path=f"{folder}/untrusted-{number}.png")
        assert [one["caption"] for one in seen if one["caption"]] == expected
        for one in seen:  # the poster of the lab too, which has a note in place of a caption
            assert one["alt"] and one["loaded"] and one["shown"], one
    finally:
        context.close()
