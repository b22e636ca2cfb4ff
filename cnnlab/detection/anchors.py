"""Anchors: boxes of a few sizes and shapes at each place of a feature map, which a detector moves and stretches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["anchors"]


def anchors(
    places: tuple[int, int],
    stride: float | tuple[float, float],
    sizes: Sequence[float],
    ratios: Sequence[float] = (0.5, 1.0, 2.0),
    *,
    offset: float = 0.5,
) -> Tensor:
    """All anchors of a feature map. Shape: (H * W * len(ratios) * len(sizes), 4), x1, y1, x2, y2 in pixels.

    They come row by row, place by place; at each place first all sizes of the first ratio. An anchor of size s and
    ratio r is s / sqrt(r) wide and s * sqrt(r) high, so that ratios keep the area. Those at the border reach out of the
    picture. For a pyramid call it for each level and ``torch.cat``.

    Args:
        places: height and width of the feature map, (H, W).
        stride: pixels from one place to the next; (down, right) where they differ.
        sizes: in pixels, the square root of the area.
        ratios: height over width.
        offset: where in its cell of stride x stride pixels an anchor's center is: 0.5 is the middle; 0 the upper left
            corner, as torchvision has it, which also rounds anchors to whole pixels.

    Raises:
        ValueError: a number that must be positive is not, or there is no size or no ratio.
    """
    down, right = (stride, stride) if isinstance(stride, int | float) else stride
    given = {"places": places, "stride": (down, right), "sizes": sizes, "ratios": ratios}
    for argument, values in given.items():
        if not len(values) or not min(values) > 0:
            raise ValueError(f"{argument}={tuple(values)!r} must be one or more positive numbers.")
    ratio, size = (torch.tensor([float(value) for value in values]) for values in (ratios, sizes))
    height = (ratio.sqrt()[:, None] * size).flatten()  # (ratios * sizes,)
    width = (size / ratio.sqrt()[:, None]).flatten()
    around = torch.stack([-width, -height, width, height], dim=1) / 2
    y = (torch.arange(places[0]) + offset) * down
    x = (torch.arange(places[1]) + offset) * right
    y, x = torch.meshgrid(y, x, indexing="ij")
    centers = torch.stack([x, y, x, y], dim=2)  # (H, W, 4)
    return (centers[:, :, None] + around).flatten(0, 2)
