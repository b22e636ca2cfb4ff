"""Augmentations that move pixels: mirrored, cut anew, turned, sheared, warped."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from cnnlab.data.augment.base import check_batch, uniform, within
from cnnlab.detection import Objects

__all__ = ["Flip", "Crop", "Rotate", "Shear", "LocalWarp"]


@dataclass(frozen=True)
class Flip:
    """Mirror left and right with probability ``p``. Not for digits or letters."""

    p: float = 0.5

    def __post_init__(self) -> None:
        within("p", self.p, 0, 1)

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        check_batch(x)
        return self.move(x, y, generator)

    def move(self, x: Tensor, y: Tensor | list[Objects], generator: torch.Generator) -> tuple[Tensor, Any]:
        """x, floats or bytes, with some of its pictures mirrored, and their objects with them."""
        kept = (uniform(x, generator) >= self.p).nonzero().flatten()
        if isinstance(y, list):
            stay, width = set(kept.tolist()), x.shape[3]
            y = [one if number in stay else one.mirrored(width) for number, one in enumerate(y)]
        # Mirroring all and putting some back copies whole rows: three times as fast as torch.where on bytes.
        return x.flip(3).index_copy_(0, kept, x.index_select(0, kept)), y


@dataclass(frozen=True)
class Crop:
    """Pad by ``padding`` pixels on every side, then cut the old size at a random place.

    The usual augmentation of CIFAR-10 since Lee et al., "Deeply-supervised nets" (2015), with 4 pixels of
    zeros. ``reflect`` mirrors the picture into the padding instead.
    """

    padding: int = 4
    reflect: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.padding, bool) or not isinstance(self.padding, int) or self.padding < 0:
            raise ValueError(f"padding must be a whole number of pixels, 0 or more, got {self.padding!r}.")

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        check_batch(x)
        return self.move(x, y, generator)

    def move(self, x: Tensor, y: Tensor | list[Objects], generator: torch.Generator) -> tuple[Tensor, Any]:
        """x, floats or bytes, cut anew; of the objects what is still seen."""
        n, channels, height, width = x.shape
        p = self.padding
        if p == 0:
            return x, y
        if self.reflect and p >= min(height, width):
            raise ValueError(f"padding={p} cannot reflect pictures of {width}x{height}: it must be below their size.")
        top, left = torch.randint(2 * p + 1, (2, n), generator=generator, device=generator.device).to(x.device)
        if isinstance(y, list):
            places = zip(y, (p - left).tolist(), (p - top).tolist(), strict=True)
            y = [one.moved(right, down).within((height, width)) for one, right, down in places]
        padded = _reflected(x, p) if self.reflect else F.pad(x, (p, p, p, p))
        # Each row of the result is ``width`` neighbors in memory: whole rows are copied, from where they begin.
        tall, wide = height + 2 * p, width + 2 * p
        planes = torch.arange(n * channels, device=x.device).view(n, channels, 1) * tall
        rows = planes + top.view(n, 1, 1) + torch.arange(height, device=x.device)
        begins = rows * wide + left.view(n, 1, 1)  # (N, C, H)
        return padded.flatten().unfold(0, width, 1).index_select(0, begins.flatten()).view(x.shape), y


def _reflected(x: Tensor, p: int) -> Tensor:
    """x with its own mirror image around it, p pixels wide; F.pad does so for floats only."""
    for axis in (2, 3):
        size = x.shape[axis]
        places = torch.arange(-p, size + p, device=x.device).abs()
        x = x.index_select(axis, torch.where(places < size, places, 2 * (size - 1) - places))
    return x


def _sample(x: Tensor, matrix: Tensor) -> Tensor:
    """x at places given by ``matrix`` (N, 2, 2), about the center, in pixels: out(q) = x(matrix q). Zeros outside."""
    _, _, height, width = x.shape
    # grid_sample measures both axes from -1 to 1, whatever their lengths in pixels.
    aspect = torch.tensor([[1.0, height / width], [width / height, 1.0]], device=x.device)
    theta = F.pad(matrix * aspect, (0, 1))  # (N, 2, 3), no translation
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x.float(), grid, align_corners=False).to(x.dtype)


@dataclass(frozen=True)
class Rotate:
    """Turn by an angle drawn uniformly from -degrees..degrees, bilinear, with zeros from outside."""

    degrees: float = 15.0

    def __post_init__(self) -> None:
        within("degrees", self.degrees, 0, 180)

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        check_batch(x)
        if self.degrees == 0:
            return x, y
        limit = math.radians(self.degrees)
        angle = uniform(x, generator, low=-limit, high=limit)
        cosine, sine = angle.cos(), angle.sin()
        return _sample(x, torch.stack([cosine, -sine, sine, cosine], 1).view(-1, 2, 2)), y


@dataclass(frozen=True)
class Shear:
    """Lean to the left or right by an angle drawn uniformly from -degrees..degrees; zeros come from outside."""

    degrees: float = 15.0

    def __post_init__(self) -> None:
        within("degrees", self.degrees, 0, 80)

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        check_batch(x)
        if self.degrees == 0:
            return x, y
        limit = math.radians(self.degrees)
        slope = uniform(x, generator, low=-limit, high=limit).tan()
        one, zero = torch.ones_like(slope), torch.zeros_like(slope)
        return _sample(x, torch.stack([one, slope, zero, one], 1).view(-1, 2, 2)), y


@dataclass(frozen=True)
class LocalWarp:
    """Elastic distortion: a smooth random field moves each pixel by up to about ``pixels``.

    After Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to visual
    document analysis" (2003); here a ``nodes`` x ``nodes`` grid of random moves is interpolated bicubically
    where they blur a field of full size.
    """

    pixels: float = 1.5
    nodes: int = 5

    def __post_init__(self) -> None:
        within("pixels", self.pixels, 0, 64, " pixels")
        if isinstance(self.nodes, bool) or not isinstance(self.nodes, int) or not 2 <= self.nodes <= 64:
            raise ValueError(f"nodes must be a whole number in 2..64, got {self.nodes!r}.")

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        check_batch(x)
        if self.pixels == 0:
            return x, y
        n, _, height, width = x.shape
        moves = uniform(x, generator, 2, self.nodes, self.nodes, low=-1.0, high=1.0)
        moves = F.interpolate(moves, size=(height, width), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
        still = F.affine_grid(torch.eye(2, 3, device=x.device).expand(n, 2, 3), list(x.shape), align_corners=False)
        per_pixel = torch.tensor([2 / width, 2 / height], device=x.device)
        moved = F.grid_sample(x.float(), still + moves * per_pixel * self.pixels, align_corners=False)
        return moved.to(x.dtype), y
