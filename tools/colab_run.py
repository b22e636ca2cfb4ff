"""Run chapters with the versions that Colab preinstalls, and compare what they print with what is stored.

    make test-colab                                                     # which makes the environment first
    python tools/colab_run.py [book/part/chapter.ipynb ...] [--jobs 2]  # none named: all of them

The environment is ``.venv-colab``, pinned in ``tests/colab``. First cnnlab is built and installed there as Colab's
set-up cell would do it, which must change no other package. Then each chapter runs from top to bottom in a fresh
kernel of that environment, at the smoke scale on one thread, and must end without an error, write nothing to stderr,
print what its stored outputs print (streams and text/plain, sanitized as for nbval; pictures and tables' HTML are not
compared), and stay under the memory that a student is promised. Nothing is stored.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbval.plugin import coalesce_streams, get_sanitize_patterns, transform_streams_for_comparison

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.build_wheel import build_wheel, copy_source, offline_environment
from tools.chapters import ROOT, code_cells, is_excused, notebooks

PYTHON = ROOT / ".venv-colab" / "bin" / "python"
SANITIZE = ROOT / "tests" / "nbval_sanitize.cfg"
PRINTED = ("stdout", "text/plain")
MEMORY = 1300  # MB that a chapter's kernel may take at its peak: with the notebook's server, 2 GB for a student hold


def environment(**more: str) -> dict[str, str]:
    """This process's environment with nothing of another Python, no data of one machine, and the smallest scale."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    kept.pop("CNNLAB_DATA", None)
    quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # ipykernel's debugger warns on the terminal from Python 3.12 on
    return {**kept, **quiet, "CNNLAB_SCALE": "smoke", "OMP_NUM_THREADS": "1", **more}


def pip(python: Path, *arguments: str) -> str:
    """What pip says in that environment. Raises ``SystemExit`` with all of it where pip fails."""
    command = [str(python), "-m", "pip", *arguments]
    done = subprocess.run(command, env=offline_environment(), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"pip {' '.join(arguments)} failed in {python.parent.parent}:\n{done.stdout}{done.stderr}")
    return done.stdout


def only_cnnlab_comes(python: Path, wheel: Path) -> None:
    """Install the wheel as Colab's set-up cell would: pip is free to resolve, but has no index to take more from.

    Raises ``SystemExit`` where anything but cnnlab changed, or the environment's packages do not fit together.
    """
    pip(python, "uninstall", "-q", "-y", "cnnlab")
    before = set(pip(python, "freeze", "--all").splitlines())
    pip(python, "install", "-q", str(wheel))
    after = set(pip(python, "freeze", "--all").splitlines())
    changed = sorted(line for line in before ^ after if not line.startswith(("cnnlab ", "cnnlab==")))
    if changed or before == after:
        raise SystemExit(f"Installing cnnlab was to add cnnlab alone; it changed {changed or 'nothing'}.")
    pip(python, "check")


def versions(python: Path, folder: Path) -> str:
    """What cnnlab runs with there, in words. Raises ``SystemExit`` where it is imported from elsewhere."""
    ask = (
        "import cnnlab, IPython, ipywidgets, platform, torch; print(cnnlab.__file__); print(f'Python "
        "{platform.python_version()}, torch {torch.__version__}, ipywidgets {ipywidgets.__version__}, "
        "IPython {IPython.__version__}')"
    )
    said = subprocess.run([str(python), "-c", ask], env=environment(), cwd=folder, capture_output=True, text=True)
    if said.returncode:
        raise SystemExit(f"cnnlab cannot be imported in {python.parent.parent}:\n{said.stderr}")
    place, words = said.stdout.splitlines()
    if not Path(place).resolve().is_relative_to(python.parent.parent.resolve()):
        raise SystemExit(f"cnnlab is imported from {place}, not from {python.parent.parent}.")
    return words


def kernels(python: Path, folder: Path) -> KernelSpecManager:
    """A kernel named ``colab`` that runs in that environment, described in ``folder``."""
    spec = folder / "colab"
    spec.mkdir()
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    text = json.dumps({"argv": argv, "display_name": "Colab's versions", "language": "python"})
    (spec / "kernel.json").write_text(text, encoding="utf-8")
    return KernelSpecManager(kernel_dirs=[str(folder)])


