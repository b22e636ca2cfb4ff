"""The device that work goes to, and how memory is kept on it."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    import torch

__all__ = ["device", "keep_freed_memory", "watched"]


def device() -> torch.device:
    """The device that models and batches go to: CUDA, else Apple's MPS, else the CPU."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


@cache
def keep_freed_memory() -> None:
    """Ask glibc to keep what each step frees for the next one, instead of handing it back to the system.

    By default the activations of every batch are fresh pages, which the kernel must clear: 1700 page faults
    a step for LeNet-5 with 128 images, a sixth of the time or more. The process keeps its largest size.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(mmap_threshold, 32 * 2**20)  # the most that glibc allows


def watched(stream: TextIO) -> bool:
    """Whether somebody would see a progress bar on ``stream``: in a terminal or a notebook, not in a log.

    Not under CNNLAB_SCALE=smoke either, so that executed chapters hold no bars.
    """
    seen = "ipykernel" in sys.modules or stream.isatty()
    return seen and os.environ.get("CNNLAB_SCALE", "").strip().lower() != "smoke"
