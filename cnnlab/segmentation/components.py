"""From pixels to objects: what hangs together is one."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from cnnlab.errors import whole_number
from cnnlab.segmentation.checks import checked_map, checked_masks

__all__ = ["components", "masks_of"]


def components(mask: Tensor, *, neighbors: int = 8, smallest: int = 1) -> Tensor:
    """Number what hangs together in a mask: 1, 2, ... in the order in which a reader of its lines meets them.

    A line's pixels that touch are a *run*. Runs that touch in neighboring lines are joined, each group going by its
    first run, and then every pixel gets the number of its run's group.

    Args:
        mask: bool. Shape: (H, W).
        neighbors: 4, pixels hang together by their sides; 8, by their corners too.
        smallest: components of fewer pixels become background.

    Returns:
        int64, 0 where the mask is False. Shape: (H, W).

    Raises:
        TypeError: no bool tensor.
        ValueError: of another shape, or other neighbors than 4 and 8.
    """
    checked_masks("mask", mask, (2,), "(H, W), of one picture")
    if neighbors not in (4, 8):
        raise ValueError(f"neighbors={neighbors!r} is not allowed: 4 are those at the sides, 8 those at corners too.")
    smallest = whole_number("smallest", smallest, "1 keeps every pixel.")
    pixels = mask.cpu().numpy()
    # 1 where a run begins, -1 just behind its end.
    edges = np.diff(np.pad(pixels, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    lines, starts = np.nonzero(edges == 1)
    stops = np.nonzero(edges == -1)[1]
    group = np.array(_joined(lines, starts.tolist(), stops.tolist(), 0 if neighbors == 4 else 1), dtype=np.int64)
    lengths = stops - starts
    sizes = np.bincount(group, weights=lengths, minlength=len(group)) if len(group) else np.zeros(0)
    kept = (group == np.arange(len(group))) & (sizes >= smallest)
    number = np.where(sizes >= smallest, np.cumsum(kept), 0)
    labels = np.zeros(pixels.shape, np.int64)
    labels[pixels] = np.repeat(number[group], lengths)  # runs stand in the order of their pixels
    return torch.from_numpy(labels).to(mask.device)


def _joined(lines: np.ndarray, starts: list[int], stops: list[int], reach: int) -> list[int]:
    """The first run of each run's group."""
    parent = list(range(len(starts)))

    def first(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]  # halves the way for the next who asks
            run = parent[run]
        return run

    height = int(lines[-1]) + 1 if len(lines) else 0
    begin = np.searchsorted(lines, np.arange(height + 1)).tolist()  # of each line's runs
    for line in range(1, height):
        a, b = begin[line - 1], begin[line]
        while a < begin[line] and b < begin[line + 1]:
            if starts[a] < stops[b] + reach and starts[b] < stops[a] + reach:
                low, high = sorted((first(a), first(b)))
                parent[high] = low
            # The one that ends first cannot touch what comes after the other.
            if stops[a] <= stops[b]:
                a += 1
            else:
                b += 1
    return [first(run) for run in range(len(parent))]


def masks_of(labels: Tensor) -> Tensor:
    """A mask for each number from 1 to the highest: objects of a picture whose pixels carry their number.

    Shape: (H, W) -> (K, H, W), bool.

    Raises:
        TypeError: no whole numbers.
        ValueError: of another shape, or a negative number.
    """
    highest = int(labels.max()) if isinstance(labels, Tensor) and labels.numel() else 0
    numbers = checked_map("labels", labels, max(0, highest) + 1)
    if numbers.ndim != 2:
        raise ValueError(f"labels has the shape {tuple(numbers.shape)}; wanted (H, W), of one picture.")
    return numbers == torch.arange(1, highest + 1, device=numbers.device)[:, None, None]
