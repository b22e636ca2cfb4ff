"""Small photographs that a page can carry."""

from __future__ import annotations

from typing import Any

__all__ = ["small_photo"]


def small_photo(name: str, side: int, *, top: int = 0, left: int = 0, across: int) -> Any:
    """A square of one of scikit-image's own photographs, each pixel the mean of a block.

    Args:
        name: of the photograph in ``skimage.data``.
        side: of the result, in pixels; divides ``across``.
        top, left, across: of the square in the photograph.

    Returns:
        uint8. Shape: (side, side) of a gray photograph, (side, side, 3) of one in color.
    """
    import numpy as np
    from skimage import data

    block = across // side
    square = getattr(data, name)()[top : top + across, left : left + across]
    blocks = square.reshape(side, block, side, block, *square.shape[2:])
    return np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)