def printed(outputs: list, patterns: list[tuple[str, str]]) -> dict[str, list[str]]:
    """The texts of a cell's outputs, by stream or type, as nbval would compare them."""
    texts: dict[str, list[str]] = {}
    for output in transform_streams_for_comparison(coalesce_streams(outputs)):
        for key, text in {**output, **output.get("data", {})}.items():
            if key in PRINTED:
                for pattern, replacement in patterns:
                    text = re.sub(pattern, replacement, text)
                texts.setdefault(key, []).append(text)
    return texts


def difference(stored: list, new: list, patterns: list[tuple[str, str]]) -> list[str]:
    """What a cell printed otherwise than is stored, in lines to read; empty where all is equal."""
    before, after = printed(stored, patterns), printed(new, patterns)
    lines: list[str] = []
    for key in PRINTED:
        old, now = ("\n".join(texts.get(key, [])).splitlines() for texts in (before, after))
        if before.get(key) != after.get(key):
            lines += list(difflib.unified_diff(old, now, f"stored {key}", f"{key} now", lineterm="", n=0))
    return lines


def peak_memory(process: int) -> int | None:
    """The most memory that a process has held so far in MB, where the system says so (Linux)."""
    try:
        found = re.search(r"^VmHWM:\s*(\d+) kB", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) // 1024 if found else None


def run(path: Path, specs: KernelSpecManager, patterns: list[tuple[str, str]]) -> tuple[str, list[str]]:
    """Run one chapter; return a line about it, and the lines that say what is wrong with it."""
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    notebook = nbformat.read(path, as_version=4)
    cells = code_cells(notebook)
    stored = [cell.outputs for cell in cells]
    for cell in cells:
        cell.outputs, cell.execution_count = [], None
    manager = AsyncKernelManager(kernel_name="colab", kernel_spec_manager=specs)
    memory: list[int | None] = []
    client = NotebookClient(
        notebook,
        km=manager,
        timeout=300,
        record_timing=False,
        store_widget_state=False,
        skip_cells_with_tag="nbval-skip",
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_executed=lambda **_: memory.append(peak_memory(manager.provisioner.process.pid)),
    )
    wrong: list[str] = []
    start = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory() as folder:
            client.execute(env=environment(IPYTHONDIR=folder), cleanup_kc=True)
    except CellExecutionError as error:
        return f"{name}: FAILED", [str(error)]
    seconds = time.perf_counter() - start
    strict = [(cell, old) for cell, old in zip(cells, stored, strict=True) if not is_excused(cell)]
    differing = 0
    for cell, old in strict:
        lines = difference(old, cell.outputs, patterns)
        if lines:
            differing += 1
            wrong += [f"cell {cell.id} ({cell.source.splitlines()[0][:60]}):", *lines]
    for cell in cells:
        for output in cell.outputs:
            if output.get("name") == "stderr":
                wrong += [f"cell {cell.id} writes to stderr:", *output.text.splitlines()]
    peak = memory[-1] if memory else None  # it only ever rises
    if peak is not None and peak > MEMORY:
        wrong.append(f"its kernel took {peak} MB; {MEMORY} MB are allowed, so that a student's 2 GB hold")
    about = f"{len(strict) - differing} of {len(strict)} cells print what is stored ({len(cells)} run)"
    held = "" if peak is None else f", {peak} MB"
    return f"{name}: {seconds:.0f} s, {about}{held}", wrong


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="chapters to run; all of them when none is named")
    parser.add_argument("--jobs", type=int, default=2, help="how many chapters run at a time (default: 2)")
    parser.add_argument("--python", type=Path, default=PYTHON, help="the environment's Python (default: .venv-colab's)")
    options = parser.parse_args(arguments)
    python = options.python.absolute()
    if not python.exists():
        parser.error(f"there is no {python}; `make test-colab` makes it")
    paths = [path.resolve() for path in options.notebooks] or notebooks()
    patterns = get_sanitize_patterns(SANITIZE.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        only_cnnlab_comes(python, build_wheel(copy_source(folder / "source")))
        print(f"{versions(python, folder)}; pip added cnnlab and changed nothing else", flush=True)
        (folder / "kernels").mkdir()
        specs = kernels(python, folder / "kernels")
        failed = 0
        with ThreadPoolExecutor(max(options.jobs, 1)) as pool:
            for line, wrong in pool.map(lambda path: run(path, specs, patterns), paths):
                failed += bool(wrong)
                print("\n  ".join([line, *wrong]), flush=True)
    print(f"chapters in Colab's versions: {len(paths) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
