"""The training lab with Colab's versions, in a real browser: classic Notebook 6, and Colab's own way to the kernel.

Colab's front end is not to be had, so a stand-in plays its part in classic Notebook: the Python module
``google.colab.output`` and the object ``google.colab.kernel`` of the page, which call the kernel as Colab's do. What
it cannot show is that each output has a frame of its own there.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import browser  # noqa: F401 (a fixture)
from tests.jupyter_server import ROOT, STOP_AND_TIME, TOKEN, notebook, page_of, serving, status, wait_for_status

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ENVIRONMENT = Path(os.environ.get("CNNLAB_COLAB_VENV") or ROOT / ".venv-colab")

LAB = """\
import torch
torch.set_num_threads(1)
from cnnlab.widgets import TrainingLab
lab = TrainingLab(datasets=["digits"], epochs=100, batch_size=32, limit=300)
lab
"""
STRATEGIES = """\
import torch
torch.set_num_threads(1)
from cnnlab.widgets import TrainingLab
lab = TrainingLab(
    models=["tf_efficientnet_lite0"], datasets=["textures", "digits"], optimizers=("adam", "sgd"), epochs=2,
    batch_size=16, limit=70, size=48, start="pretrained", trains="the head",
)
lab
"""
WITHOUT_PANEL = """\
from IPython.display import HTML
alone = TrainingLab(datasets=["digits"], epochs=2, limit=200)
HTML(alone.clock.markup())
"""

# As googlecolab/colabtools describes it: functions by name, arguments as JSON, the value as a display bundle.
COLAB_IN_PYTHON = """\
import json, sys, types
google, colab, output = (types.ModuleType(n) for n in ("google", "google.colab", "google.colab.output"))
functions = {}
output.register_callback = lambda name, callback: functions.__setitem__(name, callback)
output.invoke = lambda name, args: functions[name](*json.loads(args))
google.colab, colab.output = colab, output
sys.modules.update({"google": google, "google.colab": colab, "google.colab.output": output})
"""
COLAB_IN_THE_PAGE = """() => {
  const invokeFunction = (name, args) => new Promise((resolve, reject) => {
    const quoted = (value) => JSON.stringify(JSON.stringify(value));
    const code = `sys.modules["google.colab.output"].invoke(json.loads(${quoted(name)}), ${quoted(args)})`;
    let value = null, replied = false;
    const settle = () => { if (value && replied) resolve(value); };
    Jupyter.notebook.kernel.execute(code, {
      iopub: { output: (message) => {
        if (message.msg_type === "error") reject(new Error(message.content.evalue));
        if (message.msg_type === "execute_result") { value = { data: message.content.data }; settle(); }
      } },
      shell: { reply: () => { replied = true; settle(); } },
    }, { silent: false, store_history: false });
  });
  window.google = { colab: { kernel: { accessAllowed: true, invokeFunction } } };
}"""


@pytest.fixture(scope="module")
def classic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a classic Notebook with Colab's versions."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{ENVIRONMENT} is not there, the environment with Colab's versions; run: make test-colab")
    home = tmp_path_factory.mktemp("classic")
    (home / "work").mkdir()
    (home / "work" / "lab.ipynb").write_text(notebook(LAB))
    (home / "work" / "strategies.ipynb").write_text(notebook(STRATEGIES))
    (home / "work" / "colab.ipynb").write_text(notebook(COLAB_IN_PYTHON, LAB, WITHOUT_PANEL))
    command = [str(python), "-m", "notebook", f"--NotebookApp.token={TOKEN}", "--NotebookApp.port_retries=0"]
    with serving(command, home) as address:
        yield address


@contextmanager
def opened(browser: Browser, address: str, name: str, setup: str = "() => {}") -> Iterator[Page]:  # noqa: F811
    """A notebook in the classic front end, its kernel connected and all its cells run."""
    with page_of(browser, address, f"notebooks/{name}") as (page, thrown):
        page.wait_for_function(
            "() => window.Jupyter?.notebook?._fully_loaded && Jupyter.notebook.kernel?.is_connected()"
            " && Jupyter.notebook.kernel.widget_manager"
        )
        page.evaluate(setup)
        # A page that has just found its kernel asks it for widgets, and forgets those made before it has the answer.
        for _ in range(2):
            run(page, "import ipywidgets")
            page.wait_for_timeout(500)
        page.evaluate("() => Jupyter.notebook.execute_all_cells()")
        button(page, "Train").wait_for()
        yield page
        assert not thrown, thrown


def run(page: Page, code: str) -> str:
    """Run code in the page's kernel; what it prints."""
    return page.evaluate(
        """(code) => new Promise((resolve) => {
          let said = "";
          Jupyter.notebook.kernel.execute(code, {
            iopub: { output: (message) => { said += message.content.text || message.content.evalue || ""; } },
            shell: { reply: () => setTimeout(() => resolve(said), 200) },
          }, { silent: false, store_history: false });
        })""",
        code,
    )


def curve(page: Page) -> str:
    return page.locator("figure.cnnlab-figure").first.inner_html()


def button(page: Page, name: str) -> Any:
    """By its name, before which may stand the letter of an icon font."""
    return page.get_by_role("button", name=re.compile(rf"^\W*{name}$")).first


