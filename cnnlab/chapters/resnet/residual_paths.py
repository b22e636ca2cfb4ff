"""The paths through residual blocks by length."""

from __future__ import annotations

from cnnlab.widgets.explorer import Explorer, whole

__all__ = ["residual_paths"]

RESIDUAL_PATHS_LIMITS: dict[str, tuple[float, float]] = {"blocks": (1, 110), "gain": (0.05, 1.5)}
RESIDUAL_PATHS_PRESETS: dict[str, int] = {"ResNet-18": 8, "ResNet-50": 16, "ResNet-152": 50, "ResNet-110": 54}


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
    whole("blocks", blocks, *(int(limit) for limit in RESIDUAL_PATHS_LIMITS["blocks"]))
    least, largest = RESIDUAL_PATHS_LIMITS["gain"]
    if not least <= gain <= largest:
        raise ValueError(f"gain={gain!r} is not from {least} to {largest}, which is what the slider offers.")
    return Explorer(
        "residual_paths",
        {
            "blocks": blocks,
            "gain": gain,
            "limits": {name: list(limits) for name, limits in RESIDUAL_PATHS_LIMITS.items()},
            "presets": [[name, count] for name, count in RESIDUAL_PATHS_PRESETS.items()],
        },
        key=key,
        title="Paths through residual blocks",
        alt=f"Sliders for the number of blocks and for what one block does to the gradient, and bars for the gradient "
        f"carried by paths of each length. At the start there are {blocks} blocks and a factor of {gain:g}; on average "
        f"the gradient passes through {blocks * gain / (1 + gain):.1f} of them.",
    )
