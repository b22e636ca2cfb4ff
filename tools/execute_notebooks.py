"""Run chapters from top to bottom and store their outputs, as the book and nbval want them.

    python tools/execute_notebooks.py [book/part/chapter.ipynb ...]   # none named: all of them
    python tools/execute_notebooks.py --check                         # store nothing, only time them
    python tools/execute_notebooks.py --stills [...]                  # run nothing, only take the explorers' pictures

Each notebook gets a fresh kernel in its own folder, at the smoke scale. What would make diffs noisy is left out:
times, versions in the metadata, random cell and widget ids. The minutes at a chapter's head are counted anew. Fails
on the first error in a cell, and with --check also where a chapter takes longer than a minute.

Into each explorer's output goes a picture of its first state, for where scripts do not run; it is taken anew only
where the output has changed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cnnlab.widgets import stills
from tools.chapters import ROOT, code_cells, is_excused, notebooks
from tools.heads import with_head
from tools.stills import camera

LIMIT = 60.0  # seconds that a chapter may take at smoke scale on two cores
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python", "pygments_lexer": "ipython3"}


def execute(path: Path) -> tuple[nbformat.NotebookNode, float, tuple[float, str]]:
    """Run one notebook in a fresh kernel; return it, its seconds, and its slowest cell."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    slowest, begun = (0.0, ""), 0.0

    def start_cell(cell, cell_index):
        nonlocal begun
        begun = time.perf_counter()

    def end_cell(cell, cell_index, execute_reply):
        nonlocal slowest
        first = next((line for line in cell.source.splitlines() if line.strip()), "")
        slowest = max(slowest, (time.perf_counter() - begun, first[:60]))

    start = time.perf_counter()
    NotebookClient(
        notebook,
        timeout=900,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_start=start_cell,
        on_cell_executed=end_cell,
    ).execute()
    return notebook, time.perf_counter() - start, slowest


def tidy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Leave out of an executed notebook all that changes from run to run. In place; also returned."""
    keep = {key: value for key, value in notebook.metadata.items() if key not in {"widgets", "signature"}}
    notebook.metadata = nbformat.from_dict({**keep, "kernelspec": KERNEL, "language_info": LANGUAGE})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    used: set[str] = set()
    widgets: dict[str, dict] = {}
    for cell in notebook.cells:
        cell.source = cell.source.rstrip("\n")
        cell.id = _identity(cell, used)
        cell.metadata.pop("execution", None)
        cell.metadata.pop("ExecuteTime", None)
        if cell.cell_type != "code":
            continue
        cell.outputs = _joined(cell.outputs)
        for output in cell.outputs:
            view = output.get("data", {}).get(WIDGET_VIEW)
            if view is not None:
                view["model_id"] = f"{cell.id}{len(widgets):024x}"[-32:]
                widgets[view["model_id"]] = _placeholder()
    if widgets:  # enough for the built page to know that it holds a widget, and for JupyterLab to say what to do
        state = {"version_major": 2, "version_minor": 0, "state": widgets}
        notebook.metadata["widgets"] = nbformat.from_dict({WIDGET_STATE: state})
    nbformat.validate(notebook)
    return notebook


def _identity(cell, used: set[str]) -> str:
    """An id that depends on the cell's text alone, so that it stays when other cells come and go."""
    for attempt in range(1000):
        seed = f"{cell.cell_type}\n{cell.source}\n{attempt or ''}"
        candidate = hashlib.sha256(seed.encode()).hexdigest()[:8]
        if candidate not in used:
            used.add(candidate)
            return candidate
    raise ValueError("a thousand equal cells in one notebook")


def _joined(outputs: list) -> list:
    """Neighboring pieces of one stream as one output, progress bars at their last state."""
    joined: list = []
    for output in outputs:
        output.get("metadata", {}).pop("isolated", None)
        if output.output_type == "stream" and joined and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    for output in joined:
        if output.output_type == "stream":
            output.text = re.sub(r"^.*\r(?!\n)", "", output.text, flags=re.MULTILINE)
    return joined