def trains_and_stops(page: Page, report: Any, where: str) -> None:
    """Train, see the curve move, stop; three times."""
    assert "Ready." in status(page)
    empty, begun = curve(page), time.monotonic()
    button(page, "Train").click()
    page.locator("figure[aria-label*='run 1: lenet5_28']").wait_for()
    assert curve(page) != empty
    first_curve = time.monotonic() - begun
    wait_for_status(page, "epoch [3-9]")
    early = curve(page)
    page.wait_for_function("(old) => document.querySelector('figure.cnnlab-figure').innerHTML !== old", arg=early)
    assert button(page, "Train").is_disabled()
    waits = [page.evaluate(STOP_AND_TIME)]
    reached = status(page)
    page.wait_for_timeout(700)
    assert status(page) == reached, "it went on after Stop"
    for _ in range(2):
        button(page, "Train").click()
        wait_for_status(page, " [1-9]\\d*%")
        page.wait_for_timeout(300)
        waits.append(page.evaluate(STOP_AND_TIME))
    print(f"\n{where}: first curve {first_curve:.1f} s; Stop took", ", ".join(f"{wait:.0f} ms" for wait in waits))
    report("stop_milliseconds", [round(wait) for wait in waits])
    assert sorted(waits)[1] < 1000  # the median: a busy machine may hold up one of them
    assert page.locator("[aria-label='Runs'] tbody tr").count() == 3


def test_lab_in_classic_notebook(browser: Browser, classic: str, record_property: Any) -> None:  # noqa: F811
    with opened(browser, classic, "lab.ipynb") as page:
        assert page.locator(".cnnlab-lab-play button:visible").count() == 1, "of the Play, Train alone is to be seen"
        trains_and_stops(page, record_property, "Classic Notebook 6, ipywidgets 7")

        # Started from code: nothing ticks, and the panel says what does.
        run(page, "lab.panel.epochs.value = 2; lab.train()")
        wait_for_status(page, "Press Train on the panel")
        button(page, "One epoch now").click()
        wait_for_status(page, "1 of 2 epochs done")
        button(page, "Train").click()
        wait_for_status(page, "finished after 2 of 2")

        run(page, "lab.panel.epochs.value = 100")
        button(page, "Train").click()
        wait_for_status(page, "epoch [3-9]")
        page.evaluate("() => Jupyter.notebook.kernel.interrupt()")
        wait_for_status(page, "stopped after [1-9]")
        assert button(page, "Train").is_enabled()

        # Where nothing ticks, the page says so by itself.
        run(page, "lab.clock.play.interval = 10**8")
        button(page, "Train").click()
        wait_for_status(page, "starting")
        late = page.get_by_text("Nothing has moved for 5 seconds")
        assert late.is_hidden()
        late.wait_for()
        # Pressing Play counts as a tick, in which a quick machine may have finished some epochs already.
        before = page.locator(".cnnlab-lab-status").inner_text()
        button(page, "One epoch now").click()
        late.wait_for(state="hidden")
        page.wait_for_function(
            "(before) => { const now = document.querySelector('.cnnlab-lab-status').innerText; "
            "return now !== before && /epoch [0-9]+ of 100/.test(now); }",
            arg=before,
        )
        page.evaluate(STOP_AND_TIME)
        if folder := os.environ.get("CNNLAB_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/lab-classic.png")


def test_lab_by_colabs_callbacks(browser: Browser, classic: str, record_property: Any) -> None:  # noqa: F811
    with opened(browser, classic, "colab.ipynb", COLAB_IN_THE_PAGE) as page:
        page.locator(".widget-box .cnnlab-lab-train").wait_for()  # the script has put its button into the panel
        trains_and_stops(page, record_property, "Colab's callbacks, ipywidgets 7")
        assert "ColabClock" in run(page, "print(type(lab.clock).__name__)")
        run(page, "lab.panel.epochs.value = 2")
        button(page, "Train").click()
        wait_for_status(page, "finished after 2 of 2")
        page.wait_for_function("() => !document.querySelector('.cnnlab-lab-train').disabled")

        # Where the panel is in another frame, the button stays where it is, and works.
        page.locator(".cnnlab-lab-train").nth(1).click()
        for _ in range(100):
            if "finished" in (said := run(page, "print([run.state for run in alone.runs])")):
                break
        assert said.strip() == "['finished']"

        run(page, "functions.clear()")  # as after a restart of the kernel
        button(page, "Train").click()
        page.get_by_text("Run this cell again").wait_for()
        if folder := os.environ.get("CNNLAB_SCREENSHOTS"):
            page.screenshot(path=f"{folder}/lab-colab.png")


def test_strategies_in_classic_notebook(browser: Browser, classic: str) -> None:  # noqa: F811
    """The head of a pretrained network, then all of it, then a fresh one: chosen by hand from the menus."""
    with opened(browser, classic, "strategies.ipynb") as page:
        for start, trains in (("pretrained", "the head"), ("pretrained", "all"), ("fresh", "all")):
            menus = {label: page.get_by_label(label, exact=True).first for label in ("Weights", "Trains")}
            menus["Weights"].select_option(start)
            menus["Trains"].select_option(trains)
            button(page, "Train").click()
            wait_for_status(page, "finished after 2 of 2")
            page.wait_for_function("() => !document.querySelector('.cnnlab-lab-play button').disabled")
        rows = page.locator("[aria-label='Runs'] tbody tr")
        assert rows.count() == 3
        said = [rows.nth(row).inner_text() for row in range(3)]
        assert len(set(said)) == 3 and "head" in said[0] and "fresh" in said[2], said
        if folder := os.environ.get("CNNLAB_SCREENSHOTS"):
            page.set_viewport_size({"width": 1100, "height": 1400})
            page.screenshot(path=f"{folder}/lab-strategies.png")
