"""Average precision of persons, in which OKS takes the place of IoU: COCO's key point evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cnnlab.detection import COCO_THRESHOLDS, Curve, average_precision
from cnnlab.detection.objects import check_scores
from cnnlab.pose.measures import COCO_SIGMAS, checked_spread, oks
from cnnlab.pose.targets import split_target

__all__ = ["Persons", "keypoint_precision"]


@dataclass(frozen=True, eq=False)
class Persons:
    """The persons of one picture, those that are there or those that were found; there may be none.

    Attributes:
        points: Shape: (n, P, 2), or (n, P, 3) as for :func:`cnnlab.pose.split_target`.
        boxes: of those that are there, x1, y1, x2, y2. Shape: (n, 4).
        areas: of their outlines, in square pixels; None for the boxes'. Shape: (n,).
        scores: how sure the prediction is; None for what is there. Shape: (n,).

    Raises:
        TypeError, ValueError: shapes that do not agree, numbers that are not finite, an area that is not above 0.
    """

    points: Tensor
    boxes: Tensor | None = None
    areas: Tensor | None = None
    scores: Tensor | None = None

    def __post_init__(self) -> None:
        if split_target(self.points).points.ndim != 3:
            raise ValueError(f"points have the shape {tuple(self.points.shape)}; wanted (n, P, 2), n persons.")
        if self.scores is not None:
            check_scores(self.scores, len(self))
            return
        if self.boxes is None or self.boxes.shape != (len(self), 4):
            given = None if self.boxes is None else tuple(self.boxes.shape)
            raise ValueError(f"boxes is {given}; wanted ({len(self)}, 4), a box for each person that is there.")
        if self.areas is None:
            sides = (self.boxes[:, 2:] - self.boxes[:, :2]).double()
            object.__setattr__(self, "areas", sides[:, 0] * sides[:, 1])
        if self.areas.shape != (len(self),) or not bool((self.areas > 0).all()):
            raise ValueError(f"areas={self.areas.tolist()} must be {len(self)} numbers above 0, one for each person.")

    @classmethod
    def none(cls, points: int, *, predicted: bool = False) -> Persons:
        """Those of a picture that shows nobody, or in which nobody was found; ``points`` is P."""
        empty = torch.zeros(0, points, 2)
        return cls(empty, scores=torch.zeros(0)) if predicted else cls(empty, boxes=torch.zeros(0, 4))

    def __len__(self) -> int:
        return len(self.points)


def keypoint_precision(
    predictions: Sequence[Persons],
    truths: Sequence[Persons],
    *,
    sigmas: Sequence[float] | Tensor = COCO_SIGMAS,
    thresholds: Sequence[float] = COCO_THRESHOLDS,
    most: int = 20,
) -> Tensor:
    """AP at each threshold of OKS, as pycocotools computes it; their mean is COCO's AP.

    A person with no point that counts is neither to be found nor wrong to find: one prediction near its box is left out
    of the count. COCO's crowds are not known here; leave them out.

    Args:
        predictions: picture by picture, with scores; ``Persons.none(P, predicted=True)`` where nobody was found.
        truths: who is there.
        sigmas: of :func:`oks`.
        thresholds: of OKS.
        most: of a picture's predictions only so many count, the surest; COCO's 20.

    Returns:
        nan if there is nobody to be found. Shape: (thresholds,), float64.

    Raises:
        ValueError: not as many predictions as truths, one without scores, another number of sigmas.
    """
    if len(predictions) != len(truths):
        raise ValueError(
            f"predictions has {len(predictions)} pictures and truths {len(truths)}: give one entry for each picture, "
            "Persons.none(P, predicted=True) where nobody was found."
        )
    seen = []
    for number, (predicted, shown) in enumerate(zip(predictions, truths, strict=True)):
        if predicted.scores is None:
            raise ValueError(f"predictions[{number}] has no scores, so that nobody knows which is surest.")
        order = predicted.scores.argsort(descending=True, stable=True)[:most]
        ignored = ~split_target(shown.points).counted.any(-1)
        seen.append((predicted.scores[order].double(), _similar(predicted.points[order], shown, sigmas), ignored))
    objects = sum(int((~ignored).sum()) for _, _, ignored in seen)
    return torch.tensor([_precision(seen, objects, limit) for limit in thresholds], dtype=torch.float64)


def _similar(found: Tensor, shown: Persons, sigmas: Sequence[float] | Tensor) -> Tensor:
    """OKS of each prediction with each person, in float64. Shape: (n, m)."""
    found, target = found[..., :2].double(), shown.points.double()
    n, m = len(found), len(target)
    spread = checked_spread(sigmas, target)
    areas = shown.areas.double()
    pairs = oks(
        found[:, None].expand(n, m, -1, 2), target.expand(n, *target.shape), areas.expand(n, m), spread
    )  # (n, m), nan for persons without a point
    # For those COCO takes how far the points lie outside a box three times as wide and high.
    size = shown.boxes[:, 2:] - shown.boxes[:, :2]
    low, high = (shown.boxes[:, :2] - size)[:, None], (shown.boxes[:, 2:] + size)[:, None]
    beyond = (low - found[:, None]).clamp_min(0) + (found[:, None] - high).clamp_min(0)
    near = (-beyond.square().sum(-1) / (2 * (2 * spread) ** 2 * areas[:, None])).exp().mean(-1)
    return torch.where(pairs.isnan(), near, pairs)


def _precision(seen: list[tuple[Tensor, Tensor, Tensor]], objects: int, limit: float) -> float:
    if not seen:
        return float("nan")
    verdicts = [_verdicts(similar, ignored, min(limit, 1 - 1e-10)) for _, similar, ignored in seen]
    scores = torch.cat([each for each, _, _ in seen])
    flat = torch.tensor([one for each in verdicts for one in each])
    order = scores.argsort(descending=True, stable=True)
    order = order[flat[order] >= 0] if len(flat) else order
    return average_precision(Curve(scores[order], flat[order] == 1, objects))


def _verdicts(similar: Tensor, ignored: Tensor, limit: float) -> list[int]:
    """For each prediction 1, right; 0, wrong; -1, neither. Each takes the best person that is free."""
    free, out = ~ignored, ignored.clone()
    verdicts = []
    for row in similar:
        for kind, verdict in ((free, 1), (out, -1)):
            near = row.where(kind & (row >= limit), -1)
            if len(near) and float(near.max()) >= 0:
                best = len(near) - 1 - int(near.flip(0).argmax())  # of equals the last, as pycocotools
                kind[best] = False
                verdicts.append(verdict)
                break
        else:
            verdicts.append(0)
    return verdicts
