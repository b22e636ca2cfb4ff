"""How a detector is judged: right or wrong prediction by prediction, precision against recall, their mean over classes.

Two conventions differ in more than a name. In PASCAL VOC a prediction is held against the object that it overlaps most;
if that one was found before by a surer prediction, it is wrong. In COCO it may have the next best that is still free.
VOC of 2007 averages the precision at 11 recalls, of 2010 the area under the curve, COCO at 101 recalls, and over ten
thresholds of IoU. All first raise each precision to the best that any higher recall reaches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cnnlab.detection.boxes import area
from cnnlab.detection.objects import Objects
from cnnlab.detection.overlap import intersection, pairwise, share
from cnnlab.errors import unknown_name, whole_number

__all__ = [
    "COCO_THRESHOLDS",
    "Curve",
    "MeanPrecision",
    "Precision",
    "precision_recall",
    "average_precision",
    "mean_average_precision",
]

COCO_THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))  # 0.5, 0.55, ..., 0.95
_METHODS = ("coco", "voc", "voc11")
_RIGHT, _WRONG, _IGNORED = 1, 0, -1


@dataclass(frozen=True, eq=False)
class Curve:
    """Precision and recall of one class, after each of its predictions, the surest first.

    Attributes:
        scores: of the predictions. Shape: (n,).
        right: whether each found an object. Shape: (n,), bool.
        objects: how many there were to be found.
    """

    scores: Tensor
    right: Tensor
    objects: int

    @property
    def precision(self) -> Tensor:
        """Of the predictions so far, the share that is right. Shape: (n,), float64."""
        return self.right.double().cumsum(0) / torch.arange(1, len(self.right) + 1)

    @property
    def recall(self) -> Tensor:
        """Of the objects, the share found so far; NaN where there were none. Shape: (n,), float64."""
        return self.right.double().cumsum(0) / (self.objects or float("nan"))


@dataclass(frozen=True, eq=False)
class MeanPrecision:
    """Average precisions, class by class and threshold by threshold; NaN for a class of which no object was shown.

    Attributes:
        thresholds: of IoU.
        table: Shape: (thresholds, classes), float64.
    """

    thresholds: tuple[float, ...]
    table: Tensor

    @property
    def mean(self) -> float:
        """mAP: over the classes that were shown, and the thresholds; NaN if nothing was."""
        return self.table.nanmean().item()

    @property
    def by_class(self) -> Tensor:
        """Mean over the thresholds. Shape: (classes,)."""
        return self.table.mean(0)

    @property
    def by_threshold(self) -> Tensor:
        """Mean over the classes that were shown. Shape: (thresholds,)."""
        return self.table.nanmean(1)

    def __repr__(self) -> str:
        said = ", ".join(f"{value:.3f} at {limit:g}" for limit, value in zip(self.thresholds, self.by_threshold))
        return f"MeanPrecision(mAP={self.mean:.3f}: {said})"


def precision_recall(
    predictions: Sequence[Objects],
    truths: Sequence[Objects],
    label: int,
    *,
    threshold: float = 0.5,
    method: str = "coco",
    most: int = 100,
) -> Curve:
    """Which predictions of one class are right.

    Args:
        predictions: picture by picture, with scores; ``Objects.none(predicted=True)`` where nothing was found.
        truths: what the same pictures show. What is ``ignored`` (COCO's crowds, VOC's difficult objects) counts neither
            as found nor as missed, and neither do predictions that have nothing better to find.
        label: the class.
        threshold: the IoU from which on an object is found.
        method: "coco" lets a prediction find the best object that is free, "voc" and "voc11" only the best.
        most: of a picture's predictions of a class only so many count, the surest.

    Raises:
        ValueError: not as many predictions as truths, one without scores, or another ``method``.
    """
    _check(predictions, truths, method, most)
    return _curve(_seen(predictions, truths, label, method, most), threshold, method)


def average_precision(curve: Curve, method: str = "coco") -> float:
    """The mean height of a precision-recall curve, 0 to 1; NaN where there was nothing to find.

    Args:
        curve: of :func:`precision_recall`.
        method: "coco" at the recalls 0, 0.01, ..., 1; "voc11" at 0, 0.1, ..., 1; "voc" at all, the area.

    Raises:
        ValueError: another ``method``.
    """
    if method not in _METHODS:
        raise unknown_name("method", method, _METHODS)
    if curve.objects == 0:
        return float("nan")
    recall = curve.recall
    best = curve.precision.flip(0).cummax(0).values.flip(0)  # the best at this recall or a higher one
    if method == "voc":
        steps = recall.diff(prepend=recall.new_zeros(1))
        return (steps * best).sum().item()
    # Recalls are multiples of 0.01 as NumPy's linspace computes them: 57 * 0.01 is above 57 / 100.
    asked = torch.arange(101, dtype=torch.float64) * 0.01 if method == "coco" else torch.arange(11).double() / 10
    place = torch.searchsorted(recall, asked)
    return torch.cat([best, best.new_zeros(1)])[place].mean().item()


def mean_average_precision(
    predictions: Sequence[Objects],
    truths: Sequence[Objects],
    num_classes: int,
    *,
    thresholds: Sequence[float] | None = None,
    method: str = "coco",
    most: int = 100,
) -> MeanPrecision:
    """mAP: the mean over the classes of :func:`average_precision`, at one threshold of IoU or at several.

    Args:
        predictions, truths, method, most: as for :func:`precision_recall`.
        num_classes: labels are 0 to ``num_classes - 1``.
        thresholds: of IoU; None is 0.5, 0.55, ..., 0.95 for "coco", and 0.5 for "voc" and "voc11".

    Raises:
        ValueError: as for :func:`precision_recall`, a label beyond the classes, or a threshold outside 0..1.
    """
    num_classes = whole_number("num_classes", num_classes, "Give as many as there are names.")
    _check(predictions, truths, method, most)
    for objects in (*predictions, *truths):
        objects.check(num_classes=num_classes)
    if thresholds is None:
        thresholds = COCO_THRESHOLDS if method == "coco" else (0.5,)
    if not len(thresholds) or not all(0 < threshold <= 1 for threshold in thresholds):
        raise ValueError(f"thresholds={tuple(thresholds)!r} must be one or more IoUs, above 0 and at most 1.")
    columns = []
    for label in range(num_classes):
        seen = _seen(predictions, truths, label, method, most)
        columns.append([average_precision(_curve(seen, limit, method), method) for limit in thresholds])
    return MeanPrecision(tuple(thresholds), torch.tensor(columns, dtype=torch.float64).T)


@dataclass(frozen=True)
class Precision:
    """mAP as a measure of :func:`cnnlab.fit`: ``metrics={"map": Precision(grid.decode, num_classes=10)}``.

    Attributes:
        decode: what a network's output says, :class:`Objects` for each picture.
        num_classes, thresholds, method: as for :func:`mean_average_precision`.
    """

    decode: Callable[[Any], Sequence[Objects]]
    num_classes: int
    thresholds: tuple[float, ...] | None = (0.5,)
    method: str = "coco"

    def __call__(self, output: Any, y: Sequence[Objects]) -> list[tuple[Objects, Objects]]:
        """What a batch's pictures show and what was found there."""
        pairs = zip(self.decode(output), y, strict=True)
        return [(_boxes_alone(found).to("cpu"), _boxes_alone(shown).to("cpu")) for found, shown in pairs]

    def of_set(self, kept: list[list[tuple[Objects, Objects]]]) -> float:
        """mAP over all batches; NaN if no picture shows an object."""
        pairs = [pair for batch in kept for pair in batch]
        ways = {"thresholds": self.thresholds, "method": self.method}
        predictions, truths = [found for found, _ in pairs], [shown for _, shown in pairs]
        return mean_average_precision(predictions, truths, self.num_classes, **ways).mean


