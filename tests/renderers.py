"""Drawings of every kind, and what two renderers made of one: the same ink in the same places."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from cnnlab import create_model
from cnnlab.draw import Drawing, draw_block, draw_model

DRAWINGS: dict[str, Callable[[], Drawing]] = {
    "lenet5, volumes": lambda: draw_model("lenet5"),
    "resnet18, blocks": lambda: draw_model("resnet18", style="blocks"),
    "unet_small, volumes": lambda: draw_model("unet_small"),
    "unet_small, blocks": lambda: draw_model("unet_small", style="blocks"),
    "a block": lambda: draw_block(create_model("resnet18").conv3[0], (64, 56, 56)),
}


def raster(png: bytes) -> np.ndarray:
    """A rendered file on white. Shape: (H, W, 3), 0 to 255."""
    image = Image.open(io.BytesIO(png)).convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB"), dtype=float)


def black(picture: np.ndarray) -> float:
    """The share of nearly black pixels: a few percent where words and lines are, a quarter where boxes lost colors."""
    return float((picture.max(2) < 60).mean())


def apart(one: np.ndarray, other: np.ndarray, cell: int = 16) -> float:
    """The largest difference of two renderings, each averaged over cells of ``cell`` pixels and over colors, 0 to 1.

    Fonts and edges differ from renderer to renderer; over a cell that evens out, and a box that is missing does not.
    """
    assert one.shape == other.shape, (one.shape, other.shape)
    rows, columns = one.shape[0] // cell, one.shape[1] // cell
    cut = (one - other)[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell, 3)
    # A letter may fall into the next cell; colors of what is filled may not.
    return float(np.quantile(np.abs(cut.mean((1, 3))).mean(2), 0.98) / 255)
