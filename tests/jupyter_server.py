"""A Jupyter server of our own for one test: its own settings, a free port, and no way to anything else."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parent.parent
TOKEN = "a-token-for-one-test"

# Click Stop and wait until the panel says so, on the browser's own clock (milliseconds).
STOP_AND_TIME = """() => new Promise((resolve, reject) => {
  const status = () => document.querySelector(".cnnlab-lab-status").textContent;
  const stop = [...document.querySelectorAll("button")].find((b) => b.textContent.trim() === "Stop");
  const begun = performance.now();
  const look = () => {
    if (status().includes("stopped")) resolve(performance.now() - begun);
    else if (performance.now() - begun > 20000) reject(new Error("never stopped: " + status()));
    else setTimeout(look, 5);
  };
  stop.click();
  look();
})"""


def notebook(*cells: str) -> str:
    """A notebook with these code cells, as JSON."""
    return json.dumps(
        {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
            "cells": [
                {
                    "cell_type": "code",
                    "id": f"cell-{number}",
                    "source": source,
                    "metadata": {},
                    "outputs": [],
                    "execution_count": None,
                }
                for number, source in enumerate(cells)
            ],
        }
    )


@contextmanager
def serving(command: Sequence[str], home: Path, **environment: str) -> Iterator[str]:
    """Start a server and yield its address.

    Args:
        command: what starts it, but for the port, which is added as ``--port=...``.
        home: a folder of its own; its settings go there, and the server serves ``home / "work"``.
        environment: more variables.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    variables = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "IPYTHONDIR": str(home / "ipython"),
        **environment,
    }
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command = [*command, "--no-browser", "--ip=127.0.0.1", f"--port={port}", *root]
    with (home / "log.txt").open("w") as log:
        server = subprocess.Popen(command, env=variables, cwd=home / "work", stdout=log, stderr=log)
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_for(f"{address}/api/status?token={TOKEN}", server, home / "log.txt")
            yield address
        finally:
            _end(address, server)


@contextmanager
def jupyterlab(home: Path, **settings: dict[str, Any]) -> Iterator[str]:
    """A quiet JupyterLab that serves ``home / "work"``; yields its address.

    Args:
        home: a folder of its own.
        settings: of JupyterLab's extensions, by "package_extension_plugin", such as notebook_extension_tracker.
    """
    quiet = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    for name, said in {"apputils_extension_notification": quiet, **settings}.items():
        package, _, plugin = name.rpartition("_")
        file = home / "settings" / "@jupyterlab" / package.replace("_", "-") / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(said), encoding="utf-8")
    command = [sys.executable, "-m", "jupyterlab", "--ServerApp.port_retries=0"]
    command += [f"--ServerApp.root_dir={home / 'work'}", f"--IdentityProvider.token={TOKEN}"]
    folders = {
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
    }
    with serving(command, home, **folders) as address:
        yield address


def _wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        if server.poll() is not None:
            pytest.fail(f"the Jupyter server did not start:\n{log.read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the Jupyter server did not answer within 90 s:\n{log.read_text()[-2000:]}")


def _end(address: str, server: subprocess.Popen) -> None:
    request = urllib.request.Request(f"{address}/api/shutdown?token={TOKEN}", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10):
            pass
        server.wait(timeout=20)
    except (urllib.error.URLError, OSError, subprocess.TimeoutExpired):
        server.terminate()
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()


@contextmanager
def page_of(browser: Browser, address: str, url: str, **options: Any) -> Iterator[tuple[Page, list[str]]]:
    """A page that finds nobody but this machine's servers (by a flag of the browser), and the exceptions it throws."""
    context = browser.new_context(viewport={"width": 1280, "height": 1400}, service_workers="block", **options)
    context.set_default_timeout(120_000)
    page = context.new_page()
    thrown: list[str] = []
    page.on("pageerror", lambda error: thrown.append(str(error)))

    def accept(dialog: Any) -> None:
        print("The front end asks:", " ".join(dialog.inner_text().split()))
        dialog.locator(".jp-mod-accept").click()

    # On a busy machine JupyterLab may have something to say of its own, such as that its server was slow to answer.
    page.add_locator_handler(page.locator("dialog.jp-Dialog").first, accept)
    try:
        page.goto(f"{address}/{url}?token={TOKEN}", wait_until="load")
        yield page, thrown
    finally:
        context.close()


def status(page: Page) -> str:
    """The line below the lab's bar."""
    return page.locator(".cnnlab-lab-status").inner_text()


def wait_for_status(page: Page, pattern: str) -> None:
    """Until the line below the bar matches a regular expression of JavaScript."""
    page.wait_for_function(
        "(pattern) => new RegExp(pattern).test(document.querySelector('.cnnlab-lab-status').textContent)", arg=pattern
    )
