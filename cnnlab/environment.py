"""Where the code runs and how big an experiment may be there.

``scale()`` names the budget: "smoke" (continuous integration or a laptop CPU: a chapter in under a
minute on two cores), "laptop" (a patient CPU or a small GPU) or "gpu" (a Colab T4 or better).
The environment variable CNNLAB_SCALE overrides the guess.
"""

from __future__ import annotations

import operator
import os
import random
from typing import TypeVar

from cnnlab.devices import device
from cnnlab.errors import unknown_name

__all__ = ["SCALES", "scale", "by_scale", "seed_everything", "setup"]

SCALES = ("smoke", "laptop", "gpu")
T = TypeVar("T")


def scale() -> str:
    """The budget of experiments here: "smoke", "laptop" or "gpu".

    Raises:
        ValueError: if CNNLAB_SCALE holds anything else.
    """
    chosen = os.environ.get("CNNLAB_SCALE", "").strip().lower()
    if chosen:
        if chosen not in SCALES:
            raise unknown_name("CNNLAB_SCALE", chosen, SCALES, "Unset it to let cnnlab choose from the hardware.")
        return chosen
    return {"cuda": "gpu", "mps": "laptop"}.get(device().type, "smoke")


def by_scale(*, smoke: T, laptop: T, gpu: T) -> T:
    """The value for the current scale: ``epochs = by_scale(smoke=1, laptop=5, gpu=30)``."""
    return {"smoke": smoke, "laptop": laptop, "gpu": gpu}[scale()]


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch (all devices)."""
    import numpy
    import torch

    seed = operator.index(seed)  # NumPy's whole numbers are as good as Python's
    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def setup(seed: int = 0) -> None:
    """What every chapter's set-up cell calls: seed, plot style, figures from 1, and one line saying where this runs."""
    import torch

    import cnnlab
    from cnnlab import draw

    seed_everything(seed)
    if device().type == "cpu":
        # A fixed count: sums come out the same whether the machine has two cores or sixteen. And at the smoke scale
        # layers are so small that a second thread mostly waits for the first, for minutes where cores are shared.
        torch.set_num_threads(1 if scale() == "smoke" else min(2, os.cpu_count() or 1))
    draw.use_style()
    draw.restart_numbering()
    where = device()
    name = torch.cuda.get_device_name(where) if where.type == "cuda" else where.type
    print(f"cnnlab {cnnlab.__version__} | torch {torch.__version__} | {name} | scale: {scale()} | seed {seed}")
