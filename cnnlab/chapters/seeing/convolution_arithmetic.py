"""Input, kernel, stride, padding and dilation, and the output size that follows."""

from __future__ import annotations

from cnnlab.arithmetic import extent, output_size
from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Panel, Pick, Slider, Steps, Toggle

__all__ = ["convolution_arithmetic"]

# The sliders end at what can still be drawn cell by cell on a phone.
_WHY = "Larger ones cannot be drawn cell by cell."


def _alt(size: int, kernel: int, stride: int, padding: int, dilation: int, counts: bool) -> str:
    fits = extent(kernel, dilation) <= size + 2 * padding
    out = output_size(size, kernel, stride, padding, dilation) if fits else 0
    start = f"turns a {size} × {size} input into a {out} × {out} output" if fits else "does not fit in the input"
    return (
        "Sliders for input, kernel, stride, padding and dilation, the output-size formula with its numbers, and a "
        f"kernel that moves over the input. At the start a {kernel} × {kernel} kernel with stride {stride}, "
        f"padding {padding} and dilation {dilation} {start}."
    )


PANEL = Panel(
    "convolution_arithmetic",
    title="Convolution arithmetic",
    controls=(
        Slider("size", 1, 14, "input", symbol="n", color="blue", why=_WHY),
        Slider("kernel", 1, 7, "kernel", symbol="k", color="orange", why=_WHY),
        Slider("stride", 1, 4, "stride", symbol="s", color="green", why=_WHY),
        Slider("padding", 0, 4, "padding", symbol="p", color="violet", why=_WHY),
        Slider("dilation", 1, 3, "dilation", symbol="d", color="red", why=_WHY),
        Toggle("counts", "Reads per cell"),
        Pick("picture", "Kernel placements. The arrow keys move the kernel over the input.", sets=("x", "y")),
        Steps("play", loop=True),
    ),
    presets={
        "Valid": {"size": 7, "kernel": 3, "stride": 1, "padding": 0, "dilation": 1},
        "Same": {"size": 7, "kernel": 3, "stride": 1, "padding": 1, "dilation": 1},
        "Halve": {"size": 8, "kernel": 3, "stride": 2, "padding": 1, "dilation": 1},
        "Dilated": {"size": 9, "kernel": 3, "stride": 1, "padding": 0, "dilation": 2},
        "Leftover": {"size": 8, "kernel": 3, "stride": 2, "padding": 0, "dilation": 1},
        "Does not fit": {"size": 5, "kernel": 7, "stride": 1, "padding": 0, "dilation": 1},
    },
    alt=_alt,
    room=260,
    hint=135,
    variables={"x": 0, "y": 0},
)


def convolution_arithmetic(
    size: int = 7, kernel: int = 3, stride: int = 1, padding: int = 0, dilation: int = 1, *, key: str | None = None
) -> Explorer:
    """Move input, kernel, stride, padding and dilation, and see the output size and what each output reads.

    The picture is square: rows behave as columns do. The sizes given here are where the sliders start.

    Raises:
        ValueError: for a value beyond what can be drawn cell by cell.
    """
    return PANEL(size=size, kernel=kernel, stride=stride, padding=padding, dilation=dilation, counts=False, key=key)