def _placeholder() -> dict:
    return {
        "model_module": "@jupyter-widgets/controls",
        "model_module_version": "1.5.0",
        "model_name": "HTMLModel",
        "state": {"_view_name": "HTMLView", "value": "<em>Run this cell to start.</em>"},
    }


def explorers(notebook: nbformat.NotebookNode):
    """The data of every output that is an explorer's."""
    for cell in code_cells(notebook):
        for output in cell.outputs:
            data = output.get("data", {})
            if stills.is_explorer(data.get("text/html", "")):
                yield data


def add_stills(notebook: nbformat.NotebookNode, old: nbformat.NotebookNode, *, anew: bool = False) -> str:
    """Put into each explorer's output its still, the old one where it still fits. In place; returns what was done.

    Args:
        old: the notebook as it was stored, whose stills are used again unless ``anew``.
    """
    known = {} if anew else {stills.fingerprint(d["text/html"]): stills.held(d["text/html"]) for d in explorers(old)}
    all_data = list(explorers(notebook))
    wanted = {stills.fingerprint(data["text/html"]): stills.without(data["text/html"]) for data in all_data}
    missing = [mark for mark in wanted if not known.get(mark)]
    if missing:
        with camera() as take:
            known |= {mark: take(wanted[mark]) for mark in missing if take}
    for data in all_data:
        still = known.get(stills.fingerprint(data["text/html"]))
        data["text/html"] = stills.put(data["text/html"], still) if still else stills.without(data["text/html"])
    if not missing:
        return ""
    return f", {len(missing)} stills " + (
        "taken" if all(known.get(mark) for mark in missing) else "MISSING: no chromium"
    )


def compared(notebook: nbformat.NotebookNode) -> str:
    """How many of the code cells nbval compares strictly, as text."""
    cells = code_cells(notebook)
    strict = sum(not is_excused(cell) for cell in cells)
    return f"{strict}/{len(cells)} cells compared"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="chapters to run; all of them when none is named")
    parser.add_argument("--check", action="store_true", help=f"store nothing; fail where one takes over {LIMIT:.0f} s")
    parser.add_argument("--tidy", action="store_true", help="run nothing; only leave out what changes from run to run")
    parser.add_argument("--stills", action="store_true", help="run nothing; only take the explorers' pictures anew")
    options = parser.parse_args(arguments)
    # As in tests/conftest.py. A chapter must not depend on data that only one machine has.
    os.environ.update(CNNLAB_SCALE="smoke", OMP_NUM_THREADS="1")
    os.environ.pop("CNNLAB_DATA", None)
    paths = [path.resolve() for path in options.notebooks] or notebooks()
    if not paths:
        print("There are no notebooks under book/ yet.")
    done = [store(path, options) for path in paths]  # all of them, whatever fails
    return 0 if all(done) else 1


def store(path: Path, options: argparse.Namespace) -> bool:
    """Do what the options say with one notebook; False if it failed."""
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    stored = nbformat.read(path, as_version=4)
    if options.tidy:
        nbformat.write(tidy(with_head(stored, path.parent)), path)
        return True
    if options.stills:
        said = add_stills(stored, stored, anew=True)
        if said:
            print(f"{name}{said}", flush=True)
            nbformat.write(stored, path)
        return True
    try:
        notebook, seconds, (longest, cell) = execute(path)
    except CellExecutionError as error:
        print(f"{name}: FAILED\n{error}", file=sys.stderr)
        return False
    late = options.check and seconds > LIMIT
    said = "" if options.check else add_stills(tidy(with_head(notebook, path.parent)), stored)
    said += f"  over {LIMIT:.0f} s" if late else ""
    print(f"{name}: {seconds:.1f} s, {compared(notebook)}, slowest {longest:.1f} s ({cell}){said}", flush=True)
    if not options.check:
        nbformat.write(notebook, path)
    return not late


if __name__ == "__main__":
    sys.exit(main())
