"""EfficientNet's three knobs: what a setting makes of B0, and what it costs."""

from __future__ import annotations

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Panel, Slider

__all__ = ["three_knobs"]

# The authors' program: depth, width, resolution. B2 at 260 pixels, as they trained it.
FAMILY = {
    "B0": (1.0, 1.0, 224),
    "B1": (1.1, 1.0, 240),
    "B2": (1.2, 1.1, 260),
    "B3": (1.4, 1.2, 300),
    "B4": (1.8, 1.4, 380),
    "B5": (2.2, 1.6, 456),
    "B6": (2.6, 1.8, 528),
    "B7": (3.1, 2.0, 600),
}
ALONE = {"depth alone": (4.0, 1.0, 224), "width alone": (1.0, 2.0, 224), "resolution alone": (1.0, 1.0, 448)}

PANEL = Panel(
    "three_knobs",
    title="Three knobs on EfficientNet-B0",
    controls=(
        Slider("phi", 0, 7, "turns all three", symbol="φ", color="red", step=0.5, decimals=1),
        Slider("depth", 1, 4, "depth", symbol="d", color="blue", step=0.1, decimals=1),
        Slider("width", 1, 2.2, "width", symbol="w", color="green", step=0.1, decimals=1),
        Slider("resolution", 224, 640, "resolution", color="orange", step=4, unit="px"),
    ),
    presets={
        name: {"depth": depth, "width": width, "resolution": side}
        for name, (depth, width, side) in {**FAMILY, **ALONE}.items()
    },
    alt=lambda phi, depth, width, resolution: (
        "Sliders for the depth, the width and the picture size of EfficientNet-B0, and one that turns all three; the "
        "seven stages as rectangles, as long as they are deep and as high as they are wide; and a chart of the "
        "accuracy of B0 to B7 against multiply-accumulates, with a line at what this network costs. At the start it "
        f"has {depth} times the layers, {width} times the channels and pictures of {resolution} pixels."
    ),
    room=230,
    hint=170,
)


def three_knobs(
    phi: float = 0, depth: float = 1.0, width: float = 1.0, resolution: int = 224, *, key: str | None = None
) -> Explorer:
    """An EfficientNet by its depth, width and resolution, with its stages, parameters and multiply-accumulates.

    Counted as `cnnlab.summarize` counts ``cnnlab.models.efficientnet.EfficientNet``, roundings included. Moving φ sets
    the other three to 1.2^φ, 1.1^φ and 224 · 1.15^φ, rounded to what their sliders offer.

    Args:
        phi: from 0 to 7; where that slider stands at the start, without moving the others.
        depth: layers of each stage as a multiple of B0's, from 1 to 4.
        width: channels as a multiple of B0's, from 1 to 2.2.
        resolution: pixels along a side, a multiple of 4 from 224 to 640.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for a value that is not offered.
    """
    return PANEL(phi=phi, depth=depth, width=width, resolution=resolution, key=key)
