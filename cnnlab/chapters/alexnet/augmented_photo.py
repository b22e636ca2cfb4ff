"""One photo as AlexNet saw it in its 90 epochs: crops, mirror images and colors shifted along principal components."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Panel, Slider, Steps, Toggle

__all__ = ["augmented_photo"]

# Krizhevsky, Sutskever and Hinton (2012), sections 2, 4.1 and 5.
WHOLE, CROP, EPOCHS, STD = 256, 224, 90, 0.1
LARGEST = 0.3  # three deviations: the ends of the sliders
PARTS = ("darker", "redder", "pinker")

PANEL = Panel(
    "augmented_photo",
    title="One photo, seen 90 times",
    controls=(
        Slider("left", 0, WHOLE - CROP, "column", color="orange"),
        Slider("top", 0, WHOLE - CROP, "row", color="orange"),
        *(
            Slider(f"a{i}", -LARGEST, LARGEST, part, symbol=f"α{'₁₂₃'[i - 1]}", step=0.02, decimals=2)
            for i, part in enumerate(PARTS, 1)
        ),
        Toggle("mirrored", "Mirrored"),
        Toggle("strong", "Colors × 10"),
        Steps("epoch", ms=450),
    ),
    variables={"epoch": 0},
    alt=lambda left, top, mirrored, **_: (
        f"A photo of {WHOLE} × {WHOLE} pixels with the outline of a crop of {CROP} × {CROP}, and beside it the crop as "
        f"the network gets it. Sliders move the crop and shift the colors along three components. At the start the "
        f"crop begins at column {left} and row {top}{' and is mirrored' if mirrored else ''}."
    ),
    room=150,
    hint=120,
    presets={
        "The middle": {"left": 16, "top": 16, "mirrored": False, "a1": 0, "a2": 0, "a3": 0, "strong": False},
        "Corner, mirrored": {"left": 0, "top": 0, "mirrored": True, "a1": 0, "a2": 0, "a3": 0},
        "Warm light": {"a1": -0.1, "a2": 0.3, "a3": 0, "strong": True},
    },
)


def augmented_photo(photo: Any, *, key: str | None = None) -> Explorer:
    """Move a crop over a photo, mirror it, shift its colors as AlexNet's training did, or play what 90 epochs draw.

    Args:
        photo: uint8 pixels, square, 16 to 256 a side and a multiple of 8: they stand for the 256 × 256 that training
            cropped from, and the page carries them. Shape: (H, H, 3).
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for pixels of another type or shape.
    """
    import numpy as np

    from cnnlab.data.augment import PCAColor

    pixels = np.asarray(photo)
    side = pixels.shape[0] if pixels.ndim else 0
    if pixels.dtype != np.uint8 or pixels.shape != (side, side, 3) or not 16 <= side <= WHOLE or side % 8:
        raise ValueError(
            f"photo has shape {pixels.shape} and type {pixels.dtype}; give square uint8 pixels (H, H, 3) with H "
            f"from 16 to {WHOLE} and a multiple of 8. Crop and resize the photo first."
        )
    color = PCAColor()
    drawn = np.random.default_rng(0)
    places = drawn.integers(0, WHOLE - CROP + 1, size=(EPOCHS, 2)).tolist()
    sides = drawn.integers(0, 2, size=EPOCHS).tolist()
    alphas = np.round(drawn.normal(0, STD, size=(EPOCHS, 3)).clip(-LARGEST, LARGEST), 2).tolist()
    data = {
        "side": side,
        "whole": WHOLE,
        "crop": CROP,
        "pixels": b64encode(pixels.tobytes()).decode(),
        "values": list(color.eigenvalues),
        "vectors": [list(row) for row in color.eigenvectors],
        "draws": [[*place, flip, *alpha] for place, flip, alpha in zip(places, sides, alphas, strict=True)],
    }
    start = {"left": 16, "top": 16, "mirrored": False, "strong": False, "a1": 0, "a2": 0, "a3": 0}
    return PANEL(**start, data=data, key=key)
