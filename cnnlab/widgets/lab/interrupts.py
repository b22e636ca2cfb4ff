"""The kernel's interrupt button while a lab trains.

A tick on the kernel's main thread is broken into by KeyboardInterrupt. But between two messages ipykernel ignores
interrupts, and under JupyterLab its version 7 handles widgets on another thread, where Python raises nothing. For these
moments a handler of our own takes the place of ipykernel's; it only sets flags, which the next batch sees.
"""

from __future__ import annotations

import signal
import threading
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnlab.widgets.lab.base import Lab

__all__ = ["hear_interrupts"]

_labs: weakref.WeakSet[Lab] = weakref.WeakSet()
_kernel: Any = None  # that has the handler


def hear_interrupts(lab: Lab) -> None:
    """Let the kernel's interrupt button reach this lab, where it is made in a notebook's cell; elsewhere nothing."""
    global _kernel
    from IPython import get_ipython

    _labs.add(lab)
    kernel = getattr(get_ipython(), "kernel", None)
    # While a cell runs, ipykernel keeps here what it will put back at its end.
    if kernel is None or kernel is _kernel or not hasattr(kernel, "saved_sigint_handler"):
        return
    if threading.current_thread() is threading.main_thread():
        before = kernel.saved_sigint_handler
        kernel.saved_sigint_handler = lambda number, frame: _interrupted(before, number, frame)
        _kernel = kernel


def _interrupted(before: Any, number: int, frame: Any) -> None:
    for lab in list(_labs):
        lab.interrupted()
    if callable(before) and before is not signal.default_int_handler:
        before(number, frame)
