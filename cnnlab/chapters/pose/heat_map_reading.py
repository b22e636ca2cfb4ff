"""One point on a heat map: how large a cell is, how wide the Gaussian, how much noise, and what four methods read."""

from __future__ import annotations

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Choice, Panel, Pick, Slider

__all__ = ["heat_map_reading"]

PANEL = Panel(
    "heat_map_reading",
    title="Reading a heat map",
    controls=(
        Choice("stride", "Pixels to a cell", {2: "2", 4: "4", 8: "8"}),
        Slider("sigma", 0.4, 2.5, "Gaussian", symbol="σ", color="blue", step=0.1, decimals=1, unit=" cells"),
        Slider("noise", 0, 30, "noise", color="red", unit=" %"),
        Slider("draw", 1, 20, "another draw of it"),
        Pick("picture", "A point on 32 × 32 pixels. The arrow keys move it by a tenth of one.", sets=("x", "y")),
    ),
    alt=lambda stride, sigma, noise, draw: (
        f"A heat map of {32 // stride} × {32 // stride} cells of {stride} pixels, the true point as a cross and what "
        f"four methods read as marks. At the start the Gaussian is {sigma} cells wide, the noise is {noise} % of its "
        f"height. Beside it the error of each method at this point and its mean over the point's cell."
    ),
    room=265,
    hint=180,
    presets={
        "As taught": {"stride": 4, "sigma": 1.0, "noise": 0},
        "As a network says it": {"stride": 4, "sigma": 1.0, "noise": 8},
        "Coarse": {"stride": 8, "sigma": 1.0, "noise": 0},
        "Too sharp to be read": {"stride": 8, "sigma": 0.4, "noise": 2},
        "Wide and noisy": {"stride": 2, "sigma": 2.5, "noise": 15},
    },
    trying="Maps to try",
    variables={"x": 173, "y": 142},
)


def heat_map_reading(
    stride: int = 4, sigma: float = 1.0, noise: int = 0, draw: int = 1, *, key: str | None = None
) -> Explorer:
    """Move a point under a heat map and see what each method reads; the arithmetic is `cnnlab.pose.decode`'s.

    Args:
        stride: pixels to a side of a cell: 2, 4 or 8.
        sigma: of the Gaussian, in cells, 0.4 to 2.5.
        noise: standard deviation of what is added to each cell, in percent of the Gaussian's height, 0 to 30.
        draw: which noise, 1 to 20.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: a value that its control does not offer.
    """
    return PANEL(stride=stride, sigma=sigma, noise=noise, draw=draw, key=key)
