"""A color photo, a 1 × 1 convolution from three channels to three, and the arithmetic at any one pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.errors import unknown_name
from cnnlab.widgets.explorer import Explorer

__all__ = ["Mix", "channel_mixer"]

_SHOWS = ("clipped", "signed")
_LUMA = (0.299, 0.587, 0.114)  # Rec. 601
_MOST = {"weights": 4.0, "bias": 512.0}


@dataclass(frozen=True)
class Mix:
    """A named 1 × 1 convolution: a row of three weights and a bias for each output, in units of 0–255.

    ``show`` says how an output becomes a gray: "clipped" to 0–255, or "signed" with zero as mid-gray.
    """

    name: str
    weights: tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
    bias: tuple[float, float, float] = (0, 0, 0)
    relu: bool = False
    show: str = "clipped"


CHANNEL_MIXES: tuple[Mix, ...] = (
    Mix("Opponent colors", ((0.3, 0.6, 0.1), (1, -1, 0), (-0.5, -0.5, 1)), show="signed"),
    Mix("Identity", ((1, 0, 0), (0, 1, 0), (0, 0, 1))),
    Mix("Gray by luma", (_LUMA, _LUMA, _LUMA)),
    Mix("Red minus green", ((1, -1, 0), (1, -1, 0), (1, -1, 0)), show="signed"),
    Mix("Negative", ((-1, 0, 0), (0, -1, 0), (0, 0, -1)), (255, 255, 255)),
    Mix("Swap red and blue", ((0, 0, 1), (0, 1, 0), (1, 0, 0))),
    Mix("Three differences", ((1, -1, 0), (0, 1, -1), (-1, 0, 1)), show="signed"),
    Mix("Orange, blue, white", ((1.5, -0.7, -1), (-2.5, 1, 2), (-1, 1.5, 1)), (-50, -20, -160), relu=True),
)


def _photo() -> Any:
    """Most of the astronaut from scikit-image, 72 × 72: each pixel the mean of 7 × 7."""
    import numpy as np
    from skimage import data

    crop = data.astronaut()[:504, :504].reshape(72, 7, 72, 7, 3)  # (512, 512, 3) -> (72, 7, 72, 7, 3)
    return np.rint(crop.mean(axis=(1, 3))).astype(np.uint8)  # (72, 72, 3)


def rounded_to_64_levels(pixels: Any) -> Any:
    """The pixels as the page shows them: uint8 of 64 levels from 0 to 255. Any shape."""
    return (pixels & 0b11111100) | (pixels >> 6)


def _packed(pixels: Any) -> str:
    """One letter for each value of (H, W, 3), by 64 levels: its difference from the pixel before, which compresses."""
    import numpy as np

    levels = (pixels >> 2).reshape(-1, 3).astype(int)
    steps = np.diff(levels, axis=0, prepend=0) % 64
    return (steps + 63).astype(np.uint8).tobytes().decode("ascii")


def channel_mixer(
    image: Any = None,
    mixes: Sequence[Mix] = CHANNEL_MIXES,
    *,
    at: tuple[float, float] = (0.34, 0.62),
    key: str | None = None,
) -> Explorer:
    """A small color photo, twelve numbers to edit, the mixed photo at once, and the sums behind any of its pixels.

    What is computed is `cnnlab.convolutions.pointwise_conv2d` from three channels to three, with or without a ReLU.

    Args:
        image: uint8 pixels as an array or tensor, Shape: (H, W, 3), 8 to 128 a side; None means the astronaut of
            scikit-image. They are rounded to 64 levels a channel, since the page carries them.
        mixes: the mixes to choose from; the first is shown at the start.
        at: the pixel inspected at the start, as fractions of width and height.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for pixels of another type or shape, no mixes, or a mix that cannot be shown.
    """
    import numpy as np

    pixels = np.asarray(_photo() if image is None else image)
    color = pixels.ndim == 3 and pixels.shape[2] == 3
    if pixels.dtype != np.uint8 or not color or not all(8 <= side <= 128 for side in pixels.shape[:2]):
        raise ValueError(
            f"image has shape {pixels.shape} and type {pixels.dtype}; give uint8 pixels of shape (H, W, 3), "
            "8 to 128 a side. Resize a large photo first: every page carries it."
        )
    if not mixes:
        raise ValueError("mixes is empty; give at least one Mix.")
    for mix in mixes:
        if np.shape(mix.weights) != (3, 3) or np.shape(mix.bias) != (3,):
            raise ValueError(f"mix {mix.name!r} needs 3 × 3 weights and 3 biases, not {mix.weights!r}, {mix.bias!r}.")
        for argument, most in _MOST.items():
            largest = np.abs(getattr(mix, argument)).max()
            if not largest <= most:
                raise ValueError(
                    f"{argument} of mix {mix.name!r} reach {largest:g}; the sliders end at -{most:g} and {most:g}."
                )
        if mix.show not in _SHOWS:
            raise unknown_name("show", mix.show, _SHOWS)
    if not all(0 <= value <= 1 for value in at):
        raise ValueError(f"at={at!r} is not allowed; use two fractions from 0 to 1.")
    height, width = pixels.shape[:2]
    return Explorer(
        "channel_mixer",
        {
            "width": width,
            "height": height,
            "pixels": _packed(pixels),
            "mixes": [[m.name, [list(row) for row in m.weights], list(m.bias), m.relu, m.show] for m in mixes],
            "most": list(_MOST.values()),
            "at": list(at),
        },
        key=key,
        title="Channel mixer",
        alt=f"A color photo of {width} × {height} pixels, nine weights and three biases that can be edited, the "
        "three output channels as gray maps and together as a color picture, and the sums at one pixel. It starts "
        f"with {mixes[0].name!r}.",
    )
