"""Input, kernel, stride, padding and dilation, and the output size that follows."""

from __future__ import annotations

from cnnlab.arithmetic import extent, output_size
from cnnlab.widgets.explorer import Explorer, whole

__all__ = ["convolution_arithmetic"]

# What can still be drawn cell by cell on a phone.
CONVOLUTION_LIMITS: dict[str, tuple[int, int]] = {
    "size": (1, 14),
    "kernel": (1, 7),
    "stride": (1, 4),
    "padding": (0, 4),
    "dilation": (1, 3),
}

# Settings worth a look, by the name that people call them.
CONVOLUTION_PRESETS: dict[str, dict[str, int]] = {
    "Valid": {"size": 7, "kernel": 3, "stride": 1, "padding": 0, "dilation": 1},
    "Same": {"size": 7, "kernel": 3, "stride": 1, "padding": 1, "dilation": 1},
    "Halve": {"size": 8, "kernel": 3, "stride": 2, "padding": 1, "dilation": 1},
    "Dilated": {"size": 9, "kernel": 3, "stride": 1, "padding": 0, "dilation": 2},
    "Leftover": {"size": 8, "kernel": 3, "stride": 2, "padding": 0, "dilation": 1},
    "Does not fit": {"size": 5, "kernel": 7, "stride": 1, "padding": 0, "dilation": 1},
}


def convolution_arithmetic(
    size: int = 7, kernel: int = 3, stride: int = 1, padding: int = 0, dilation: int = 1, *, key: str | None = None
) -> Explorer:
    """Move input, kernel, stride, padding and dilation, and see the output size and what each output reads.

    The picture is square: rows behave as columns do. The sizes given here are where the sliders start.

    Raises:
        ValueError: for a value beyond what can be drawn cell by cell (``CONVOLUTION_LIMITS``).
    """
    values = {"size": size, "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    for name, value in values.items():
        whole(name, value, *CONVOLUTION_LIMITS[name], "Larger ones cannot be drawn cell by cell.")
    fits = extent(kernel, dilation) <= size + 2 * padding
    out = output_size(**values) if fits else 0
    start = f"turns a {size} × {size} input into a {out} × {out} output" if fits else "does not fit in the input"
    return Explorer(
        "convolution_arithmetic",
        {
            "values": values,
            "limits": {name: list(limits) for name, limits in CONVOLUTION_LIMITS.items()},
            "presets": [[name, preset] for name, preset in CONVOLUTION_PRESETS.items()],
        },
        key=key,
        title="Convolution arithmetic",
        alt=f"Sliders for input, kernel, stride, padding and dilation, the output-size formula with its numbers, and a "
        f"kernel that moves over the input. At the start a {kernel} × {kernel} kernel with stride {stride}, "
        f"padding {padding} and dilation {dilation} {start}.",
    )
