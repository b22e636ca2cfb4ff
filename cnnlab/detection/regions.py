"""A feature map's cut-out for each box, of one size whatever the box's: RoI pooling, which rounds, and RoI align.

Both take ``regions`` (R, 5): the number of the picture in the batch, and x1, y1, x2, y2 in the picture's pixels;
``scale`` is the feature map's size over the picture's, 1 / stride.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cnnlab.detection.boxes import check_boxes

__all__ = ["roi_pool", "roi_align"]


def roi_pool(features: Tensor, regions: Tensor, size: tuple[int, int], scale: float = 1.0) -> Tensor:
    """RoI pooling: round the box to whole cells, part it into ``size`` bins, and keep the largest value of each.

    Girshick, Fast R-CNN, 2015, section 2.1, https://arxiv.org/abs/1504.08083. Rounding moves each side by up to half a
    cell, so that two boxes half a cell apart may give the same; bins may share a row or column of cells. A bin beyond
    the map is 0.

    Args:
        features: Shape: (N, C, H, W).
        regions: Shape: (R, 5).
        size: rows and columns of bins.
        scale: the map's size over the picture's.

    Returns:
        Shape: (R, C, rows, columns).

    Raises:
        ValueError: shapes that do not agree, what is no box, or a picture's number beyond the batch.
    """
    pictures, boxes = _parts(features, regions, size, scale)
    height, width = features.shape[2:]
    # Half a cell is rounded up: torch.round would give the nearest even number.
    x1, y1, x2, y2 = torch.floor(boxes * scale + 0.5).unbind(1)
    tops, bottoms = _bins(y1, y2, size[0], height)  # (R, rows)
    lefts, rights = _bins(x1, x2, size[1], width)
    pooled = []
    for picture, top, bottom, left, right in zip(pictures, tops, bottoms, lefts, rights, strict=True):
        # The largest of a bin is the largest of its columns' largest, so that the map is gone through once for rows.
        highest = _largest(features[picture], 1, top.tolist(), bottom.tolist())  # (C, rows, W)
        pooled.append(_largest(highest, 2, left.tolist(), right.tolist()))  # (C, rows, columns)
    return torch.stack(pooled) if pooled else features.new_zeros(0, features.shape[1], *size)


def roi_align(
    features: Tensor,
    regions: Tensor,
    size: tuple[int, int],
    scale: float = 1.0,
    *,
    samples: int | None = 2,
    aligned: bool = True,
) -> Tensor:
    """RoI align: nothing is rounded; each bin is the mean of the map at a few points, read between its cells.

    He et al., Mask R-CNN, 2017, section 3, https://arxiv.org/abs/1703.06870. Points of a bin lie on a grid and reading
    between cells is linear in each direction, so a cut-out is two small matrices: rows of bins from rows of the map,
    and the same for columns.

    Args:
        features: Shape: (N, C, H, W).
        regions: Shape: (R, 5).
        size: rows and columns of bins.
        scale: the map's size over the picture's.
        samples: points in each direction of a bin; None takes as many as it spans cells, so that a box without area
            gives 0.
        aligned: whether a cell's value is that of its middle, as pixels are; False takes it for that of its upper left
            corner, half a cell off, as the first implementations did, and makes boxes at least one cell wide and high.

    Returns:
        Shape: (R, C, rows, columns).

    Raises:
        ValueError: as for :func:`roi_pool`, or ``samples`` is no positive whole number.
    """
    if samples is not None and (isinstance(samples, bool) or not isinstance(samples, int) or samples < 1):
        raise ValueError(f"samples={samples!r} must be a positive whole number, or None for one to each cell.")
    pictures, boxes = _parts(features, regions, size, scale)
    starts, ends = (boxes * scale - (0.5 if aligned else 0.0)).split(2, dim=1)
    spans = ends - starts if aligned else (ends - starts).clamp(min=1)
    cut = features.new_zeros(len(regions), features.shape[1], *size)
    # All regions of a picture at once, or one by one where each has a number of points of its own.
    keys = pictures if samples is not None else range(len(pictures))
    together: dict[int, list[int]] = {}
    for region, key in enumerate(keys):
        together.setdefault(key, []).append(region)
    for those in together.values():
        start, span = starts[those], spans[those]
        cut[those] = torch.einsum(
            "nrh,chw,nsw->ncrs",
            _reads(start[:, 1], span[:, 1], size[0], samples, features.shape[2]),
            features[pictures[those[0]]],
            _reads(start[:, 0], span[:, 0], size[1], samples, features.shape[3]),
        )
    return cut


def _bins(start: Tensor, end: Tensor, bins: int, cells: int) -> tuple[Tensor, Tensor]:
    """The first cell of each bin, and the one after its last. Shape: (R,) -> (R, bins)."""
    span = ((end - start + 1).clamp(min=1) / bins)[:, None]
    number = torch.arange(bins, device=start.device)
    first, last = (number * span).floor() + start[:, None], ((number + 1) * span).ceil() + start[:, None]
    return first.clamp(0, cells).long(), last.clamp(0, cells).long()


def _largest(x: Tensor, dim: int, firsts: list[int], ends: list[int]) -> Tensor:
    """Along one dimension of (C, H, W) the largest from each first to before its end, 0 where there is nothing."""
    nothing = x.new_zeros(()).expand_as(x.select(dim, 0))
    parts = zip(firsts, ends, strict=True)
    return torch.stack([x.narrow(dim, a, b - a).amax(dim) if a < b else nothing for a, b in parts], dim)


def _reads(start: Tensor, span: Tensor, bins: int, samples: int | None, cells: int) -> Tensor:
    """What each bin takes of each cell along one direction. Shape: (n,), (n,) -> (n, bins, cells).

    Of several regions with ``samples``; without it of one, (1,).
    """
    step = span / bins
    count = int(step.ceil()) if samples is None else samples
    if count == 0:
        return start.new_zeros(len(start), bins, cells)  # a side without length spans no cell
    # In the box's own precision: a number times a tensor of one entry stays in the number's.
    point = torch.arange(bins * count, device=start.device, dtype=start.dtype)
    start, step = start[:, None], step[:, None]
    at = start + (point / count).floor() * step + (point % count + 0.5) * (step / count)  # (n, bins * count)
    seen = ((at >= -1) & (at <= cells)).to(span.dtype)  # a point farther out reads 0
    at = at.clamp(0, cells - 1)
    cell = torch.arange(cells, device=start.device, dtype=start.dtype)
    reads = (1 - (at[..., None] - cell).abs()).clamp(min=0) * seen[..., None]  # of the two nearest cells
    return reads.view(-1, bins, count, cells).mean(2)


def _parts(features: Tensor, regions: Tensor, size: tuple[int, int], scale: float) -> tuple[list[int], Tensor]:
    """The number of each region's picture, and the boxes."""
    if features.ndim != 4:
        raise ValueError(f"features has shape {tuple(features.shape)}, wanted (N, C, H, W): features[None] for one.")
    if regions.ndim != 2 or regions.shape[1] != 5:
        raise ValueError(
            f"regions has shape {tuple(regions.shape)}, wanted (R, 5), a picture's number before each box: "
            "torch.cat([torch.zeros(len(boxes), 1), boxes], 1) for boxes of one picture."
        )
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"size={tuple(size)!r} must be rows and columns of bins, 1 or more of each.")
    if not scale > 0:
        raise ValueError(f"scale={scale!r} must be above 0: 1 / stride, such as 1 / 16.")
    check_boxes(regions[:, 1:], empty=True, argument="regions[:, 1:]")
    pictures = regions[:, 0].long().tolist()
    if wrong := [picture for picture in pictures if not 0 <= picture < len(features)]:
        raise ValueError(f"regions names picture {wrong[0]} of a batch of {len(features)}: 0 to {len(features) - 1}.")
    return pictures, regions[:, 1:]
