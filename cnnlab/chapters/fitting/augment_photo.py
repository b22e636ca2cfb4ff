"""One photo with its box and key points, cropped, mirrored, turned, sheared, warped, recolored and erased."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from cnnlab.widgets.explorer import Explorer
from cnnlab.widgets.panel import Panel, Slider, Steps, Toggle
from cnnlab.widgets.photos import small_photo

__all__ = ["augment_photo"]

DRAWS = 30
# Name -> what it is where nothing is done; PLACES have no control, and are drawn with the others.
STILL = {
    "crop": 100,
    "turn": 0,
    "shear": 0,
    "warp": 0,
    "light": 100,
    "saturation": 100,
    "pca": 0,
    "erase": 0,
    "mirrored": False,
}
PLACES = {"cx": 0.5, "cy": 0.5, "ex": 0.7, "ey": 0.35}

PANEL = Panel(
    "augment_photo",
    title="One photo, augmented",
    controls=(
        Slider("crop", 50, 100, "crop", unit=" %", color="orange"),
        Slider("turn", -45, 45, "rotation", unit="°", color="orange"),
        Slider("shear", -30, 30, "shear", unit="°", color="orange"),
        Slider("warp", 0, 8, "local warp", unit=" %", color="orange"),
        Slider("light", 40, 160, "brightness", unit=" %", color="green"),
        Slider("saturation", 0, 200, "saturation", unit=" %", color="green"),
        Slider("pca", -4, 4, "PCA color", symbol="α₁", step=0.1, decimals=1, color="green"),
        Slider("erase", 0, 60, "erased", unit=" %", color="red"),
        Slider("strength", 0, 200, "strength", unit=" %", step=10),
        Toggle("mirrored", "Mirrored"),
        Steps("draws", ms=800, loop=True),
    ),
    variables={**PLACES, "draw": 0},
    alt=lambda **_: (
        "A photo of a cat's face with a box around it and points on its eyes and nose, and beside it the photo as it "
        "is augmented, with the box and the points where they went. Sliders crop, turn, shear and warp it, change its "
        "brightness, saturation and color along the first component, and erase a square. At the start nothing is done."
    ),
    room=120,
    hint=150,
    presets={
        "Nothing": {**STILL, **PLACES},
        "A usual draw": {**STILL, **PLACES, "crop": 84, "turn": 8, "light": 112, "mirrored": True},
        "Too much": {**STILL, "crop": 52, "turn": -40, "shear": 24, "warp": 7, "erase": 40, "cx": 0.9, "cy": 0.1},
    },
)

# Where the cat's eyes and nose are, and a box around them, as shares of the side.
CAT_POINTS = {"left eye": (0.373, 0.373), "right eye": (0.843, 0.443), "nose": (0.677, 0.793)}
CAT_BOX = (0.25, 0.27, 0.95, 0.9)


def augment_photo(
    photo: Any = None,
    box: tuple[float, float, float, float] = CAT_BOX,
    points: Mapping[str, tuple[float, float]] = CAT_POINTS,
    *,
    key: str | None = None,
) -> Explorer:
    """Augment a photo by sliders, or at random with a strength, and see where its box and key points go.

    Args:
        photo: uint8 pixels, square, 8 to 128 a side. Shape: (H, H, 3). None means the cat in scikit-image.
        box: x1, y1, x2, y2 as shares of the side.
        points: name -> (x, y), as shares of the side.
        key: tells two equal explorers on one page apart.

    Raises:
        ValueError: for pixels of another type or shape, or a box or point outside the photo.
    """
    import numpy as np

    from cnnlab.data.augment import PCAColor

    pixels = np.asarray(small_photo("chelsea", 100, left=60, across=300) if photo is None else photo)
    side = pixels.shape[0] if pixels.ndim else 0
    if pixels.dtype != np.uint8 or pixels.shape != (side, side, 3) or not 8 <= side <= 128:
        raise ValueError(
            f"photo has shape {pixels.shape} and type {pixels.dtype}; give square uint8 pixels (H, H, 3) with H from 8 "
            "to 128. Crop and resize the photo first."
        )
    x1, y1, x2, y2 = box
    if not (0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1):
        raise ValueError(
            f"box={box!r} must be x1, y1, x2, y2 as shares of the side, from 0 to 1 and each below its end."
        )
    for name, place in points.items():
        if not all(0 <= value <= 1 for value in place):
            raise ValueError(f"points: {name!r} is at {place!r}, which must be shares of the side, from 0 to 1.")
    color = PCAColor()
    drawn = np.random.default_rng(4)
    data = {
        "side": side,
        "pixels": b64encode(pixels.tobytes()).decode(),
        "box": list(box),
        "points": [[name, *place] for name, place in points.items()],
        "component": [255 * color.eigenvalues[0] * row[0] for row in color.eigenvectors],
        # Of each draw: eight numbers in -1..1 for what a slider holds, and five in 0..1 for places and the mirror.
        "draws": np.round(np.hstack([drawn.uniform(-1, 1, (DRAWS, 8)), drawn.random((DRAWS, 5))]), 3).tolist(),
    }
    return PANEL(**STILL, strength=100, data=data, key=key)
