"""A blur before every subsampling, and a small network with it and without.

Zhang: Making convolutional networks shift-invariant again. ICML 2019. https://arxiv.org/abs/1904.11486
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["BlurPool", "pooled_network"]


class BlurPool(nn.Module):
    """Weights 1, 2, 1 across and down, and then every second pixel: the paper's Triangle-3.

    Shape: (N, C, H, W) -> (N, C, ceil(H / 2), ceil(W / 2)).
    """

    def forward(self, x: Tensor) -> Tensor:
        row = x.new_tensor([1, 2, 1]) / 4
        kernel = (row[:, None] * row).expand(x.shape[1], 1, 3, 3)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, stride=2, groups=x.shape[1])


def pooled_network(blurred: bool, classes: int = 10, width: int = 16) -> nn.Sequential:
    """Three convolutions with pooling after the first two, of maxima of 2 x 2; blurred, the maxima overlap first.

    Both have the same parameters. Shape: (N, 1, H, W) -> (N, classes).
    """

    def pool() -> list[nn.Module]:
        # Padded on the right and below, so that both halve the sides.
        dense = [nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(2, stride=1), BlurPool()]
        return dense if blurred else [nn.MaxPool2d(2)]

    def conv(before: int, after: int) -> list[nn.Module]:
        return [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]

    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, classes)]
    body = [*conv(1, width), *pool(), *conv(width, 2 * width), *pool(), *conv(2 * width, 4 * width)]
    return nn.Sequential(*body, *pool(), *head)
