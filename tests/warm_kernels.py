"""Kernels for nbval that are forked from one process in which torch and Jupyter are imported already.

Each of the chapters is compared in a process of its own, and for each of these Python would import the same libraries
again, for three seconds of a core. Here one process a worker imports them once, computes nothing, and is forked for
each chapter. Only what comes from other packages is imported before: cnnlab is the chapter's to import, as for a
reader. `make execute`, which stores what is compared here, starts every kernel anew.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

LAUNCHER = ["-m", "ipykernel_launcher"]
# What a kernel imports as it starts, and then what the first cells of chapters do.
WARM = ["ipykernel.ipkernel", "ipykernel.kernelapp", "IPython.core.completer", "ipywidgets"]
# Not pandas, nor scikit-learn, which imports it: where no kernel runs yet, it would take its tables for a terminal's.
WARM += ["torch", "torchvision", "matplotlib.pyplot"]


# --- in pytest's process -------------------------------------------------------------------------------------------


class Kernel:
    """A forked kernel, with what jupyter_client asks of a subprocess. It is no child of the process that asks.

    Attributes:
        pid: the number of its process, and of its group.
        returncode: None while it lives, 0 afterwards; what it was is not known.
    """

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            try:
                os.kill(self.pid, 0)
            except ProcessLookupError:
                self.returncode = 0
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        until = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired("a forked kernel", timeout)
            time.sleep(0.02)
        return 0

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The warm process, started when the first kernel is asked for."""

    def __init__(self) -> None:
        self.process: subprocess.Popen | None = None

    def launch(self, command: Sequence[str], *, cwd: str, env: dict[str, str] | None = None, **_: Any) -> Kernel:
        """In place of `jupyter_client.launcher.launch_kernel`; what a kernel writes past Jupyter is not kept."""
        if list(command[1:3]) != LAUNCHER:
            raise ValueError(f"command={command!r} starts no kernel of this environment; leave --nbval-current-env on.")
        if self.process is None:
            here = [sys.executable, os.path.abspath(__file__)]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            self.process = subprocess.Popen(here, **pipes, text=True, start_new_session=True)
        wanted = {"argv": list(command[3:]), "cwd": str(cwd), "env": dict(os.environ if env is None else env)}
        self.process.stdin.write(json.dumps(wanted) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{__file__} ended with {self.process.wait()} before it could fork a kernel.")
        return Kernel(int(answer))

    def close(self) -> None:
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait(timeout=10)
            self.process.stdout.close()
            self.process = None


# --- in the warm process -------------------------------------------------------------------------------------------


def serve() -> None:
    """Fork a kernel for each line that comes, until none will come any more."""
    asked, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    sys.path.pop(0)  # this folder, which a kernel's path has not
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # a kernel ends when this process does
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"  # as kernels say it before matplotlib comes
    import_all()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    for line in asked:
        if os.fork() == 0:
            os.setsid()  # before its number is known: whoever knows it may send its group a signal
            answers.write(f"{os.getpid()}\n")
            answers.close()
            asked.close()
            become_kernel(**json.loads(line))


def import_all() -> None:
    for name in WARM:
        importlib.import_module(name)
    if "matplotlib_inline.backend_inline" in sys.modules or threading.active_count() > 1:
        raise RuntimeError("What is imported here must not have begun to work: a fork would find it half done.")
    gc.collect()
    gc.freeze()  # or every fork's first collection would copy all pages


def become_kernel(argv: list[str], cwd: str, env: dict[str, str]) -> None:
    """Never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = ["ipykernel_launcher", *argv]
    from ipykernel import kernelapp

    kernelapp.launch_new_instance()
    sys.exit()


if __name__ == "__main__":
    serve()
