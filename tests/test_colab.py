"""The set-up cell where Colab runs it: pip installs cnnlab for real and touches nothing else.

A stand-in for ``google.colab`` makes the cell believe that it is there. It runs in a virtual environment that sees
another's packages through links, all but cnnlab, so that nothing but cnnlab can be installed and nothing that pip
might do can reach the real files. The other is this one and, for `make test-colab`, that of Colab's versions.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.build_wheel import offline_environment
from tools.chapters import MAIN, reference, repository, requirement, setup_cell
from tools.colab_run import PYTHON

pytestmark = pytest.mark.slow

ADDRESS = repository()

RUN = """
import importlib.metadata, json, os, sys, types

if os.environ["STAND_IN"] == "1":
    google, colab = types.ModuleType("google"), types.ModuleType("google.colab")
    google.colab = colab
    sys.modules.update({"google": google, "google.colab": colab})

def versions():
    importlib.invalidate_caches()
    return {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}

from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
before = versions()
result = shell.run_cell(os.environ["CELL"])
error = result.error_before_exec or result.error_in_exec
place = getattr(sys.modules.get("cnnlab"), "__file__", None)
if place and not error:
    from cnnlab import results
    folder = str(results.recorded_folder())
else:
    folder = None
report = {"before": before, "after": versions(), "error": repr(error), "place": place, "folder": folder}
open(os.environ["REPORT"], "w").write(json.dumps(report))
"""


@pytest.fixture(scope="module", params=["ours", pytest.param("colab", marks=pytest.mark.colab)])
def packages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The Python of an environment, and links to all that is installed there, except cnnlab."""
    python = Path(sys.executable) if request.param == "ours" else PYTHON
    if not python.exists():
        pytest.skip("needs .venv-colab, which `make test-colab` makes")
    folder = tmp_path_factory.mktemp("packages")
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
    installed = subprocess.run(ask, env=offline_environment(), capture_output=True, text=True, check=True)
    for entry in Path(installed.stdout.strip()).iterdir():
        if "cnnlab" not in entry.name and entry.suffix != ".pth":
            (folder / entry.name).symlink_to(entry)
    return python, folder


@pytest.fixture
def colab(tmp_path: Path, packages: tuple[Path, Path]) -> Path:
    """A fresh environment that sees those packages; the path of its Python."""
    python, preinstalled = packages
    folder = tmp_path / "colab"
    make = [str(python), "-m", "venv", "--without-pip", "--symlinks", str(folder)]
    subprocess.run(make, env=offline_environment(), check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "preinstalled.pth").write_text(f"{preinstalled}\n")
    return folder / "bin" / "python"


def run_cell(python: Path, cell: str, folder: Path, *, in_colab: bool = True, **environment: str) -> dict:
    report = folder / "report.json"
    more = {"CELL": cell, "REPORT": str(report), "STAND_IN": "1" if in_colab else "0", "CNNLAB_SCALE": "smoke"}
    done = subprocess.run(
        [str(python), "-c", RUN],
        cwd=folder,
        env=offline_environment(**more, **environment, IPYTHONDIR=str(folder / "ipython")),
        capture_output=True,
        text=True,
    )
    assert report.is_file(), done.stdout + done.stderr
    return {**json.loads(report.read_text()), "said": done.stdout + done.stderr}


def assert_only_cnnlab_came(report: dict, python: Path) -> None:
    assert report["error"] == "None", report["said"]
    assert "| scale: smoke | seed 0" in report["said"]
    environment = python.parent.parent
    assert Path(report["place"]).is_relative_to(environment), f"imported from {report['place']}"
    assert Path(report["folder"]).is_relative_to(environment), "the recorded results come with the package"
    came = {name for name in report["after"] if report["before"].get(name) != report["after"][name]}
    assert came == {"cnnlab"}
    assert set(report["before"]) <= set(report["after"])
    assert {"torch", "torchvision", "ipywidgets", "ipykernel"} <= set(report["before"])


def test_setup_cell_installs_a_wheel_and_changes_nothing_else(colab: Path, wheel: Path, tmp_path: Path) -> None:
    cell = setup_cell(ADDRESS).replace(requirement(ADDRESS), f"cnnlab @ {wheel.as_uri()}")
    assert wheel.as_uri() in cell
    assert_only_cnnlab_came(run_cell(colab, cell, tmp_path), colab)


def test_setup_cell_as_it_stands_installs_from_git(colab: Path, package_source: Path, tmp_path: Path) -> None:
    """Not a letter of the cell changed: git is told to find the published address in a folder of this machine."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    repository = shutil.copytree(
        package_source, tmp_path / "repository", ignore=shutil.ignore_patterns("dist", "build")
    )
    tag = [] if reference() == MAIN else [["tag", reference()]]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "all"], *tag):
        subprocess.run(["git", *command], cwd=repository, env=clean, check=True)
    elsewhere = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{repository.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": ADDRESS,
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this 0 as "no isolation": setuptools comes from here, not an index
    }
    assert_only_cnnlab_came(run_cell(colab, setup_cell(ADDRESS), tmp_path, **elsewhere), colab)


def test_setup_cell_installs_nothing_elsewhere(colab: Path, wheel: Path, tmp_path: Path) -> None:
    cell = setup_cell(ADDRESS).replace(requirement(ADDRESS), f"cnnlab @ {wheel.as_uri()}")
    report = run_cell(colab, cell, tmp_path, in_colab=False)
    assert report["before"] == report["after"]
    assert "ModuleNotFoundError" in report["error"], (
        "outside Colab the reader has installed cnnlab, and here nobody has"
    )
