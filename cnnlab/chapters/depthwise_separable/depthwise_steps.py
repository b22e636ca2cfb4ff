"""A depthwise separable convolution step by step, next to the standard one that does both at once, with both bills."""

from __future__ import annotations

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Panel, Pick, Slider, Steps

__all__ = ["depthwise_steps"]

MOST_CHANNELS = 8
MOST_FILTERS = 128
MOST_KERNEL = 5
MOST_SIZE = 12

# Channels, filters, kernel, size.
DEPTHWISE_STEPS_PRESETS: dict[str, tuple[int, int, int, int]] = {
    "6 × 6 × 3 to 4 × 4 × 5": (3, 5, 3, 6),
    "12 × 12 × 3 to 8 × 8 × 128": (3, 128, 5, 12),
    "Many filters": (8, 128, 3, 6),
    "One filter": (3, 1, 3, 6),
    "Kernel of 1": (3, 5, 1, 4),
}


def _alt(channels: int, filters: int, kernel: int, size: int) -> str:
    out = size - kernel + 1
    depthwise, pointwise = out**2 * channels * kernel**2, out**2 * channels * filters
    return (
        f"Sliders for channels, filters, kernel and size, and a depthwise separable convolution that goes step by "
        f"step beside a standard one with the same result. At the start a {size} × {size} × {channels} input becomes "
        f"{out} × {out} × {filters}: {depthwise:,} and {pointwise:,} multiplications against "
        f"{pointwise * kernel**2:,}."
    )


PANEL = Panel(
    "depthwise_steps",
    title="Depthwise, then pointwise",
    controls=(
        Slider("channels", 1, MOST_CHANNELS, "channels", symbol="C", color="red"),
        Slider("filters", 1, MOST_FILTERS, "filters", symbol="K", color="violet"),
        Slider("kernel", 1, MOST_KERNEL, "kernel", symbol="k", color="blue"),
        Slider("size", 1, MOST_SIZE, "size", symbol="n", color="green"),
        Pick("picture", "Depthwise, then pointwise. The arrow keys step.", sets=("t",), hover=False),
        Steps("play", ms=450, finish="Finish the step"),
    ),
    alt=_alt,
    room=175,
    hint=640,
    presets={
        name: dict(zip(("channels", "filters", "kernel", "size"), sizes))
        for name, sizes in DEPTHWISE_STEPS_PRESETS.items()
    },
    trying="Sizes to try",
    variables={"t": 1},  # steps taken: the first half slides the filters, the second half mixes
)


def depthwise_steps(
    channels: int = 3, filters: int = 5, kernel: int = 3, size: int = 6, *, key: str | None = None
) -> Explorer:
    """One filter for each channel slides, then 1 × 1 weights mix the channels; beside it a standard convolution.

    Stride 1, no padding. The standard convolution has the kernels that the two steps amount to (see
    `cnnlab.convolutions.compose_depthwise_separable`), so that both give the same numbers; what differs is how many
    multiplications they take. At most four channels and five filters are drawn; all are counted.

    Args:
        channels: C, of the input.
        filters: K, channels of the output.
        kernel: k, height and width.
        size: height and width of the input; not below ``kernel``.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for a number that cannot be drawn, or a kernel larger than the input.
    """
    explorer = PANEL(channels=channels, filters=filters, kernel=kernel, size=size, key=key)
    if kernel > size:
        raise ValueError(f"kernel={kernel} does not fit into size={size}; use a kernel of {size} or less.")
    return explorer
