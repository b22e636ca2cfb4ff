"""What trains a network to give a class to every pixel. Scores go in as they are; each loss takes the softmax itself.

Scores that are not finite give a loss that is not finite, at which :func:`cnnlab.fit` stops and says so.

    dice_loss    F. Milletari et al.: V-Net, 3DV 2016 (with the squares left out). https://arxiv.org/abs/1606.04797
    focal_loss   T.-Y. Lin et al.: Focal Loss for Dense Object Detection, ICCV 2017. https://arxiv.org/abs/1708.02002
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlab.segmentation.checks import checked_scores, checked_targets

__all__ = ["cross_entropy", "dice_loss", "focal_loss", "MaskLoss"]


def cross_entropy(scores: Tensor, target: Tensor, *, ignore_index: int = -100) -> Tensor:
    """The mean over the pixels of -log p(right class); 0 if no pixel counts.

    Args:
        scores: logits; a single map is that of an object before a background, as for ``BCEWithLogitsLoss``.
            Shape: (N, K, H, W).
        target: class numbers. Shape: (N, H, W).
        ignore_index: pixels of this number in ``target`` do not count.

    Raises:
        TypeError: no floats, or no whole numbers.
        ValueError: probabilities in place of logits, sizes that differ, or a class beyond the table.
    """
    return focal_loss(scores, target, gamma=0.0, ignore_index=ignore_index)


def focal_loss(
    scores: Tensor,
    target: Tensor,
    *,
    gamma: float = 2.0,
    weights: Sequence[float] | None = None,
    ignore_index: int = -100,
) -> Tensor:
    """Cross-entropy in which easy pixels count less: the mean of -(1 - p)**gamma log p, p of the right class.

    Args:
        scores, target, ignore_index: as for :func:`cross_entropy`.
        gamma: 0 is cross-entropy; at 2 a pixel with p = 0.9 weighs a hundredth.
        weights: of the classes, one each; None is 1. For one map of logits (1 - alpha, alpha) is the paper's alpha.

    Raises:
        TypeError, ValueError: as :func:`cross_entropy`; a negative gamma, or another number of weights than classes.
    """
    if not gamma >= 0:
        raise ValueError(f"gamma={gamma!r} must be a number from 0; 0 is cross-entropy and 2 the paper's.")
    scores = checked_scores("scores", scores)
    target = checked_targets(scores, target, ignore_index)
    counted = target != ignore_index
    right = target.where(counted, 0)[:, None]
    log_p = scores.log_softmax(1).gather(1, right)[:, 0]  # (N, H, W)
    loss = -log_p
    if gamma:
        # 1 - p in a form whose gradient stays finite where p is 1.
        loss = loss * (-torch.expm1(log_p)).clamp_min(1e-12) ** gamma
    if weights is not None:
        each = torch.as_tensor(weights, dtype=scores.dtype, device=scores.device)
        if each.shape != (scores.shape[1],):
            raise ValueError(f"weights has {each.numel()} numbers for {scores.shape[1]} classes; give one each.")
        loss = loss * each[right[:, 0]]
    return loss.where(counted, 0.0).sum() / counted.sum().clamp_min(1)


def dice_loss(
    scores: Tensor, target: Tensor, *, smooth: float = 1.0, background: bool = True, ignore_index: int = -100
) -> Tensor:
    """1 minus the soft Dice of each class, (2 sum(p y) + s) / (sum(p) + sum(y) + s), the mean over the classes.

    Sums go over all pixels of the batch. A class that is nowhere costs little where little probability is given to it
    and nothing where none is: so pictures that are all background have a loss, and it is 0 once that is said.

    Args:
        scores, target, ignore_index: as for :func:`cross_entropy`.
        smooth: s, in pixels, above 0. The larger, the less small objects count.
        background: False leaves class 0 out of the mean.

    Raises:
        TypeError, ValueError: as :func:`cross_entropy`; or smooth is not above 0.
    """
    if not smooth > 0:
        raise ValueError(
            f"smooth={smooth!r} must be above 0, or a class that is nowhere would divide 0 by 0; 1 is usual."
        )
    scores = checked_scores("scores", scores)
    target = checked_targets(scores, target, ignore_index)
    counted = (target != ignore_index)[:, None]
    p = scores.softmax(1) * counted  # (N, K, H, W)
    y = F.one_hot(target.where(counted[:, 0], 0), scores.shape[1]).movedim(-1, 1) * counted
    over = (0, 2, 3)
    dice = (2 * (p * y).sum(over) + smooth) / (p.sum(over) + y.sum(over) + smooth)  # (K,)
    return 1 - (dice if background else dice[1:]).mean()


@dataclass(frozen=True)
class MaskLoss:
    """A sum of losses, for ``cnnlab.fit(..., loss=MaskLoss())``. Call it with scores and class numbers.

    Cross-entropy has even gradients and follows the frequent classes; Dice counts each class alike. Half of the
    published recipes add the two.

    Attributes:
        entropy: weight of :func:`cross_entropy`.
        dice: weight of :func:`dice_loss`.
        focal: weight of :func:`focal_loss`.
        ignore_index: pixels of this number in the targets do not count, in pixel accuracy neither.
    """

    entropy: float = 1.0
    dice: float = 1.0
    focal: float = 0.0
    ignore_index: int = -100

    def __post_init__(self) -> None:
        parts = {"entropy": self.entropy, "dice": self.dice, "focal": self.focal}
        if wrong := {name: weight for name, weight in parts.items() if not 0 <= weight < float("inf")}:
            name, weight = next(iter(wrong.items()))
            raise ValueError(f"{name}={weight!r} is not allowed: a weight is a number from 0; 0 leaves the loss out.")
        if not any(parts.values()):
            raise ValueError("entropy, dice and focal are all 0, so that nothing would be learned; give one a weight.")

    def __call__(self, scores: Tensor, target: Tensor) -> Tensor:
        parts = ((self.entropy, cross_entropy), (self.dice, dice_loss), (self.focal, focal_loss))
        found = [weight * loss(scores, target, ignore_index=self.ignore_index) for weight, loss in parts if weight]
        return torch.stack(found).sum()
