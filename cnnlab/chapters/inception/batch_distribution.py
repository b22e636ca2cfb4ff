"""One unit's numbers before and after batch norm: a batch is drawn, and one picture's number hangs on the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Slider, Steps

__all__ = ["batch_distribution"]

BATCHES = (1, 2, 4, 8, 16, 32, 64)
DRAWS = 40
MODES = {"train": "Training", "eval": "Evaluation"}


def _sample() -> list[float]:
    """A hundred numbers that lean to one side, as those of a unit before its norm often do."""
    places = (np.arange(100) + 0.5) / 100
    return [round(float(-1.4 * np.log1p(-place) - 0.2), 3) for place in places]


PANEL = Panel(
    "batch_distribution",
    title="One unit, one batch after another",
    controls=(
        Choice("mode", "The layer is in", MODES),
        Slider("batch", 1, 64, "pictures in a batch", symbol="m", color="blue", values=BATCHES),
        Slider("gamma", 0, 2, "scale", symbol="γ", color="violet", step=0.1, decimals=1),
        Slider("beta", -2, 2, "shift", symbol="β", color="green", step=0.1, decimals=1),
        Steps("draws", ms=500, loop=True),
    ),
    presets={
        "A large batch": {"mode": "train", "batch": 64},
        "Eight": {"mode": "train", "batch": 8},
        "Two": {"mode": "train", "batch": 2},
        "One": {"mode": "train", "batch": 1},
        "As it answers": {"mode": "eval", "batch": 8},
    },
    variables={"draw": 0},
    alt=lambda mode, batch, gamma, beta: (
        "Buttons for training and evaluation mode, sliders for the batch size, scale and shift, and steps that draw "
        "one batch after another. Two lines of dots: a unit's numbers for a batch, and what batch norm makes of them, "
        f"one picture marked in both. At the start {batch} pictures are drawn in {MODES[mode].lower()} mode."
    ),
    room=250,
)


def batch_distribution(
    mode: str = "train",
    batch: int = 8,
    gamma: float = 1.0,
    beta: float = 0.0,
    *,
    values: Sequence[float] | None = None,
    key: str | None = None,
) -> Explorer:
    """One unit's numbers before and after batch norm, for batches drawn from a sample; the first picture is in each.

    In training mode a batch is normalized by its own mean and deviation, in evaluation mode by the running ones, which
    start at 0 and 1 and have taken in every batch drawn so far, a tenth at a time, as torch's do. Source: Ioffe and
    Szegedy, "Batch normalization" (ICML 2015), algorithms 1 and 2.

    Args:
        mode: "train" or "eval".
        batch: pictures in a batch: 1, 2, 4, 8, 16, 32 or 64.
        gamma: the learned scale, 0 to 2.
        beta: the learned shift, -2 to 2.
        values: the unit's numbers for as many pictures as you like, 64 or more; None for a sample that leans to one
            side.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for a value that the controls do not offer, or a sample that is too small.
    """
    numbers = _sample() if values is None else [round(float(value), 3) for value in values]
    if len(numbers) < BATCHES[-1]:
        raise ValueError(f"values holds {len(numbers)} numbers; a batch of {BATCHES[-1]} needs as many or more.")
    return PANEL(mode=mode, batch=batch, gamma=gamma, beta=beta, data={"values": numbers, "draws": DRAWS}, key=key)