def _boxes_alone(objects: Objects) -> Objects:
    """Without the masks of a whole set, which would fill the memory."""
    return replace(objects, masks=None, keypoints=None)


class _Seen(NamedTuple):
    """One picture and class: predictions, the surest first, and how far each overlaps each object."""

    scores: Tensor  # (n,)
    overlaps: list[list[float]]  # (n, m)
    ignored: list[bool]  # (m,)


def _seen(predictions: Sequence[Objects], truths: Sequence[Objects], label: int, method: str, most: int) -> list[_Seen]:
    every = []
    for predicted, shown in zip(predictions, truths, strict=True):
        predicted, shown = predicted[predicted.labels == label], shown[shown.labels == label]
        if not len(predicted) and not len(shown):
            continue
        predicted = predicted[predicted.scores.argsort(descending=True, stable=True)[:most]]
        # In float64: an IoU of exactly 0.75 must not fall below the threshold.
        one, other = predicted.boxes.double().cpu(), shown.boxes.double().cpu()
        overlaps = pairwise(one, other)
        ignored = torch.zeros(len(shown), dtype=torch.bool) if shown.ignored is None else shown.ignored.cpu()
        if method == "coco" and ignored.any():
            # A crowd is larger than any of its members: what counts is how much of the prediction lies in it.
            overlaps = torch.where(ignored, pairwise(one, other, _part_within), overlaps)
        every.append(_Seen(predicted.scores.double().cpu(), overlaps.tolist(), ignored.tolist()))
    return every


