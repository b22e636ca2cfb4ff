"""The tool behind `make test-colab` finds what it is there to find; tried in this environment, without Colab's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from nbval.plugin import get_sanitize_patterns

from tools import colab_run

PATTERNS = get_sanitize_patterns(colab_run.SANITIZE.read_text(encoding="utf-8"))


def said(text: str, name: str = "stdout"):
    return new_output("stream", name=name, text=text)


def shown(plain: str, **other: str):
    data = {"text/plain": plain, **{kind.replace("_", "/"): value for kind, value in other.items()}}
    return new_output("display_data", data=data)


def differ(stored: list, new: list) -> list[str]:
    return colab_run.difference(stored, new, PATTERNS)


def test_what_nbval_leaves_out_and_pictures_are_not_compared() -> None:
    line = "cnnlab 0.1.0 | torch {} | cpu | scale: smoke | seed 0\ntook {} s\n"
    assert differ([said(line.format("2.15.0+cu132", "1.2"))], [said(line.format("2.11.0", "38"))]) == []
    assert differ([said("one\n"), said("two\n")], [said("one\ntwo\n")]) == []
    assert differ([shown("[Figure: a cat]", text_html="<svg>1</svg>")], [shown("[Figure: a cat]", image_png="2")]) == []


def test_a_changed_number_is_shown_with_its_line() -> None:
    found = differ([said("equal\naccuracy 0.912\n")], [said("equal\naccuracy 0.911\n")])
    assert "-accuracy 0.912" in found and "+accuracy 0.911" in found and "equal" not in " ".join(found)
    assert "+[Figure: a dog]" in differ([shown("[Figure: a cat]")], [shown("[Figure: a dog]")])


def test_a_missing_and_an_added_output_are_differences() -> None:
    assert "-1" in differ([said("1\n")], [])
    assert "+2" in differ([said("1\n")], [said("1\n"), shown("2")])


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs cells of (source, stored outputs, tags) in a kernel of this environment."""
    monkeypatch.setattr(colab_run, "MEMORY", 10_000)
    (tmp_path / "kernels").mkdir()
    specs = colab_run.kernels(Path(sys.executable), tmp_path / "kernels")

    def run(*cells: tuple) -> tuple[str, list[str]]:
        notebook = new_notebook(
            cells=[
                new_code_cell(source, outputs=outputs, metadata={"tags": list(tags)})
                for source, outputs, *tags in cells
            ]
        )
        nbformat.write(notebook, tmp_path / "chapter.ipynb")
        return colab_run.run(tmp_path / "chapter.ipynb", specs, PATTERNS)

    return run


@pytest.mark.slow
def test_a_chapter_is_run_compared_and_its_kernel_ended(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNLAB_DATA", "of one machine")
    monkeypatch.setenv("PYTHONPATH", "of another Python")
    cells = (
        ("import os\nprint(os.getpid())", [], "nbval-ignore-output"),
        ("print(os.environ['CNNLAB_SCALE'], os.environ.get('CNNLAB_DATA'), os.environ.get('PYTHONPATH'))",
         [said("smoke None None\n")]),
        ("1 + 1", [shown("2")]),
        ("7 * 6", [shown("41")]),
    )  # fmt: skip
    seen: list[int] = []
    read = colab_run.peak_memory
    monkeypatch.setattr(colab_run, "peak_memory", lambda process: seen.append(process) or read(process))
    line, wrong = run(*cells)
    assert "2 of 3 cells print what is stored (4 run)" in line
    assert "7 * 6" in wrong[0] and wrong[1:] == [
        "--- stored text/plain",
        "+++ text/plain now",
        "@@ -1 +1 @@",
        "-41",
        "+42",
    ]
    (process,) = set(seen)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


@pytest.mark.slow
def test_an_error_a_warning_and_too_much_memory_fail_a_chapter(run, monkeypatch: pytest.MonkeyPatch) -> None:
    warning = "import sys\nprint('soon', file=sys.stderr)"
    for stored, *tags in ([said("soon\n", "stderr")],), ([], "nbval-ignore-output"):
        _, (where, text) = run((warning, stored, *tags))
        assert "writes to stderr" in where and text == "soon"
    line, wrong = run(("1 / 0", []))
    assert "FAILED" in line and "ZeroDivisionError" in wrong[0]
    if sys.platform == "linux":
        monkeypatch.setattr(colab_run, "MEMORY", 5)
        assert "5 MB are allowed" in run(("pass", []))[1][0]


@pytest.mark.parametrize(
    ("after", "changed"),
    [
        ("numpy==2.1.3 cnnlab==0.1.0", None),
        ("numpy==2.4.6 cnnlab==0.1.0", r"\['numpy==2.1.3', 'numpy==2.4.6'\]"),
        ("numpy==2.1.3 cnnlab==0.1.0 another==1", r"\['another==1'\]"),
        ("numpy==2.1.3", "nothing"),
    ],
)
def test_installing_must_add_cnnlab_alone(after: str, changed: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def pip(python: Path, *arguments: str) -> str:
        asked.append(arguments[0])
        lists = ["numpy==2.1.3", after]
        return "\n".join(lists["install" in asked].split()) if arguments[0] == "freeze" else ""

    monkeypatch.setattr(colab_run, "pip", pip)
    if changed is None:
        colab_run.only_cnnlab_comes(Path(sys.executable), Path("cnnlab.whl"))
        assert asked == ["uninstall", "freeze", "install", "freeze", "check"]
        return
    with pytest.raises(SystemExit, match=f"changed {changed}"):
        colab_run.only_cnnlab_comes(Path(sys.executable), Path("cnnlab.whl"))
