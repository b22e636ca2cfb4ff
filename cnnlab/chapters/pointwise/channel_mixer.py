"""A color photo, a 1 × 1 convolution from three channels to three, and the arithmetic at any one pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.errors import unknown_name
from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Numbers, Panel, Pick, Select, Slider, Toggle
from cnnlab.widgets.photos import small_photo

__all__ = ["Mix", "channel_mixer"]

_SHOWS = {"clipped": "0 to 255, clipped", "signed": "zero as mid-gray"}
_OUTPUTS = (1, 2, 3)
_LUMA = (0.299, 0.587, 0.114)  # Rec. 601
_MOST = {"weights": 4, "bias": 512}


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
    """Most of the astronaut, 72 × 72."""
    return small_photo("astronaut", 72, across=504)


def rounded_to_64_levels(pixels: Any) -> Any:
    """The pixels as the page shows them: uint8 of 64 levels from 0 to 255. Any shape."""
    return (pixels & 0b11111100) | (pixels >> 6)


def _packed(pixels: Any) -> str:
    """One letter for each value of (H, W, 3), by 64 levels: what a guess from its neighbors leaves, which compresses.

    The guess is that of LOCO-I (Weinberger, Seroussi and Sapiro, 1996): left plus upper minus corner, kept between left
    and upper. Red and blue are told beside what is told of green, since edges are edges in all three.
    """
    import numpy as np

    levels = (pixels >> 2).astype(int)
    padded = np.pad(levels, ((1, 0), (1, 0), (0, 0)))
    padded[1:, 0] = padded[:-1, 1]  # at the left edge the neighbor is the one above
    left, up, corner = padded[1:, :-1], padded[:-1, 1:].copy(), padded[:-1, :-1]
    up[0] = left[0]
    left_over = levels - np.clip(left + up - corner, np.minimum(left, up), np.maximum(left, up))
    left_over[..., [0, 2]] -= left_over[..., 1:2]
    return (left_over % 64 + 63).astype(np.uint8).tobytes().decode("ascii")


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
    settings = {
        mix.name: {
            "weights": np.ravel(mix.weights).tolist(),
            "biases": np.ravel(mix.bias).tolist(),
            "relu": bool(mix.relu),
            "show": mix.show,
        }
        for mix in mixes
    }
    weight, bias = _MOST.values()
    colors = ("red", "green", "blue")
    panel = Panel(
        "channel_mixer",
        title="Channel mixer",
        controls=(
            Select("mix", "Mix", {name: name for name in settings} | {"": "your own"}),
            Toggle("relu", "ReLU"),
            Select("show", "Gray shows", _SHOWS),
            Pick("pixel", "Pixels of the photo. The arrow keys choose one.", sets=("x", "y")),
            Numbers(
                "weights",
                -weight,
                weight,
                "weights",
                step=0.1,
                decimals=4,
                names=tuple(f"weight of output {o} for {color}" for o in _OUTPUTS for color in colors),
                chosen="weight_at",
            ),
            Numbers(
                "biases",
                -bias,
                bias,
                "biases",
                step=5,
                decimals=4,
                names=tuple(f"bias of output {o}" for o in _OUTPUTS),
                chosen="bias_at",
            ),
            Slider("weight", -weight, weight, "the weight in the frame", step=0.05, decimals=None),
            Slider("bias", -bias, bias, "the bias in the frame", step=1, decimals=None),
        ),
        variables={"x": int(width * at[0]), "y": int(height * at[1]), "weight_at": 0, "bias_at": 0, "of": "weights"},
        alt=lambda mix, **_: (
            f"A color photo of {width} × {height} pixels, nine weights and three biases that can be edited, the "
            f"three output channels as gray maps and together as a color picture, and the sums at one pixel. It starts "
            f"with {mix!r}."
        ),
        room=190,
        hint=175,
    )
    data = {"width": width, "height": height, "pixels": _packed(pixels), "mixes": settings}
    return panel(mix=mixes[0].name, **settings[mixes[0].name], weight=0, bias=0, data=data, key=key)
