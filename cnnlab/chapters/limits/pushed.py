"""Pictures changed a little, or cut up, or two in one: what the chapter and its experiment ask a network about."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.errors import whole_number

__all__ = ["probabilities", "slope_of", "signed_step", "shuffled_tiles", "hybrid"]


def probabilities(model: nn.Module, pixels: Tensor) -> Tensor:
    """What a pretrained network says of pictures whose numbers go from 0 to 255, whole or not.

    Shape: (N, 3, H, W) -> (N, classes).
    """
    with torch.inference_mode():
        return model(model.preprocess.normalized(pixels.float() / 255)).softmax(1)


def slope_of(model: nn.Module, pixels: Tensor, labels: Tensor) -> Tensor:
    """The gradient of each picture's cross-entropy by its numbers, of which 255 count as 1. Shape: that of pixels."""
    slopes = []
    # Two at a time: every layer's maps are kept for the way back.
    for some, own in zip(pixels.split(2), labels.split(2), strict=True):
        x = (some.float() / 255).requires_grad_()
        loss = F.cross_entropy(model(model.preprocess.normalized(x)), own, reduction="sum")
        slopes += torch.autograd.grad(loss, x)
    return torch.cat(slopes)


def signed_step(pixels: Tensor, slope: Tensor, step: float) -> Tensor:
    """Each number goes up by ``step`` where the slope is positive, and down where it is negative; 0 to 255 is kept.

    With the gradient of the loss for the slope, this is the fast gradient sign method.

    Args:
        pixels: 0 to 255, of any type. Shape: (N, C, H, W).
        slope: only its sign counts. The same shape.
        step: how far, of 255.
    """
    return (pixels.float() + step * slope.sign()).clamp(0, 255)


def shuffled_tiles(pixels: Tensor, n: int, seed: int) -> Tensor:
    """Cut into n x n tiles, put back in another order, for each picture its own. Shape: (N, C, H, W), kept.

    Raises:
        ValueError: n is no positive whole number or does not divide the sides.
    """
    n = whole_number("n", n, "Give how many tiles a side has, such as 4.")
    count, channels, height, width = pixels.shape
    if height % n or width % n:
        raise ValueError(f"n={n} does not divide {height} x {width} pixels; give a divisor of both.")
    generator = torch.Generator().manual_seed(seed)
    a, b = height // n, width // n
    tiles = pixels.reshape(count, channels, n, a, n, b).permute(0, 2, 4, 1, 3, 5).reshape(count, n * n, channels, a, b)
    order = torch.stack([torch.randperm(n * n, generator=generator) for _ in range(count)])
    tiles = tiles[torch.arange(count)[:, None], order]
    return tiles.reshape(count, n, n, channels, a, b).permute(0, 3, 1, 4, 2, 5).reshape(pixels.shape)


def hybrid(coarse: Tensor, fine: Tensor, sigma: float) -> Tensor:
    """The blur of one picture, and of another what a blur takes away. Shape: (N, C, H, W), kept; numbers 0 to 255."""
    from torchvision.transforms.functional import gaussian_blur

    side = 2 * round(3 * sigma) + 1
    low = gaussian_blur(coarse.float(), side, sigma)
    high = fine.float() - gaussian_blur(fine.float(), side, sigma)
    return (low + high).clamp(0, 255)
