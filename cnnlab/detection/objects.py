"""What is in one picture: boxes, what each of them holds, and how sure somebody was of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from cnnlab.detection.boxes import check_boxes

__all__ = ["Objects", "check_scores", "check_labels"]


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects of one picture, those that are there or those that were predicted; there may be none.

    Attributes:
        boxes: floats, x1, y1, x2, y2 in pixels. Shape: (n, 4).
        labels: int64, a class number from 0 for each. Shape: (n,).
        scores: floats, how sure the prediction is; None for what is there. Shape: (n,).
        ignored: bool, what is neither to be found nor wrong to find, such as a crowd, of which one box holds many; None
            for nothing. Shape: (n,).
        masks: bool, the pixels of each; None where nobody knows. Shape: (n, H, W).
        keypoints: floats, x and y in pixels and 1 where the point is seen, else 0; None for none. Shape: (n, P, 3).
        pairs: key points that change places in a mirror, such as left and right eye, by number: ((0, 1),).

    Raises:
        ValueError: shapes or types that do not agree, a score that is not finite, a negative label, or no box (see
            :func:`check_boxes`); a predicted box may be without area.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor | None = None
    ignored: Tensor | None = None
    masks: Tensor | None = None
    keypoints: Tensor | None = None
    pairs: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        check_boxes(self.boxes, empty=self.scores is not None)
        check_labels(self.labels, len(self.boxes))
        if self.scores is not None:
            check_scores(self.scores, len(self.boxes))
        if self.ignored is not None and (self.ignored.dtype != torch.bool or self.ignored.shape != self.labels.shape):
            raise ValueError(
                f"ignored is {self.ignored.dtype} of shape {tuple(self.ignored.shape)}, wanted torch.bool of shape "
                f"({len(self)},), one for each box: ignored.bool()."
            )
        if self.masks is not None:
            _check_fact("masks", self.masks, len(self), self.masks.dtype is torch.bool, "bools", "(n, H, W)")
        if self.keypoints is not None:
            right = self.keypoints.is_floating_point() and self.keypoints.shape[-1] == 3
            _check_fact("keypoints", self.keypoints, len(self), right, "floats", "(n, P, 3), x, y and 1 where seen")

    @classmethod
    def none(cls, *, predicted: bool = False) -> Objects:
        """Those of a picture that shows nothing, or in which nothing was found."""
        return cls(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0) if predicted else None)

    @classmethod
    def of_set(cls, boxes: Tensor, labels: Tensor) -> list[Objects]:
        """The objects of each picture of a :class:`cnnlab.data.ImageSet` with boxes.

        Args:
            boxes: ``images.boxes``, (N, M, 4) where a picture shows up to M objects, or (N, 4) where it shows one.
            labels: ``images.object_labels``, (N, M), -1 where there is none, or ``images.labels``, (N,).
        """
        if boxes.ndim == 2:
            boxes, labels = boxes[:, None], labels[:, None]
        return [cls(b[there], k[there]) for b, k, there in zip(boxes, labels, labels >= 0, strict=True)]

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, chosen: slice | Tensor | Sequence[int]) -> Objects:
        """Some of them: a slice, numbers, or True and False for each."""
        return replace(self, **{name: tensor[chosen] for name, tensor in self._tensors().items()})

    def to(self, device: torch.device | str) -> Objects:
        """The same on another device."""
        return replace(self, **{name: tensor.to(device) for name, tensor in self._tensors().items()})

    def check(self, *, size: tuple[int, int] | None = None, num_classes: int | None = None) -> Objects:
        """Itself, if its boxes lie within a picture of ``size`` (height, width) and its labels within the classes.

        Raises:
            ValueError: they do not.
        """
        check_boxes(self.boxes, size=size, empty=self.scores is not None)
        check_labels(self.labels, len(self), num_classes)
        return self

    def _tensors(self) -> dict[str, Tensor]:
        every = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: tensor for name, tensor in every.items() if isinstance(tensor, Tensor)}

    def __repr__(self) -> str:
        what = "predicted" if self.scores is not None else "objects"
        return f"Objects({len(self)} {what} of classes {sorted(set(self.labels.tolist()))})"


def check_scores(scores: Tensor, count: int) -> Tensor:
    """Raises: ValueError: they are not ``count`` finite floats."""
    if not isinstance(scores, Tensor) or not scores.is_floating_point() or scores.shape != (count,):
        raise ValueError(f"scores is {_kind(scores)}, wanted floats of shape ({count},), one for each box.")
    if not bool(scores.isfinite().all()):
        number = int((~scores.isfinite()).int().argmax())
        raise ValueError(
            f"scores[{number}] = {float(scores[number])} is not finite, so that it has no place in an order: leave its "
            "box out, boxes[scores.isfinite()]."
        )
    return scores


def check_labels(labels: Tensor, count: int, num_classes: int | None = None) -> Tensor:
    """Raises: ValueError: they are not ``count`` class numbers of int64, from 0 and below ``num_classes``."""
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.shape != (count,):
        raise ValueError(
            f"labels is {_kind(labels)}, wanted torch.int64 of shape ({count},), a class number for each box: "
            "torch.as_tensor(labels, dtype=torch.int64)."
        )
    wrong = labels < 0 if num_classes is None else (labels < 0) | (labels >= num_classes)
    if bool(wrong.any()):
        number = int(wrong.int().argmax())
        allowed = "0 or more" if num_classes is None else f"0 to {num_classes - 1}, for {num_classes} classes"
        raise ValueError(
            f"labels[{number}] = {int(labels[number])} is no class, {allowed}: number the classes from 0, and leave "
            "background out, which is no object."
        )
    return labels


def _check_fact(name: str, given: Tensor, count: int, right: bool, kind: str, shape: str) -> None:
    if not right or given.ndim != 3 or len(given) != count:
        raise ValueError(f"{name} is {_kind(given)}, wanted {kind} of shape {shape}, with n = {count}, one each box.")


def _kind(given: object) -> str:
    if isinstance(given, Tensor):
        return f"{given.dtype} of shape {tuple(given.shape)}"
    return f"a {type(given).__name__}"