def _part_within(one: Tensor, other: Tensor) -> Tensor:
    """The share of ``one`` that lies in ``other``."""
    within = area(intersection(one, other))
    return share(within, area(one).expand_as(within))


def _curve(seen: list[_Seen], threshold: float, method: str) -> Curve:
    objects = sum(ignored.count(False) for _, _, ignored in seen)
    if not seen:
        return Curve(torch.zeros(0, dtype=torch.float64), torch.zeros(0, dtype=torch.bool), objects)
    judge = _judged_by_coco if method == "coco" else _judged_by_voc
    verdicts = torch.tensor([verdict for one in seen for verdict in judge(one, threshold)])
    scores = torch.cat([one.scores for one in seen])
    order = scores.argsort(descending=True, stable=True)
    order = order[verdicts[order] != _IGNORED]
    return Curve(scores[order], verdicts[order] == _RIGHT, objects)


def _judged_by_coco(seen: _Seen, threshold: float) -> list[int]:
    """Each prediction takes the best object that is free; with none left, it may lie in one that is ignored."""
    threshold = min(threshold, 1 - 1e-10)  # an IoU of 1 may be computed as a little less
    free = [not ignored for ignored in seen.ignored]
    verdicts = []
    for overlaps in seen.overlaps:
        enough = [number for number, overlap in enumerate(overlaps) if overlap >= threshold]
        if found := [number for number in enough if free[number]]:
            best = max(found, key=lambda number: (overlaps[number], number))  # of equals the last, as pycocotools
            free[best] = False
            verdicts.append(_RIGHT)
        else:
            verdicts.append(_IGNORED if any(seen.ignored[number] for number in enough) else _WRONG)
    return verdicts


def _judged_by_voc(seen: _Seen, threshold: float) -> list[int]:
    """Each prediction is held against the object that it overlaps most, found already or not."""
    found = set()
    verdicts = []
    for overlaps in seen.overlaps:
        best = max(range(len(overlaps)), key=overlaps.__getitem__, default=None)
        if best is None or overlaps[best] < threshold:
            verdicts.append(_WRONG)
        elif seen.ignored[best]:
            verdicts.append(_IGNORED)
        else:
            verdicts.append(_WRONG if best in found else _RIGHT)
            found.add(best)
    return verdicts


def _check(predictions: Sequence[Objects], truths: Sequence[Objects], method: str, most: int) -> None:
    if method not in _METHODS:
        raise unknown_name("method", method, _METHODS)
    whole_number("most", most, "100 is COCO's.")
    if len(predictions) != len(truths):
        raise ValueError(
            f"predictions has {len(predictions)} pictures and truths {len(truths)}: give one entry for each picture, "
            "Objects.none(predicted=True) where nothing was found."
        )
    for number, predicted in enumerate(predictions):
        if predicted.scores is None:
            raise ValueError(
                f"predictions[{number}] has no scores, so that nobody knows which is surest: Objects(boxes, labels, "
                "scores), or Objects.none(predicted=True)."
            )
