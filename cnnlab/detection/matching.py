"""Matching: which object each candidate (an anchor, a proposal) is taught to find, if any."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["BACKGROUND", "NEITHER", "match", "sampled"]

BACKGROUND = -1  # a candidate that is taught that nothing is there
NEITHER = -2  # one that is neither near enough nor far enough to be taught anything


def match(overlaps: Tensor, low: float, high: float, *, every_object: bool = False) -> Tensor:
    """The number of the object that each candidate is taught, or ``BACKGROUND`` or ``NEITHER``. Shape: (N, M) -> (M,).

    A candidate is taught the object that it overlaps most, of equal ones the first. Faster R-CNN's first stage has 0.3
    and 0.7 with ``every_object``, its second 0.5 and 0.5 (Ren et al., 2015, section 3.1.2; Girshick, 2015, 2.3).

    Args:
        overlaps: IoU of each object with each candidate, ``pairwise(objects.boxes, anchors)``. Without objects (N = 0)
            every candidate is background.
        low: below this IoU a candidate is background.
        high: from this IoU on it is the object's; between the two it is neither.
        every_object: also give each object those candidates that overlap it most (all of them, where several do so
            equally), however little, so that no object is left without one.

    Returns:
        int64, an object's number, -1 or -2 for each candidate. Shape: (M,).

    Raises:
        ValueError: ``overlaps`` is no table, or the limits are not 0 <= low <= high <= 1.
    """
    if not isinstance(overlaps, Tensor) or overlaps.ndim != 2:
        given = tuple(overlaps.shape) if isinstance(overlaps, Tensor) else type(overlaps).__name__
        raise ValueError(f"overlaps has shape {given}, wanted (objects, candidates): pairwise(objects.boxes, anchors).")
    if not 0 <= low <= high <= 1:
        raise ValueError(
            f"low={low!r} and high={high!r} must be 0 <= low <= high <= 1; 0.3 and 0.7 are Faster R-CNN's."
        )
    if len(overlaps) == 0 or overlaps.shape[1] == 0:
        return torch.full(overlaps.shape[1:], BACKGROUND, dtype=torch.int64, device=overlaps.device)
    best, nearest = overlaps.max(dim=0)
    found = nearest.clone()
    found[best < high] = NEITHER
    found[best < low] = BACKGROUND
    if every_object:
        rescued = (overlaps == overlaps.amax(dim=1, keepdim=True)).any(dim=0)
        found[rescued] = nearest[rescued]
    return found


def sampled(found: Tensor, count: int, share: float) -> tuple[Tensor, Tensor]:
    """Of the candidates a few that are taught, by lot: most are background, and would drown the few that are not.

    Args:
        found: of :func:`match`. Shape: (M,).
        count: how many, at most.
        share: the part of them, at most, that is taught an object. Faster R-CNN's first stage has 256 and 0.5, its
            second 64 and 0.25.

    Returns:
        The numbers of those with an object, and of those that are background, which fill up to ``count``.
    """
    some, none = (found >= 0).nonzero().squeeze(1), (found == BACKGROUND).nonzero().squeeze(1)
    some = some[torch.randperm(len(some), device=found.device)[: int(count * share)]]
    return some, none[torch.randperm(len(none), device=found.device)[: count - len(some)]]
