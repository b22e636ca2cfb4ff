"""Heat maps: a Gaussian where a point is, which is what a network shall show.

J. Tompson, A. Jain, Y. LeCun, C. Bregler: Joint Training of a Convolutional Network and a Graphical Model for Human
Pose Estimation, NIPS 2014. https://arxiv.org/abs/1406.2984
"""

from __future__ import annotations

import torch
from torch import Tensor

from cnnlab.errors import whole_number
from cnnlab.pose.targets import Target, checked_sigma, split_target

__all__ = ["heat_maps"]


def heat_maps(
    target: Tensor, size: tuple[int, int], *, stride: int = 4, sigma: float = 2.0, rounded: bool = False
) -> Target:
    """exp(-d^2 / (2 sigma^2)), d being the distance of a cell's middle from the point, in cells.

    Args:
        target: points in pixels. Shape: (N, P, 2), or (N, P, 3) as for :func:`split_target`.
        size: height and width of the maps, in cells.
        stride: pixels to a side of a cell.
        sigma: in cells; Simple Baselines' 2 for pictures of 256 x 192 pixels.
        rounded: put the peak into the middle of the cell that the point lies in, as the code of many papers does; the
            map then has forgotten where in the cell the point was.

    Returns:
        Maps (N, P, H, W), zeros where the point does not count, and which points do, (N, P). A point outside the maps
        does not.

    Raises:
        TypeError, ValueError: as for :func:`split_target`; or another size, stride or sigma.
    """
    stride = whole_number("stride", stride, "Simple Baselines' is 4.")
    sigma = checked_sigma("sigma", sigma)
    height, width = (whole_number("size", side, "Give the maps' (height, width), in cells.") for side in size)
    points, counted = split_target(target)
    place = points / stride  # in cells, the first one's middle at 0.5
    counted = counted & ((place >= 0) & (place <= place.new_tensor([width, height]))).all(-1)
    if rounded:
        place = place.floor() + 0.5
    x = torch.arange(width, device=place.device, dtype=place.dtype) + 0.5
    y = torch.arange(height, device=place.device, dtype=place.dtype) + 0.5
    # A round Gaussian is the product of one along x and one along y.
    along_x = (-((x - place[..., 0, None]) ** 2) / (2 * sigma**2)).exp()  # (N, P, W)
    along_y = (-((y - place[..., 1, None]) ** 2) / (2 * sigma**2)).exp()  # (N, P, H)
    maps = along_y[..., :, None] * along_x[..., None, :]  # (N, P, H, W)
    return Target(maps * counted[..., None, None], counted)
