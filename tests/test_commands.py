"""The commands themselves: what Makefile and .ci/run do when something is old, missing, fresh or failing.

The programs that they call are stand-ins here, so that this takes no time; `.ci/run` is their test in earnest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.conftest import belongs, names_of
from tools.chapters import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def stand_in(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env={**clean, **environment}, capture_output=True, text=True
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The Makefile beside a book of one page, with stand-ins where the environment's programs would be."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.txt", "constraints.txt", "pyproject.toml", "setup.py", "_config.yml", "_toc.yml"):
        (tmp_path / name).write_text("")
    (tmp_path / "tests" / "colab").mkdir(parents=True)
    for name in ("requirements.txt", "constraints.txt"):
        (tmp_path / "tests" / "colab" / name).write_text("")
    (tmp_path / "book").mkdir()
    (tmp_path / "cnnlab").mkdir()
    (tmp_path / "book" / "page.md").write_text("# Page")
    (tmp_path / "index.md").write_text("# Home")
    stand_in(
        tmp_path / ".venv" / "bin" / "python",
        "echo python $* >> calls\n"
        'case "$1" in */build_book.py) mkdir -p _build/html _build/.doctrees; test ! -e broken;; esac',
    )
    return tmp_path


def calls(project: Path, program: str) -> int:
    return (project / "calls").read_text().count(program)


def test_a_second_build_skips_what_is_up_to_date(project: Path) -> None:
    first = make(project, "book")
    assert first.returncode == 0, first.stderr
    assert str(project / "_build" / "html" / "index.html") in first.stdout
    assert (calls(project, "pip install"), calls(project, "tools/build_book.py")) == (2, 1)
    second = make(project, "book")
    assert "up to date" in second.stdout
    assert (calls(project, "pip install"), calls(project, "tools/build_book.py")) == (2, 1)


@pytest.mark.parametrize("changed", ["book/page.md", "index.md", "_toc.yml"])
def test_a_changed_page_is_built_again_without_installing(project: Path, changed: str) -> None:
    make(project, "book")
    later = (project / "_build" / ".built").stat().st_mtime + 5
    os.utime(project / changed, (later, later))
    make(project, "book")
    assert (calls(project, "pip install"), calls(project, "tools/build_book.py")) == (2, 2)


def test_a_build_fails_on_any_warning() -> None:
    """As it says for which arguments jupyter-book is called."""
    assert '"-W", "--keep-going", "-n"' in (ROOT / "tools" / "build_book.py").read_text(encoding="utf-8")


def test_a_changed_pin_is_installed(project: Path) -> None:
    make(project, "book")
    later = (project / "_build" / ".built").stat().st_mtime + 5
    os.utime(project / "requirements.txt", (later, later))
    make(project, "setup")
    assert calls(project, "pip install") == 4


def test_a_failed_build_is_not_forgotten(project: Path) -> None:
    """Sphinx warns about a page only when it reads it, so the next build must read everything."""
    (project / "broken").touch()
    assert make(project, "book").returncode != 0
    assert not (project / "_build" / ".doctrees").exists()
    assert make(project, "book").returncode != 0
    (project / "broken").unlink()
    assert make(project, "book").returncode == 0


def test_an_old_python_is_refused_in_words(project: Path) -> None:
    old = stand_in(project / "oldpython", 'test "$1" = -V && echo Python 3.8.0; test "$1" = -V')
    done = make(project, "book", f"PYTHON={old}")
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stdout and "Python 3.8.0" in done.stdout


def test_colab_has_an_environment_of_its_own_of_python_3_13_where_there_is_one(project: Path) -> None:
    """Made once, then only used; a pyenv whose python3.13 does not start is passed over."""
    python = 'echo "colab $*" >> calls; test "$1" != -V || echo Python 3.13.0'
    making = 'test "$1" != -m || { mkdir -p $3/bin; cp "$0.copy" $3/bin/python; echo "venv $3" >> calls; }'
    pyenv = project / "pyenv" / "versions"
    made = stand_in(pyenv / "3.13.9" / "bin" / "python3.13", making)
    stand_in(Path(f"{made}.copy"), python)
    stand_in(pyenv / "3.13.1" / "bin" / "python3.13", "exit 127")
    programs = stand_in(project / "programs" / "python3.13", "exit 127").parent
    environment = {"PYENV_ROOT": str(project / "pyenv"), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    first = make(project, "test-colab", **environment)
    assert first.returncode == 0, first.stderr
    assert "Python 3.13.0" in first.stdout
    assert calls(project, "venv .venv-colab") == 1
    assert calls(project, "disable-pip-version-check --no-compile -r tests/colab/requirements.txt") == 1
    assert calls(project, "python tools/colab_run.py --jobs 3") == 1
    assert calls(project, "-m pytest tests/colab tests/test_colab.py -m colab") == 1
    second = make(project, "test-colab", **environment)
    assert second.returncode == 0, second.stderr
    assert calls(project, "-r tests/colab/requirements.txt") == 1 and calls(project, "tools/colab_run.py") == 2


def test_a_reference_reaches_the_tools(project: Path) -> None:
    for command in (
        ["editions"],
        ["editions", "REF=ws26"],
        ["publish-url", "URL=x"],
        ["publish-url", "URL=x", "REF=ws26"],
    ):
        assert make(project, *command).returncode == 0
    said = [line for line in (project / "calls").read_text().splitlines() if " tools/" in line]
    assert said == [
        "python tools/editions.py",
        "python tools/editions.py --ref ws26",
        "python tools/publish_url.py x",
        "python tools/publish_url.py x ws26",
    ]


def test_publish_url_says_what_is_missing(project: Path) -> None:
    done = make(project, "publish-url")
    assert done.returncode != 0 and "URL=https://github.com/owner/name" in done.stdout


@pytest.mark.parametrize("failing", ["", "book", "test"])
def test_ci_runs_both_commands_and_fails_when_either_does(tmp_path: Path, failing: str) -> None:
    script = shutil.copytree(ROOT / ".ci", tmp_path / ".ci") / "run"
    programs = tmp_path / "programs"
    stand_in(programs / "chromium-headless-shell", "exit 0")
    stand_in(programs / "make", f'echo "$1 $CNNLAB_REQUIRE_BROWSER" >> calls; test "$1" != "{failing}"')
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("CNNLAB_REQUIRE_BROWSER", None)
    done = subprocess.run([str(script)], env=environment, capture_output=True, text=True)
    assert (done.returncode == 0) == (failing == "")
    said = (tmp_path / "calls").read_text().splitlines()
    assert said == (["book 1"] if failing == "book" else ["book 1", "test 1"])


def test_github_runs_the_same() -> None:
    workflows = ROOT / ".github" / "workflows"
    assert "run: .ci/run" in (workflows / "book.yml").read_text()
    assert "run: make test-colab" in (workflows / "colab.yml").read_text()


@pytest.mark.parametrize(
    ("name", "file", "its_own"),
    [
        ("test_it_is_proven[dilated/holes]", "test_exercises.py", True),
        ("test_page_over_http[book/convolutions/dilated.html]", "test_site.py", True),
        ("test_every_control_answers_keys_and_the_pointer[dilation_grid]", "test_every_explorer.py", True),
        ("test_it_agrees_with_torch", "test_dilation_grid.py", True),
        ("Cell 3", "dilated.ipynb", True),
        ("test_few_cells_are_excused_from_comparison[book/convolutions/dilated.ipynb]", "test_chapters.py", True),
        ("test_table_of_contents_lists_files_that_exist", "test_chapters.py", True),
        ("test_few_cells_are_excused_from_comparison[book/convolutions/grouped.ipynb]", "test_chapters.py", False),
        ("test_it_is_proven[seeing/shift]", "test_exercises.py", False),
        ("test_parameters_macs_norms_and_head[drn_c_26]", "test_models.py", False),
        ("Cell 3", "grouped.ipynb", False),
    ],
)
def test_what_belongs_to_a_chapter(name: str, file: str, its_own: bool):
    """``make test CHAPTERS=dilated``."""
    assert belongs(SimpleNamespace(name=name, path=Path(file)), names_of("dilated")) == its_own


def test_a_chapter_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="chapter='dilatd' is not known. Did you mean 'dilated'"):
        names_of("dilatd")
