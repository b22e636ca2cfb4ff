"""What all augmentations share: their form, the check of what goes in, and their draws."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Augmentation", "within", "check_batch", "uniform", "beta", "box_mask"]


class Augmentation(Protocol):
    """Anything that changes a batch: see the module's text for what goes in and out."""

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]: ...


def within(name: str, value: float, low: float, high: float, unit: str = "") -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} must lie in {low:g}..{high:g}{unit}, got {value!r}.")


def check_batch(x: Tensor) -> None:
    if x.ndim != 4 or not x.is_floating_point():
        raise ValueError(
            f"x must be a batch of floats in [0, 1] of shape (N, C, H, W), got {x.dtype} {tuple(x.shape)}; "
            "for bytes use x.float() / 255, for one picture x.unsqueeze(0)."
        )


def uniform(x: Tensor, generator: torch.Generator, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Uniform numbers, one row for each picture of x: (N, *shape), on x's device, float32."""
    drawn = torch.rand(len(x), *shape, generator=generator, device=generator.device)
    return (drawn * (high - low) + low).to(x.device, non_blocking=True)


def beta(x: Tensor, generator: torch.Generator, alpha: float) -> Tensor:
    """Beta(alpha, alpha) for each picture: (N,), float32. torch's own sampler takes no generator; NumPy's does."""
    from numpy.random import default_rng

    seed = int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
    return torch.from_numpy(default_rng(seed).beta(alpha, alpha, len(x))).float().to(x.device)


def box_mask(x: Tensor, center_y: Tensor, center_x: Tensor, height: Tensor | int, width: Tensor | int) -> Tensor:
    """True inside boxes about the centers, cut off at the border. (N,) each -> bool (N, 1, H, W)."""
    rows = torch.arange(x.shape[2], device=x.device)
    columns = torch.arange(x.shape[3], device=x.device)
    top, left = center_y - height // 2, center_x - width // 2
    inside_rows = (rows >= top[:, None]) & (rows < (top + height)[:, None])
    inside_columns = (columns >= left[:, None]) & (columns < (left + width)[:, None])
    return (inside_rows[:, :, None] & inside_columns[:, None, :]).unsqueeze(1)
