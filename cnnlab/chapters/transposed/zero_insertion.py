"""A transposed convolution taken apart: zeros put between the pixels and a convolution, or stamps that overlap."""

from __future__ import annotations

from cnnlab.arithmetic import transposed_output_size
from cnnlab.widgets.explorer import Explorer, whole

__all__ = ["zero_insertion"]

# What can still be drawn cell by cell on a phone.
ZERO_INSERTION_LIMITS: dict[str, tuple[int, int]] = {
    "size": (1, 6),
    "kernel": (1, 5),
    "stride": (1, 3),
    "padding": (0, 4),
    "output_padding": (0, 2),
}

# The pixels and weights behind "Numbers": the upper left corner of each is used.
ZERO_INSERTION_INPUT: tuple[tuple[int, ...], ...] = (
    (2, 1, 3, 0, 2, 1),
    (0, 3, 1, 2, 1, 4),
    (1, 2, 4, 1, 0, 2),
    (3, 0, 1, 2, 3, 1),
    (1, 2, 0, 3, 1, 2),
    (2, 1, 3, 1, 2, 0),
)
ZERO_INSERTION_KERNEL: tuple[tuple[int, ...], ...] = (
    (1, 2, 0, 1, 1),
    (3, 1, 2, 0, 1),
    (0, 1, 1, 3, 2),
    (2, 0, 1, 1, 0),
    (1, 1, 0, 2, 1),
)

# Settings worth a look: size, kernel, stride, padding, output padding, and the kernel's weights.
ZERO_INSERTION_PRESETS: dict[str, tuple[int, int, int, int, int, str]] = {
    "Checkerboard": (5, 3, 2, 1, 1, "ones"),
    "Even overlap": (5, 4, 2, 1, 0, "ones"),
    "Even, not flat": (5, 4, 2, 1, 0, "numbers"),
    "Bilinear": (5, 4, 2, 1, 0, "triangle"),
    "U-Net": (5, 2, 2, 0, 0, "numbers"),
    "Gaps": (5, 2, 3, 0, 0, "ones"),
}


def zero_insertion(
    size: int = 4,
    kernel: int = 3,
    stride: int = 2,
    padding: int = 1,
    output_padding: int = 1,
    *,
    key: str | None = None,
) -> Explorer:
    """Take a transposed convolution apart: zeros, then a convolution; or stamps, and how many fall on each pixel.

    The picture is square: rows behave as columns do. The sizes given here are where the sliders start.

    Raises:
        ValueError: for a value beyond what can be drawn (``ZERO_INSERTION_LIMITS``), a padding above ``kernel - 1``, an
            output padding not below the stride, or no output.
    """
    values = {
        "size": size,
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "output_padding": output_padding,
    }
    for name, value in values.items():
        whole(name, value, *ZERO_INSERTION_LIMITS[name], "Larger ones cannot be drawn cell by cell.")
    whole("padding", padding, 0, kernel - 1, "More than kernel - 1 would cut away pixels of the input.")
    out = transposed_output_size(**values)
    return Explorer(
        "zero_insertion",
        {
            "values": list(values.values()),
            "limits": [list(limits) for limits in ZERO_INSERTION_LIMITS.values()],
            "pixels": [list(row) for row in ZERO_INSERTION_INPUT],
            "weights": [list(row) for row in ZERO_INSERTION_KERNEL],
            "presets": [[name, list(preset)] for name, preset in ZERO_INSERTION_PRESETS.items()],
        },
        key=key,
        title="Transposed convolution, taken apart",
        alt=f"Sliders for input, kernel, stride, padding and output padding, the output-size formula with its numbers, "
        f"and two ways to the same output: zeros between the pixels and a convolution, or one stamp of the kernel for "
        f"each pixel. At the start a {kernel} × {kernel} kernel with stride {stride} turns {size} × {size} pixels into "
        f"{out} × {out}.",
    )
