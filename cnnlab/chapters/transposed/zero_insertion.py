"""A transposed convolution taken apart: zeros put between the pixels and a convolution, or stamps that overlap."""

from __future__ import annotations

from cnnlab.arithmetic import transposed_output_size
from cnnlab.widgets.explorer import Explorer, whole
from cnnlab.widgets.panel import Choice, Panel, Pick, Slider, Steps, Toggle

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


_WHY = "Larger ones cannot be drawn cell by cell."


def _alt(size: int, kernel: int, stride: int, padding: int, output_padding: int, **_: object) -> str:
    out = transposed_output_size(size, kernel, stride, padding, output_padding)
    return (
        f"Sliders for input, kernel, stride, padding and output padding, the output-size formula with its numbers, "
        f"and two ways to the same output: zeros between the pixels and a convolution, or one stamp of the kernel for "
        f"each pixel. At the start a {kernel} × {kernel} kernel with stride {stride} turns {size} × {size} pixels into "
        f"{out} × {out}."
    )


PANEL = Panel(
    "zero_insertion",
    title="Transposed convolution, taken apart",
    controls=(
        *(
            Slider(name, *ZERO_INSERTION_LIMITS[name], label, symbol=symbol, color=color, why=_WHY)
            for name, label, symbol, color in (
                ("size", "input", "n", "blue"),
                ("kernel", "kernel", "k", "orange"),
                ("stride", "stride", "s", "green"),
                ("padding", "padding", "p", "violet"),
                ("output_padding", "output padding", "o", "red"),
            )
        ),
        Choice("stamps", "See it as", {False: "Zeros, then convolve", True: "Stamps"}),
        Toggle("counts", "Count stamps"),
        Choice("weights", "Kernel", {"ones": "Ones", "triangle": "Triangle", "numbers": "Numbers"}),
        Choice("pixels", "Input", {"numbers": "Numbers", "ones": "All ones"}),
        Pick(
            "picture",
            "Input, kernel and output. The arrow keys choose the output pixel, or the input pixel that stamps.",
            sets=("x", "y"),
        ),
        Steps("play", loop=True),
    ),
    alt=_alt,
    room=330,
    hint=135,
    presets={
        name: dict(zip((*ZERO_INSERTION_LIMITS, "weights"), values)) for name, values in ZERO_INSERTION_PRESETS.items()
    },
    variables={"x": 0, "y": 0},
)


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
    sizes = {
        "size": size,
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "output_padding": output_padding,
    }
    for name, value in sizes.items():
        whole(name, value, *ZERO_INSERTION_LIMITS[name], _WHY)
    whole("padding", padding, 0, kernel - 1, "More than kernel - 1 would cut away pixels of the input.")
    transposed_output_size(**sizes)
    data = {"pixels": ZERO_INSERTION_INPUT, "weights": ZERO_INSERTION_KERNEL}
    return PANEL(**sizes, stamps=False, counts=False, weights="ones", pixels="numbers", data=data, key=key)
