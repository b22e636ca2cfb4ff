"""What trains a network to say where points are. Points that do not count add nothing, and a batch of them costs 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from cnnlab.pose.heatmaps import heat_maps
from cnnlab.pose.targets import checked_sigma, split_target

__all__ = ["HeatMapLoss", "PointLoss"]


@dataclass(frozen=True)
class HeatMapLoss:
    """The mean squared difference from Gaussians, for ``cnnlab.fit(..., loss=HeatMapLoss())``.

    Call it with maps (N, P, H, W) and points (N, P, 2) or (N, P, 3), in pixels: see :func:`heat_maps`. The mean is over
    the cells of the maps whose point counts; the paper's code takes half of it, and its mean over all maps.

    Attributes:
        stride, sigma, rounded: of :func:`heat_maps`.
    """

    stride: int = 4
    sigma: float = 2.0
    rounded: bool = False

    def __post_init__(self) -> None:
        checked_sigma("sigma", self.sigma)

    def __call__(self, maps: Tensor, target: Tensor) -> Tensor:
        wanted, counted = heat_maps(
            target, tuple(maps.shape[2:]), stride=self.stride, sigma=self.sigma, rounded=self.rounded
        )
        if wanted.shape != maps.shape:
            raise ValueError(
                f"The network gives {maps.shape[1]} maps and the targets have {wanted.shape[1]} points: build it with "
                f"num_joints={wanted.shape[1]}."
            )
        squares = ((maps - wanted) ** 2).mean((2, 3))  # (N, P)
        return squares.where(counted, 0.0).sum() / counted.sum().clamp_min(1)


@dataclass(frozen=True)
class PointLoss:
    """The mean distance ``|x - x'| + |y - y'|`` from the true points, in units of ``unit`` pixels.

    For networks that end in numbers (``read`` makes points of them) and for the mean place under a softmax, ``read``
    being ``lambda maps: decode(maps, method="soft").points``.

    Attributes:
        read: of the network's output the points in pixels, (N, P, 2).
        unit: pixels that count as 1, such as the picture's width.
    """

    read: Callable[[Tensor], Tensor]
    unit: float = 1.0

    def __post_init__(self) -> None:
        checked_sigma("unit", self.unit)

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        points, counted = split_target(target)
        found = self.read(output)
        if found.shape != points.shape:
            raise ValueError(
                f"read gives {tuple(found.shape)} and the targets are {tuple(points.shape)}: one point each."
            )
        far = (found - points).abs().sum(-1) / self.unit  # (N, P)
        return far.where(counted, 0.0).sum() / counted.sum().clamp_min(1)
