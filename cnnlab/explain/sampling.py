"""What a stride cannot carry: the part of a map that is folded onto other frequencies where places are left out.

Of a wave with more than 1/(2 s) turns per pixel, samples at every s-th pixel show a slower wave that was never there
(Nyquist, Shannon). R. Zhang: Making Convolutional Networks Shift-Invariant Again, ICML 2019, section 3, on what that
does to a network. https://arxiv.org/abs/1904.11486
"""

from __future__ import annotations

import torch
from torch import Tensor

from cnnlab.errors import whole_number

__all__ = ["folded_share"]


def folded_share(maps: Tensor, stride: int) -> Tensor:
    """The share of each channel's variance at frequencies above what ``stride`` can carry.

    Each map, without its mean and faded out towards its border, is taken apart into waves; those with more than
    ``1 / (2 * stride)`` turns per place, down or across, are counted. White noise has ``1 - 1 / stride**2`` there.

    Args:
        maps: as a layer computes them at every place, before any is left out. Shape: (N, K, H, W).
        stride: 1 or more.

    Returns:
        Between 0 and 1, over all N together; NaN for a channel that is constant. Shape: (K,).

    Raises:
        ValueError: no maps, or a stride that is no whole number from 1.
    """
    stride = whole_number("stride", stride, "Give places, 1 or more.")
    if maps.dim() != 4 or not maps.is_floating_point():
        raise ValueError(f"maps={tuple(maps.shape)}, {maps.dtype}: maps (N, K, H, W), float, are needed.")
    height, width = maps.shape[2:]
    fade = torch.outer(*(torch.hann_window(side + 2, periodic=False)[1:-1] for side in (height, width)))
    fade = fade.to(maps)
    mean = (maps * fade).sum(dim=(2, 3), keepdim=True) / fade.sum()
    power = torch.fft.fft2((maps - mean) * fade).abs().square().sum(dim=0)  # (K, H, W)
    down, across = (torch.fft.fftfreq(side, device=maps.device).abs() for side in (height, width))
    limit = 1 / (2 * stride) + 1e-6
    beyond = (down[:, None] > limit) | (across[None] > limit)  # (H, W)
    return (power * beyond).sum(dim=(1, 2)) / power.sum(dim=(1, 2))
