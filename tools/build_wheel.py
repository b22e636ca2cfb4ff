"""A wheel of the working tree's package, built without a network and without leaving anything in the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OFFLINE = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def offline_environment(**more: str) -> dict[str, str]:
    """This process's environment, with a pip that may ask no index and reads no settings of this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    return {**kept, **OFFLINE, **more}


def copy_source(folder: Path) -> Path:
    """Copy into ``folder`` what a clone holds of the package; returns ``folder``."""
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "cnnlab", folder / "cnnlab", ignore=leave)
    shutil.copytree(ROOT / "book" / "recorded", folder / "book" / "recorded", ignore=leave)
    for name in ("pyproject.toml", "setup.py", "_toc.yml", "README.md", "LICENSE", "LICENSE-text"):
        shutil.copy(ROOT / name, folder)
    return folder


def build_wheel(source: Path) -> Path:
    """Build the wheel of sources such as :func:`copy_source` lays out, in their ``dist``; returns its path.

    Raises ``RuntimeError`` with what pip says where it cannot be built.
    """
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", "dist", "."]
    built = subprocess.run(command, cwd=source, env=offline_environment(), capture_output=True, text=True)
    if built.returncode:
        raise RuntimeError(f"The package's wheel cannot be built:\n{built.stdout}{built.stderr}")
    (found,) = (source / "dist").glob("*.whl")
    return found
