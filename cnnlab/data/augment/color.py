"""Augmentations that change values: color, and squares that are blanked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cnnlab.data.augment.base import box_mask, check_batch, uniform, within

if TYPE_CHECKING:
    from cnnlab.data.dataset import ImageSet

__all__ = ["ColorShift", "PCAColor", "Cutout"]


@dataclass(frozen=True)
class ColorShift:
    """Brightness, contrast and (of color pictures) saturation, each times a factor from 1-strength..1+strength."""

    strength: float = 0.3

    def __post_init__(self) -> None:
        within("strength", self.strength, 0, 1)

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        check_batch(x)
        if self.strength == 0:
            return x, y
        factors = uniform(x, generator, 3, 1, 1, 1, low=1 - self.strength, high=1 + self.strength).to(x.dtype)
        brightness, contrast, saturation = factors.unbind(1)  # (N, 1, 1, 1) each
        out = x * brightness
        out = torch.lerp(_gray(out).mean((1, 2, 3), keepdim=True), out, contrast)
        if x.shape[1] == 3:
            out = torch.lerp(_gray(out), out, saturation)
        return out.clamp_(0, 1), y


def _gray(x: Tensor) -> Tensor:
    """Brightness by the weights of Rec. 601: (N, 3, H, W) -> (N, 1, H, W); other channel counts are averaged."""
    if x.shape[1] != 3:
        return x.mean(1, keepdim=True)
    return 0.299 * x[:, 0:1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:3]


@dataclass(frozen=True)
class PCAColor:
    """AlexNet's color augmentation: add eigenvectors of the RGB covariance, times eigenvalue times N(0, std).

    Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep convolutional neural networks"
    (2012), section 4.1, with std 0.1. The paper prints no values; the defaults are ImageNet's for pixels
    in [0, 1], as Facebook's fb.resnet.torch published them (2016). :meth:`of` computes those of another set.
    """

    std: float = 0.1
    eigenvalues: tuple[float, float, float] = (0.2175, 0.0188, 0.0045)
    # Row c holds channel c's part in each of the three eigenvectors, which are the columns.
    eigenvectors: tuple[tuple[float, float, float], ...] = (
        (-0.5675, 0.7192, 0.4009),
        (-0.5808, -0.0045, -0.8140),
        (-0.5836, -0.6948, 0.4203),
    )

    def __post_init__(self) -> None:
        within("std", self.std, 0, 100)
        object.__setattr__(self, "eigenvalues", tuple(float(v) for v in self.eigenvalues))
        object.__setattr__(self, "eigenvectors", tuple(tuple(float(v) for v in row) for row in self.eigenvectors))
        if len(self.eigenvalues) != 3 or [len(row) for row in self.eigenvectors] != [3, 3, 3]:
            raise ValueError("PCAColor needs 3 eigenvalues and 3x3 eigenvectors: use PCAColor.of(images).")

    @classmethod
    def of(cls, images: Tensor | ImageSet, std: float = 0.1) -> PCAColor:
        """With the eigenvalues and eigenvectors of these pictures: uint8 (N, 3, H, W), or an image set."""
        pixels = getattr(images, "images", images)
        if pixels.ndim != 4 or pixels.shape[1] != 3:
            raise ValueError(f"images must be color pictures (N, 3, H, W), got {tuple(pixels.shape)}.")
        count = 0
        total, products = torch.zeros(3, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
        for part in pixels.split(1024):
            values = part.permute(1, 0, 2, 3).flatten(1).cpu().double()  # (3, n*H*W)
            values = values / 255 if not part.is_floating_point() else values
            total += values.sum(1)
            products += values @ values.T
            count += values.shape[1]
        mean = total / count
        eigenvalues, eigenvectors = torch.linalg.eigh(products / count - mean.outer(mean))  # rising order
        eigenvectors = eigenvectors.flip(1)
        eigenvectors = eigenvectors * torch.where(eigenvectors.sum(0) < 0, -1.0, 1.0)  # a sign has no meaning; fix it
        return cls(std, tuple(eigenvalues.flip(0).clamp(min=0).tolist()), tuple(map(tuple, eigenvectors.tolist())))

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        check_batch(x)
        if x.shape[1] != 3:
            raise ValueError(f"PCAColor works on color pictures (3 channels), got x with {x.shape[1]}; leave it out.")
        alpha = torch.randn(len(x), 3, generator=generator, device=generator.device).to(x.device) * self.std
        values = torch.tensor(self.eigenvalues, device=x.device)
        vectors = torch.tensor(self.eigenvectors, device=x.device)
        shift = (alpha * values) @ vectors.T  # (N, 3)
        return (x + shift[:, :, None, None].to(x.dtype)).clamp_(0, 1), y


@dataclass(frozen=True)
class Cutout:
    """Blank a square of ``size`` x ``size`` pixels about a random pixel; it may stick out of the picture.

    DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout" (2017).
    They fill with the mean of the set; pass ``fill=data.mean`` for that. The default is black.
    """

    size: int = 8
    fill: float | tuple[float, ...] = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 0:
            raise ValueError(f"size must be a whole number of pixels, 0 or more, got {self.size!r}.")
        for value in self.fill if isinstance(self.fill, Sequence) else (self.fill,):
            within("fill", value, 0, 1)

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        check_batch(x)
        n, channels, height, width = x.shape
        fill = tuple(self.fill) if isinstance(self.fill, Sequence) else (self.fill,)
        if len(fill) not in (1, channels):
            raise ValueError(f"fill must be one number or {channels}, one for each channel, got {len(fill)}.")
        center_y = torch.randint(height, (n,), generator=generator, device=generator.device).to(x.device)
        center_x = torch.randint(width, (n,), generator=generator, device=generator.device).to(x.device)
        mask = box_mask(x, center_y, center_x, self.size, self.size)
        return torch.where(mask, torch.tensor(fill, dtype=x.dtype, device=x.device).view(1, -1, 1, 1), x), y
