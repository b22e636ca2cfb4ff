"""How far a cell of a map is heard, layer by layer, by convolution and three kinds of attention, and at what cost."""

from __future__ import annotations

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Pick, Slider

__all__ = ["attention_reach"]

SIDES = (8, 12, 16, 24, 32)
KINDS = {
    "convolution": "7 × 7 convolution",
    "windows": "Windows",
    "grid": "Grid",
    "turns": "Windows, then grid",
    "full": "Full attention",
}

PANEL = Panel(
    "attention_reach",
    title="Who hears whom, and at what cost",
    controls=(
        Choice("kind", "What mixes the cells", KINDS),
        Slider("layers", 1, 6, "layers", symbol="L", color="orange"),
        Slider("side", 8, 32, "cells, height and width", symbol="H", color="blue", values=SIDES),
        Pick("picture", "Cells of a map. The arrow keys choose the cell that speaks.", sets=("x", "y")),
    ),
    presets={
        "ConvFormer’s": {"kind": "convolution", "layers": 2, "side": 16},
        "MaxViT’s": {"kind": "turns", "layers": 2, "side": 16},
        "MaxViT’s, on too large a map": {"kind": "turns", "layers": 2, "side": 32},
        "CAFormer’s": {"kind": "full", "layers": 1, "side": 16},
    },
    alt=lambda kind, layers, side: (
        f"Buttons for what mixes the cells of a map, at the start {KINDS[kind].lower()}; sliders for the layers and "
        f"the size of the map; and a map of {side} by {side} cells, in which those are colored that hear a chosen one, "
        f"by the layer in which they first do, at the start of {layers}. Beside it stands what the layers cost."
    ),
    room=300,
    variables={"x": 5, "y": 2},
)


def attention_reach(kind: str = "turns", layers: int = 1, side: int = 16, *, key: str | None = None) -> Explorer:
    """Which cells a chosen one reaches, and the multiply-accumulates of it.

    Windows and grids are of 4 × 4 cells. Costs are of 64 channels, as `cnnlab.summarize` counts them: a convolution is
    `cnnlab.models.metaformer.SeparableConv`, full attention is its ``Attention``, windows and grids are MaxViT's.

    Args:
        kind: "convolution", "windows", "grid", "turns" (windows and grid by turns) or "full".
        layers: from 1 to 6.
        side: height and width of the map: 8, 12, 16, 24 or 32.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for a value that is not offered.
    """
    return PANEL(kind=kind, layers=layers, side=side, key=key)
