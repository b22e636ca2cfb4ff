"""The paths through residual blocks by length."""

from __future__ import annotations

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Slider

__all__ = ["residual_paths"]

PANEL = Panel(
    "residual_paths",
    title="Paths through residual blocks",
    controls=(
        Slider("blocks", 1, 110, "blocks", symbol="n", color="blue"),
        Slider("gain", 0.05, 1.5, "per block", symbol="f", color="orange", step=0.05, decimals=2),
        Choice("weighted", "Bars show", {True: "Gradient", False: "Number of paths"}),
    ),
    presets={
        "ResNet-18": {"blocks": 8},
        "ResNet-50": {"blocks": 16},
        "ResNet-152": {"blocks": 50},
        "ResNet-110": {"blocks": 54},
    },
    alt=lambda blocks, gain, weighted: (
        "Sliders for the number of blocks and for what one block does to the gradient, and bars for the gradient "
        f"carried by paths of each length. At the start there are {blocks} blocks and a factor of {gain:g}; on average "
        f"the gradient passes through {blocks * gain / (1 + gain):.1f} of them."
    ),
    room=215,
)


def residual_paths(blocks: int = 54, gain: float = 0.3, *, key: str | None = None) -> Explorer:
    """The paths through ``blocks`` residual blocks by length, and how much gradient each length carries.

    Multiplying out (1 + f)^n gives n-choose-k paths through k blocks, each worth f^k: the linear picture of Veit,
    Wilber and Belongie, "Residual networks behave like ensembles of relatively shallow networks" (NIPS 2016).

    Args:
        blocks: n, from 1 to 110.
        gain: f, what one passage through a block does to the gradient, from 0.05 to 1.5.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for a value outside these limits.
    """
    return PANEL(blocks=blocks, gain=gain, weighted=True, key=key)
