"""Five numbers to a RegNet: a line of widths, cut into stages, and what the network costs."""

from __future__ import annotations

from typing import Any

from cnnlab.models.regnet import VARIANTS
from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Slider, Toggle

__all__ = ["width_line"]

GROUP_WIDTHS = (1, 2, 4, 8, 16, 24, 32, 48, 56, 64, 112, 120, 128, 168, 232)


def _preset(name: str) -> dict[str, Any]:
    own = VARIANTS[name]
    numbers = {"depth": own.depth, "w_0": own.w_0, "w_a": own.w_a, "w_m": own.w_m, "group_width": own.group_width}
    return {**numbers, "excite": own.excite, "rounding": "paper"}


def _title(name: str) -> str:
    _, kind, *size = name.split("_")
    return f"{kind.upper()} {'.'.join(size).upper()}"


PANEL = Panel(
    "width_line",
    title="A line, four stages, a network",
    controls=(
        Slider("depth", 4, 40, "blocks", symbol="d", color="blue"),
        Slider("w_0", 8, 320, "width where the line begins", symbol="w₀", color="green", step=8),
        Slider("w_a", 4, 120, "rise from block to block", symbol="wₐ", color="orange", step=0.01, decimals=2),
        Slider("w_m", 1.5, 3, "ratio of successive stages’ widths", symbol="wₘ", color="red", step=0.01, decimals=2),
        Slider("group_width", 1, 232, "channels of a group", symbol="g", color="purple", values=GROUP_WIDTHS),
        Toggle("excite", "Squeeze and excite (Y)"),
        Choice("rounding", "Rounded to whole groups", {"paper": "as in the paper", "torchvision": "as in torchvision"}),
    ),
    # The largest is of a later paper, and its line begins beyond the slider.
    presets={_title(name): _preset(name) for name in VARIANTS if name != "regnet_y_128gf"},
    trying="The paper’s networks",
    alt=lambda depth, w_0, w_a, w_m, group_width, excite, rounding: (
        "Sliders for a RegNet’s depth, the start and the rise of its line of widths, the ratio of its stages and its "
        "group width; a bar for each block, as high as the block is wide, over the dots of the line; and what the "
        f"network costs. At the start there are {depth} blocks on a line from {w_0} that rises by {w_a} a block."
    ),
    room=235,
    hint=215,
)


def width_line(
    depth: int = 22,
    w_0: int = 24,
    w_a: float = 24.48,
    w_m: float = 2.54,
    group_width: int = 16,
    excite: bool = False,
    rounding: str = "paper",
    *,
    key: str | None = None,
) -> Explorer:
    """The widths of a RegNet's blocks as its five numbers make them, and what the network costs.

    Rounded as `cnnlab.models.regnet.stages` rounds, and counted as `cnnlab.summarize` counts a ``RegNet`` for a picture
    of 3 × 224 × 224 and a thousand classes. At the start it is RegNetX-400MF.

    Args:
        depth: blocks, from 4 to 40.
        w_0: width where the line begins, a multiple of 8 up to 320.
        w_a: by how much the line rises from block to block, from 4 to 120.
        w_m: ratio of the widths of successive stages, from 1.5 to 3.
        group_width: channels of a group, one of those that the slider offers.
        excite: True for RegNetY.
        rounding: "paper" or "torchvision", which makes three of the paper's networks wider.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for a value that is not offered.
    """
    given = {"depth": depth, "w_0": w_0, "w_a": w_a, "w_m": w_m, "group_width": group_width}
    return PANEL(**given, excite=excite, rounding=rounding, key=key)
