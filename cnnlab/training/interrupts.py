"""The notebook's interrupt button and Ctrl-C: a batch in progress ends first."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnlab.training.trainer import Trainer

__all__ = ["interrupt_stops", "interrupt_waits"]


@contextmanager
def interrupt_stops(trainer: Trainer) -> Iterator[None]:
    """The first interrupt lets the batch in progress end; a second one breaks into it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python delivers signals to the main thread only
        return
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):  # ignored or not Python's: leave it so
        yield
        return

    def handle(number: int, frame: Any) -> None:
        if trainer.run.stopped or trainer.together.stop_asked:
            before(number, frame)
        trainer.stop()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def interrupt_waits() -> Iterator[None]:
    """Hold back the first KeyboardInterrupt to the end of the block: half a batch cannot be taken back.

    Where somebody else handles the signal (as `fit` does), or outside the main thread, nothing changes.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    pressed = False

    def handle(number: int, frame: Any) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if pressed:
        raise KeyboardInterrupt
