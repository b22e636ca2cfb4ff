"""Focal loss: a cross-entropy to which what is right already adds next to nothing."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["focal_loss"]


def focal_loss(logits: Tensor, wanted: Tensor, *, alpha: float | None = 0.25, gamma: float = 2.0) -> Tensor:
    """What each answer costs: -alpha_t (1 - p_t)^gamma log p_t. Shape: (...), (...) -> (...), nothing is summed.

    Lin et al., Focal Loss for Dense Object Detection, 2017, section 3, https://arxiv.org/abs/1708.02002. p_t is the
    probability of what is so, p = sigmoid(logit) where 1 is wanted and 1 - p where 0 is. The paper sums over all
    anchors of a picture, and divides by how many of them were given an object.

    Args:
        logits: one for each anchor and class.
        wanted: 0 or 1, or between, in the same shape.
        alpha: weight where 1 is wanted, and 1 - alpha where 0 is; None weighs both alike, by 1.
        gamma: 0 is the cross-entropy. With 2 an answer at p_t = 0.9 costs a hundredth of it.

    Raises:
        ValueError: shapes that differ, or an ``alpha`` or ``gamma`` out of range.
    """
    if logits.shape != wanted.shape:
        raise ValueError(
            f"wanted has shape {tuple(wanted.shape)} for logits of {tuple(logits.shape)}: give 0 or 1 for each, "
            "torch.nn.functional.one_hot(labels, num_classes)."
        )
    if alpha is not None and not 0 <= alpha <= 1:
        raise ValueError(f"alpha={alpha!r} must be a share, 0 to 1, or None for no weights; 0.25 is the paper's.")
    if not gamma >= 0:
        raise ValueError(f"gamma={gamma!r} must be 0 or more; 2 is the paper's, 0 the cross-entropy.")
    wanted = wanted.to(logits.dtype)
    cost = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    if gamma:
        p = torch.sigmoid(logits)
        cost = cost * (p + wanted - 2 * p * wanted) ** gamma  # 1 - p_t
    return cost if alpha is None else cost * (alpha * wanted + (1 - alpha) * (1 - wanted))
