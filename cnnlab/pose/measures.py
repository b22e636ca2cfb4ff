"""How far off points are: in pixels, as a share of right ones (PCK), and as COCO's similarity (OKS).

PCK  Y. Yang, D. Ramanan: Articulated Human Detection with Flexible Mixtures of Parts, PAMI 2013.
OKS  M. R. Ronchi, P. Perona: Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation, ICCV 2017.
     https://arxiv.org/abs/1707.05388
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cnnlab.pose.targets import split_target

__all__ = ["COCO_SIGMAS", "PCK", "PointError", "checked_spread", "distances", "oks", "pck"]

# How far annotators disagree about each of COCO's 17 key points, in square roots of the person's area: nose, eyes,
# ears, shoulders, elbows, wrists, hips, knees, ankles, left before right. https://cocodataset.org/#keypoints-eval
COCO_SIGMAS = tuple(value / 1000 for value in (26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89))


def distances(found: Tensor, target: Tensor) -> Tensor:
    """How far each point is from where it should be, in pixels; nan where that does not count.

    Args:
        found: Shape: (..., P, 2).
        target: Shape: (..., P, 2), or (..., P, 3) as for :func:`cnnlab.pose.split_target`.

    Returns:
        Shape: (..., P).

    Raises:
        TypeError, ValueError: as for :func:`cnnlab.pose.split_target`, or shapes that differ.
    """
    points, counted = split_target(target)
    if found.shape != points.shape:
        raise ValueError(
            f"found is {tuple(found.shape)} and target {tuple(points.shape)}: give a found point for each."
        )
    far = (found - points).norm(dim=-1)
    return far.where(counted, torch.nan)


def pck(found: Tensor, target: Tensor, length: Tensor | float, *, share: float = 0.2) -> Tensor:
    """Percentage of correct key points, as a share: how many lie within ``share`` of a length of their place.

    Args:
        found, target: as for :func:`distances`, of N bodies.
        length: in pixels, one for all or one each, (N,): the head's for PCKh (share 0.5), the torso's, the box's side.
        share: of that length.

    Returns:
        Of each kind of point, nan where none counts. Shape: (P,), float64.

    Raises:
        TypeError, ValueError: as for :func:`distances`; a length or share that is not above 0.
    """
    far = distances(found, target)
    length = torch.as_tensor(length, dtype=far.dtype, device=far.device)
    if not bool((length > 0).all()) or not share > 0:
        raise ValueError(f"length={length.tolist()} and share={share!r} must be above 0, or no point could be correct.")
    counted = ~far.isnan()
    right = far <= share * (length[:, None] if length.ndim else length)
    return right.sum(0).double() / counted.sum(0)


def oks(
    found: Tensor,
    target: Tensor,
    areas: Tensor,
    sigmas: Sequence[float] | Tensor = COCO_SIGMAS,
) -> Tensor:
    """Object key point similarity of N found bodies with the N true ones, 0 to 1; nan of a body without a point.

    The mean of exp(-d^2 / (2 s^2 k^2)) over the points that count: d their distance, s^2 the body's area, k twice
    ``sigmas``. At d = s k a point counts 0.61.

    Args:
        found: Shape: (..., P, 2).
        target: Shape: (..., P, 2) or (..., P, 3).
        areas: of the true bodies' outlines, in square pixels. Shape: (...).
        sigmas: P numbers.

    Raises:
        TypeError, ValueError: as for :func:`distances`; another number of sigmas, or an area or sigma not above 0.
    """
    points, counted = split_target(target)
    spread = checked_spread(sigmas, points)
    if not bool((areas > 0).all()):
        raise ValueError(f"areas has {float(areas.min()):g}; give areas above 0, in square pixels: width * height.")
    far = (found - points).square().sum(-1)  # (..., P)
    near = (-far / (2 * (2 * spread) ** 2 * areas[..., None])).exp()
    return near.where(counted, 0.0).sum(-1) / counted.sum(-1)


def checked_spread(sigmas: Sequence[float] | Tensor, points: Tensor) -> Tensor:
    """Sigmas as a tensor, one for each point.

    Raises:
        ValueError: another number, or one that is not above 0.
    """
    spread = torch.as_tensor(sigmas, dtype=points.dtype, device=points.device)
    if spread.shape != points.shape[-2:-1] or not bool((spread > 0).all()):
        raise ValueError(
            f"sigmas has {spread.numel()} numbers, from {float(spread.min()):g}, for {points.shape[-2]} points: give "
            "one above 0 for each; COCO's 17 are the default."
        )
    return spread


@dataclass(frozen=True)
class PointError:
    """The mean distance in pixels as a measure of ``fit``: ``metrics={"error": PointError(read)}``.

    Attributes:
        read: of a network's output the points, (N, P, 2), such as ``lambda maps: decode(maps).points``.
    """

    read: Callable[[Any], Tensor]

    def __call__(self, output: Any, y: Tensor) -> Tensor:
        return distances(self.read(output), y).cpu()

    def of_set(self, kept: list[Tensor]) -> float:
        """Over all points that count; nan if there are none."""
        return torch.cat(kept).double().nanmean().item()


@dataclass(frozen=True)
class PCK:
    """PCK as a measure of ``fit``: ``metrics={"pck": PCK(read, length=48, share=0.05)}``.

    Attributes:
        read: as of :class:`PointError`.
        length: in pixels, the same for all pictures.
        share: of that length.
    """

    read: Callable[[Any], Tensor]
    length: float
    share: float = 0.2

    def __call__(self, output: Any, y: Tensor) -> Tensor:
        return distances(self.read(output), y).cpu()

    def of_set(self, kept: list[Tensor]) -> float:
        """Over all points that count; nan if there are none."""
        far = torch.cat(kept)
        counted = ~far.isnan()
        return ((far <= self.share * self.length).sum() / counted.sum()).item()
