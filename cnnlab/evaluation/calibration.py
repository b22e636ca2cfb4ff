"""Whether probabilities can be taken at their word: of the pictures called 80 % sure, are 80 % right?

C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger: On calibration of modern neural networks. ICML 2017.
https://arxiv.org/abs/1706.04599
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from cnnlab.errors import unknown_name, whole_number

__all__ = ["Calibration", "calibration", "temperature"]

_RULES = ("width", "mass")
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, eq=False)
class Calibration:
    """Confidence against accuracy, bin by bin; ``cnnlab.draw.reliability`` draws it.

    Attributes:
        edges: of the bins, B + 1 numbers from 0 to 1. A bin holds its upper edge and not its lower one.
        confidence: the mean probability of the class that was named; NaN in an empty bin. Shape: (B,), float64.
        accuracy: the share that was right; NaN in an empty bin. Shape: (B,), float64.
        count: pictures. Shape: (B,), int64.
        ece: expected calibration error, the mean over all pictures of the difference between accuracy and confidence in
            their bin.
        mce: the largest of these.
        bias: mean confidence less accuracy over all pictures: above 0 the answers are too sure.
        loss: mean of -log p(right class).
        brier: mean of the squared differences to the right answer, summed over the classes (0 to 2).
    """

    edges: Tensor
    confidence: Tensor
    accuracy: Tensor
    count: Tensor
    ece: float
    mce: float
    bias: float
    loss: float
    brier: float

    def __repr__(self) -> str:
        return (
            f"Calibration(ECE {self.ece:.2%} in {len(self.count)} bins, confidence less accuracy {self.bias:+.2%}, "
            f"loss {self.loss:.4f}, Brier {self.brier:.4f})"
        )


def calibration(probabilities: Tensor, labels: Tensor, bins: int = 15, rule: str = "width") -> Calibration:
    """Sort answers into bins by their confidence, and compare it with how often they are right.

    The number depends on the bins, so they belong beside it: the same answers have another error with other bins, and
    with few pictures even a perfectly calibrated network has one above zero.

    Args:
        probabilities: rows that sum to 1. Shape: (N, K).
        labels: the right classes. Shape: (N,).
        bins: how many; 15 as Guo et al. have it.
        rule: "width" for bins (0, 1/B], (1/B, 2/B], ... of equal width, as theirs; "mass" for bins of equally many
            pictures (within one, and equal confidences stay together).

    Raises:
        ValueError: shapes that do not fit, rows that are no probabilities, or an unknown rule.
    """
    bins = whole_number("bins", bins, "Give how many bins there shall be, such as 15.")
    if rule not in _RULES:
        raise unknown_name("rule", rule, _RULES)
    probabilities, labels = _checked(probabilities, labels)
    sums = probabilities.sum(dim=1)
    if probabilities.min() < 0 or (sums - 1).abs().max() > 1e-3:
        raise ValueError(
            f"probabilities must be 0 or more in rows that sum to 1; the sums go from {sums.min():.4g} to "
            f"{sums.max():.4g}. Logits become probabilities by .softmax(dim=1)."
        )
    confidence, named = probabilities.max(dim=1)
    right = (named == labels).double()
    if rule == "width":
        edges = torch.arange(bins + 1, dtype=torch.float64) / bins
    else:
        inner = confidence.sort().values[[round(i * len(labels) / bins) - 1 for i in range(1, bins)]]
        edges = torch.cat([torch.zeros(1), inner, torch.ones(1)]) if bins > 1 else torch.tensor([0.0, 1.0])
        edges = edges.double().unique()
    # A confidence on an edge belongs to the bin below it; rounding must not lift one above the last.
    place = torch.bucketize(confidence.clamp(max=1.0), edges[1:-1].contiguous(), right=False)
    count = torch.bincount(place, minlength=len(edges) - 1)
    mean_confidence = torch.bincount(place, confidence, len(edges) - 1) / count
    accuracy = torch.bincount(place, right, len(edges) - 1) / count
    gap = (accuracy - mean_confidence).abs().nan_to_num()
    p_right = probabilities.gather(1, labels[:, None]).flatten()
    truth = torch.nn.functional.one_hot(labels, probabilities.shape[1])
    return Calibration(
        edges,
        mean_confidence,
        accuracy,
        count,
        ece=(gap * count).sum().item() / len(labels),
        mce=gap.max().item(),
        bias=(confidence - right).mean().item(),
        loss=-p_right.clamp_min(1e-38).log().mean().item(),
        brier=(probabilities - truth).square().sum(dim=1).mean().item(),
    )


def temperature(logits: Tensor, labels: Tensor) -> float:
    """The number T by which logits are to be divided so that the loss on these pictures is least.

    One number cannot change which class is named, only how surely: above 1 the answers were too sure. Find it on
    pictures that were neither trained on nor are the test's. Of probabilities, such as an ensemble's, give the
    logarithms.

    Args:
        logits: Shape: (N, K).
        labels: the right classes. Shape: (N,).

    Returns:
        T from 0.05 to 20. The loss is convex in 1 / T, so there is one such place.

    Raises:
        ValueError: shapes that do not fit.
    """
    logits, labels = _checked(logits, labels, "logits")

    def loss(log_t: float) -> float:
        return torch.nn.functional.cross_entropy(logits / math.exp(log_t), labels).item()

    low, high = math.log(0.05), math.log(20.0)
    for _ in range(60):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return math.exp((low + high) / 2)


def _checked(rows: Tensor, labels: Tensor, name: str = "probabilities") -> tuple[Tensor, Tensor]:
    rows, labels = torch.as_tensor(rows).detach().cpu().double(), torch.as_tensor(labels).detach().cpu()
    if rows.ndim != 2 or labels.shape != (len(rows),) or not len(rows):
        raise ValueError(
            f"{name} and labels must have the shapes (N, K) and (N,), of one picture or more; got {tuple(rows.shape)} "
            f"and {tuple(labels.shape)}."
        )
    if labels.is_floating_point() or labels.min() < 0 or labels.max() >= rows.shape[1]:
        raise ValueError(f"labels must be whole numbers from 0 to {rows.shape[1] - 1}, one of {rows.shape[1]} classes.")
    if not rows.isfinite().all():
        raise ValueError(f"{name} holds NaN or infinity: look at the model before its calibration.")
    return rows, labels.long()
