"""A picture that is too large for one pass is cut into tiles that overlap, and what they give is blended.

After figure 2 of the U-Net paper (https://arxiv.org/abs/1505.04597): what a tile at the border needs of the picture and
the picture has not is mirrored.
"""

from __future__ import annotations

from itertools import product
from typing import Literal

import torch
from torch import Tensor, nn

from cnnlab.errors import unknown_name, whole_number
from cnnlab.modes import evaluating

__all__ = ["predict_tiled", "tile_starts"]

_BLENDS = ("linear", "mean")


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along one side, so that they cover it; the last may reach beyond its end.

    Args:
        length: of the side in pixels.
        tile: what a tile answers for.
        overlap: of two neighbors; below ``tile``.

    Raises:
        ValueError: no whole numbers, or an overlap as large as the tile.
    """
    length = whole_number("length", length, "Give the picture's height or width.")
    tile = whole_number("tile", tile, "Give the side of a tile in pixels.")
    if isinstance(overlap, bool) or not isinstance(overlap, int) or not 0 <= overlap < tile:
        raise ValueError(f"overlap={overlap!r} must be from 0 to {tile - 1}, below what a tile answers for ({tile}).")
    return list(range(0, max(1, length - overlap), tile - overlap))


def predict_tiled(
    model: nn.Module,
    pictures: Tensor,
    tile: int,
    *,
    overlap: int = 32,
    blend: Literal["linear", "mean"] = "linear",
    batch_size: int = 8,
) -> Tensor:
    """The scores of every pixel of large pictures, tile by tile, in evaluation mode and without gradients.

    A network may answer for less than it is shown, as the published U-Net does, 388 pixels of 572, if what it leaves
    out is the same at all sides; its tiles are laid so that the answers cover the picture. They fit together without a
    seam if the network answers alike wherever a tile begins: at multiples of its stride, and without padding.

    Args:
        model: (N, C, tile, tile) -> (N, K, out, out), with out at most tile.
        pictures: as the network takes them. Shape: (N, C, H, W).
        tile: the side of what the network is shown, in pixels.
        overlap: of neighboring answers in pixels.
        blend: "linear", an answer counts less towards its edge, so that one fades into the next; "mean", all alike.
        batch_size: tiles in one pass.

    Returns:
        Scores, on the pictures' device. Shape: (N, K, H, W).

    Raises:
        TypeError: no float tensor.
        ValueError: pictures of another shape, an overlap too large, an unknown blend, or a network that gives something
            else than maps of square tiles.
    """
    if not isinstance(pictures, Tensor) or not pictures.is_floating_point():
        kind = pictures.dtype if isinstance(pictures, Tensor) else type(pictures).__name__
        raise TypeError(
            f"pictures is {kind}; give floats as the network takes them, such as preprocess(picture)[None]."
        )
    if pictures.ndim != 4 or not pictures.numel():
        raise ValueError(f"pictures has the shape {tuple(pictures.shape)}; wanted (N, C, H, W), none of them 0.")
    if blend not in _BLENDS:
        raise unknown_name("blend", blend, _BLENDS)
    tile = whole_number("tile", tile, "Give a side that the network takes, such as 256.")
    batch_size = whole_number("batch_size", batch_size, "Give the number of tiles in one pass, such as 8.")
    height, width = pictures.shape[2:]
    parameter = next(model.parameters(), pictures)
    with evaluating(model), torch.inference_mode():
        answer = _answer(model(pictures.new_zeros(1, pictures.shape[1], tile, tile).to(parameter)), tile)
        margin = (tile - answer.shape[2]) // 2
        out = tile - 2 * margin
        rows, columns = tile_starts(height, out, overlap), tile_starts(width, out, overlap)
        weight = _window(out, overlap if blend == "linear" else 0, pictures)
        total = pictures.new_zeros(len(pictures), answer.shape[1], rows[-1] + out, columns[-1] + out)
        weights = pictures.new_zeros(total.shape[2:])
        places = list(product(range(len(pictures)), rows, columns))
        for i in range(0, len(places), batch_size):
            some = places[i : i + batch_size]
            shown = torch.stack([_mirrored(pictures[n], top - margin, left - margin, tile) for n, top, left in some])
            scores = model(shown.to(parameter)).to(pictures)
            for (n, top, left), found in zip(some, scores, strict=True):
                total[n, :, top : top + out, left : left + out] += weight * found
                if n == 0:
                    weights[top : top + out, left : left + out] += weight
    return (total / weights)[:, :, :height, :width].clone()


def _answer(scores: object, tile: int) -> Tensor:
    """The network's answer to one tile, if tiles can be laid by it."""
    if isinstance(scores, Tensor) and scores.ndim == 4:
        high, wide = scores.shape[2:]
        if high == wide and 0 < high <= tile and (tile - high) % 2 == 0:
            return scores
    given = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
    raise ValueError(
        f"model gives {given} for a tile of {tile} x {tile}; wanted is a map (1, K, out, out), as large as the tile or "
        "smaller by the same at all sides. Give a network for segmentation, such as unet_small."
    )


def _window(size: int, overlap: int, like: Tensor) -> Tensor:
    """How much each pixel of an answer counts: rising over ``overlap`` pixels from each edge. Shape: (size, size)."""
    place = torch.arange(1, size + 1, dtype=like.dtype, device=like.device)
    ramp = torch.minimum(place, place.flip(0)).clamp(max=overlap + 1) / (overlap + 1)
    return ramp[:, None] * ramp


def _mirrored(picture: Tensor, top: int, left: int, size: int) -> Tensor:
    """A square of a picture, mirrored at the borders as often as it takes. Shape: (C, H, W) -> (C, size, size)."""

    def places(start: int, length: int) -> Tensor:
        period = max(1, 2 * (length - 1))
        place = torch.arange(start, start + size, device=picture.device) % period
        return torch.minimum(place, period - place).clamp(max=length - 1)

    return picture[:, places(top, picture.shape[1])][:, :, places(left, picture.shape[2])]
