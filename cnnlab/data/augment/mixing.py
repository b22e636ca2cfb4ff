"""Augmentations that mix pictures of a batch, and their labels with them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from cnnlab.data.augment.base import beta, box_mask, check_batch, uniform

__all__ = ["soft", "Mixup", "CutMix"]


def soft(y: Tensor, num_classes: int | None, dtype: torch.dtype, who: str) -> Tensor:
    """Labels (N,) as class probabilities (N, K); what is soft already stays."""
    if y.ndim == 2:
        return y
    if num_classes is None:
        raise ValueError(f"{who} makes soft labels and must know how many classes there are: pass num_classes=...")
    return F.one_hot(y, num_classes).to(dtype)


@dataclass(frozen=True)
class Mixup:
    """Each picture becomes a weighted mean with another of the batch, and so does its label.

    Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: beyond empirical risk minimization" (2018). The weight is
    drawn from Beta(alpha, alpha) for each picture (their code draws one for the batch).
    ``num_classes`` may be left out in ``batches`` and ``fit``, which know it.
    """

    alpha: float = 0.2
    num_classes: int | None = None

    def __post_init__(self) -> None:
        _check_mixing(self.alpha, self.num_classes)

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        check_batch(x)
        y = soft(y, self.num_classes, torch.float32, "Mixup")
        weight = beta(x, generator, self.alpha)  # of the picture itself
        other = torch.randperm(len(x), generator=generator, device=generator.device).to(x.device)
        mixed = torch.lerp(x[other], x, weight.to(x.dtype)[:, None, None, None])
        return mixed, torch.lerp(y[other], y, weight.to(y.dtype)[:, None])


@dataclass(frozen=True)
class CutMix:
    """Each picture gets a rectangle of another one; labels are weighted by the areas that are seen.

    Yun et al., "CutMix: regularization strategy to train strong classifiers with localizable features"
    (2019). The rectangle's share of the area is drawn from Beta(alpha, alpha) for each picture.
    ``num_classes`` may be left out in ``batches`` and ``fit``, which know it.
    """

    alpha: float = 1.0
    num_classes: int | None = None

    def __post_init__(self) -> None:
        _check_mixing(self.alpha, self.num_classes)

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        check_batch(x)
        n, _, height, width = x.shape
        y = soft(y, self.num_classes, torch.float32, "CutMix")
        side = (1 - beta(x, generator, self.alpha)).clamp(min=0).sqrt()
        center = uniform(x, generator, 2)
        box_height, box_width = (side * height).long(), (side * width).long()
        mask = box_mask(x, (center[:, 0] * height).long(), (center[:, 1] * width).long(), box_height, box_width)
        other = torch.randperm(n, generator=generator, device=generator.device).to(x.device)
        # The share that is really seen: a box may stick out of the picture.
        weight = 1 - mask.flatten(1).to(y.dtype).mean(1, keepdim=True)
        return torch.where(mask, x[other], x), torch.lerp(y[other], y, weight)


def _check_mixing(alpha: float, num_classes: int | None) -> None:
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha <= 100:
        raise ValueError(f"alpha must be above 0 and at most 100, got {alpha!r}.")
    if num_classes is not None and (not isinstance(num_classes, int) or num_classes < 1):
        raise ValueError(f"num_classes must be 1 or more, got {num_classes!r}.")
