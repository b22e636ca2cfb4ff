"""A budget of weights to spend on depth, width and paths."""

from __future__ import annotations

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Slider

__all__ = ["residual_budget"]

WIDTHS = (16, 32, 64, 128, 160, 256, 512, 1024)
PATHS = (1, 2, 4, 8, 16)
BUDGETS = {"1.73": "ResNet-110’s", "10.33": "ResNet-1001’s", "36.48": "WRN-28-10’s"}  # millions of weights

PANEL = Panel(
    "residual_budget",
    title="A budget for a residual network",
    controls=(
        Choice("block", "Block", {"basic": "Basic (Wide ResNet)", "bottleneck": "Bottleneck (ResNeXt)"}),
        Slider("blocks", 1, 18, "blocks in each stage", symbol="N", color="blue"),
        Slider("width", 16, 1024, "channels of the first stage’s 3 × 3", symbol="w", color="green", values=WIDTHS),
        Slider("paths", 1, 16, "paths", symbol="C", color="orange", values=PATHS),
        Choice("budget", "Budget", BUDGETS),
    ),
    presets={
        "WRN-40-4": {"block": "basic", "blocks": 6, "width": 64},
        "WRN-16-8": {"block": "basic", "blocks": 2, "width": 128},
        "WRN-28-10": {"block": "basic", "blocks": 4, "width": 160},
        "ResNeXt-29, 8×64d": {"block": "bottleneck", "blocks": 3, "width": 512, "paths": 8},
        "ResNeXt-29, 16×64d": {"block": "bottleneck", "blocks": 3, "width": 1024, "paths": 16},
    },
    alt=lambda block, blocks, width, paths, budget: (
        "Sliders for the blocks, the channels and the paths of a residual network for pictures of 32 pixels; its three "
        "stages as rectangles, as long as they are deep and as high as they are wide; how much of a budget of "
        f"{budget} million parameters it takes; and bars of parameters and multiply-accumulates beside those of "
        f"networks from papers. At the start there are {blocks} blocks in each stage, with {width} channels."
    ),
    room=330,
)


def residual_budget(
    block: str = "basic",
    blocks: int = 6,
    width: int = 64,
    paths: int = 1,
    budget: str = "10.33",
    *,
    key: str | None = None,
) -> Explorer:
    """A Wide ResNet or a ResNeXt for CIFAR by its depth, width and cardinality, and what it costs.

    Counted as `cnnlab.summarize` counts ``CIFARWideResNet`` (6 N + 4 layers, widening factor w / 16) and
    ``CIFARResNeXt`` (9 N + 2 layers, C paths of w / C channels), for a picture of 3 × 32 × 32 and ten classes.

    Args:
        block: "basic" or "bottleneck"; only a bottleneck has paths.
        blocks: N, from 1 to 18.
        width: w, the channels of the first stage's 3 × 3 convolutions; they double twice.
        paths: C: 1, 2, 4, 8 or 16.
        budget: millions of parameters: "1.73", "10.33" or "36.48".
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for a value that is not offered.
    """
    return PANEL(block=block, blocks=blocks, width=width, paths=paths, budget=budget, key=key)
