"""Small photographs that a page can carry."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import Any

__all__ = ["small_photo", "packed_photo"]


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


def packed_photo(argument: str, photo: Any, side: int, *, quality: int = 75) -> str:
    """A square photograph as an address that a page can carry: a JPEG, ``side`` pixels a side.

    Args:
        argument: what the photo is called in a message.
        photo: uint8 (H, H, 3).

    Raises:
        ValueError: other pixels, or not square.
    """
    import numpy as np
    from PIL import Image

    pixels = np.asarray(photo)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.shape[0] != pixels.shape[1]:
        raise ValueError(
            f"{argument} has shape {pixels.shape} and type {pixels.dtype}; give square uint8 pixels (H, H, 3)."
        )
    file = BytesIO()
    Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC).save(file, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + b64encode(file.getvalue()).decode()
