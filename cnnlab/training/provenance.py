"""Where, when and with what a result was computed: recorded with every run and every experiment."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
from collections.abc import Collection, Sequence
from datetime import datetime, timezone
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

__all__ = ["command_line", "provenance"]

_CHECKOUT = Path(__file__).resolve().parents[2]


@cache
def _git(*arguments: str) -> str | None:
    """What git says in our checkout; None where cnnlab was installed without one, or git is missing."""
    if not (_CHECKOUT / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(_CHECKOUT), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@cache
def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def command_line(program: str, arguments: Sequence[str], private: Collection[str]) -> str:
    """A call as a record shows it, without the options that name a path of one machine.

    >>> command_line("python bench.py", ["--json", "here.json", "--repeats", "9"], private=["--json"])
    'python bench.py --repeats 9'
    """
    kept: list[str] = []
    given = iter(arguments)
    for argument in given:
        if argument in private:
            next(given, None)  # its value
        elif argument.split("=")[0] not in private:
            kept.append(argument)
    return f"{program} {shlex.join(kept)}".strip()


def provenance(device: torch.device) -> dict[str, Any]:
    """Date (UTC), commit, device, threads and versions, as JSON can hold them.

    "commit" is None in an installed copy; "modified" says whether the checkout differed from it.
    """
    import cnnlab

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    versions = {"python": platform.python_version(), "cnnlab": cnnlab.__version__, "torch": torch.__version__}
    for package in ("torchvision", "numpy"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    changes = _git("status", "--porcelain", "--untracked-files=no", "--", "cnnlab", "experiments")
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "modified": None if changes is None else bool(changes),
        "device": device.type,
        "device_name": name,
        "cpu_threads": torch.get_num_threads(),
        "cpu_count": os.cpu_count(),
        "versions": versions,
        "platform": f"{platform.system()} {platform.machine()}",
    }
