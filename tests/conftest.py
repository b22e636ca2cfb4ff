"""Shared by all tests: the smallest scale, one thread, no data of one machine; and a wheel of the package.

The kernels that nbval starts inherit this environment; ``tools/execute_notebooks.py`` sets the same.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

os.environ["CNNLAB_SCALE"] = "smoke"
os.environ["OMP_NUM_THREADS"] = "1"  # a worker for each core does more than a thread for each
os.environ.pop("CNNLAB_DATA", None)

ROOT = Path(__file__).resolve().parent.parent
OFFLINE = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def offline_environment(**more: str) -> dict[str, str]:
    """This process's environment, with a pip that may ask no index and reads no settings of this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    return {**kept, **OFFLINE, **more}


@pytest.fixture(scope="session")
def package_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a clone holds of the package, so that building it leaves nothing in the checkout."""
    folder = tmp_path_factory.mktemp("source")
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "cnnlab", folder / "cnnlab", ignore=leave)
    shutil.copytree(ROOT / "book" / "recorded", folder / "book" / "recorded", ignore=leave)
    for name in ("pyproject.toml", "setup.py", "_toc.yml", "README.md", "LICENSE", "LICENSE-text"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="session")
def wheel(package_source: Path) -> Path:
    """A wheel built from the working tree, without a network."""
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", "dist", "."]
    built = subprocess.run(command, cwd=package_source, env=offline_environment(), capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (found,) = (package_source / "dist").glob("cnnlab-*.whl")
    return found
