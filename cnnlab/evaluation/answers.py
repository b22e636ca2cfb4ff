"""What networks say of a set of pictures, however they were asked, and what that cost."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.analysis import summarize
from cnnlab.data.dataset import Dataset, ImageSet
from cnnlab.errors import unknown_name
from cnnlab.evaluation.calibration import Calibration, calibration
from cnnlab.evaluation.photos import images_of, named
from cnnlab.training.evaluation import Evaluation, evaluate

__all__ = [
    "MEANS",
    "Answers",
    "Sums",
    "answers",
    "asked",
    "check_mean",
    "combined",
    "macs_of",
    "mean_of",
]

# How several answers become one -> what is averaged.
MEANS = {
    "probabilities": "the arithmetic mean of the probabilities, as AlexNet, GoogLeNet and VGG took it",
    "logits": "the mean of the logits, which is the geometric mean of the probabilities, scaled to a sum of 1",
}
_TINY = 1e-38  # the least float32 whose logarithm is finite and exact


@dataclass(frozen=True, eq=False)
class Answers:
    """What a way of asking says of N pictures, and its cost; shows itself as a line.

    Attributes:
        name: of the way of asking, for tables.
        probabilities: one for each class, in rows that sum to 1. Shape: (N, K), float32, on the CPU.
        labels: the right classes, (N,) int64; None where they are not known.
        classes: K names.
        views: the probabilities of each network or crop before they were averaged, (V, N, K); None where they were not
            kept.
        passes: forward passes for one picture.
        macs: multiply-accumulates for one picture; None where they cannot be counted.
        seconds: for all the pictures, cutting and augmenting included.
    """

    name: str
    probabilities: Tensor
    labels: Tensor | None
    classes: tuple[str, ...]
    views: Tensor | None = field(default=None, repr=False)
    passes: int = 1
    macs: int | None = None
    seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def predictions(self) -> Tensor:
        """The most probable class. Shape: (N,) int64."""
        return self.probabilities.argmax(dim=1)

    @property
    def right(self) -> Tensor:
        """Whether that is the right one. Shape: (N,) bool.

        Raises:
            ValueError: the right classes are not known.
        """
        if self.labels is None:
            raise ValueError(f"The right classes of these {len(self)} pictures are not known: give labels=.")
        return self.predictions == self.labels

    @property
    def accuracy(self) -> float:
        """The share that is right (top-1)."""
        return self.right.double().mean().item()

    @property
    def evaluation(self) -> Evaluation:
        """The same as :func:`cnnlab.training.evaluate` gives it: top-k, confusion, precision and recall by class.

        Its logits are the logarithms of the probabilities, its loss the mean of -log p(right class).
        """
        right = self.right.double().mean().item()
        logits = self.probabilities.clamp_min(_TINY).log()
        loss = torch.nn.functional.cross_entropy(logits, self.labels).item()
        return Evaluation(loss, right, logits, self.labels, self.classes, {"accuracy": right}, len(self))

    def calibration(self, bins: int = 15, rule: str = "width") -> Calibration:
        """Whether the probabilities can be taken at their word; see :func:`calibration`."""
        self.right  # noqa: B018  (says that labels are missing)
        return calibration(self.probabilities, self.labels, bins, rule)

    @property
    def each(self) -> list[float]:
        """The accuracy of each of the :attr:`views` alone.

        Raises:
            ValueError: they were not kept.
        """
        self.right  # noqa: B018
        return [(view.argmax(dim=1) == self.labels).double().mean().item() for view in self._views()]

    @property
    def disagreement(self) -> Tensor:
        """For each two of the :attr:`views` the share of pictures of which they name different classes. Shape: (V, V).

        Raises:
            ValueError: they were not kept.
        """
        said = self._views().argmax(dim=2)
        return (said[:, None] != said[None]).double().mean(dim=2)

    def of(self, chosen: Iterable[int], average: str = "probabilities") -> Answers:
        """The answers of some of the :attr:`views` alone, without asking again; the cost is counted in proportion.

        Raises:
            ValueError: the views were not kept, none is chosen or one that there is not.
        """
        views, numbers = self._views(), list(chosen)
        if not numbers or not all(0 <= number < len(views) for number in numbers):
            raise ValueError(f"chosen={numbers!r} must be one or more of the numbers 0 to {len(views) - 1}.")
        kept = views[numbers]
        share = len(numbers) / len(views)
        return replace(
            self,
            name=f"{len(numbers)} of {self.name}",
            probabilities=mean_of(kept, average),
            views=kept,
            passes=round(self.passes * share),
            macs=None if self.macs is None else round(self.macs * share),
            seconds=self.seconds * share,
        )

    def _views(self) -> Tensor:
        if self.views is None:
            raise ValueError(f"The views of {self.name!r} were not kept: ask with keep_views=True.")
        return self.views

    def __repr__(self) -> str:
        known = "" if self.labels is None else f"accuracy {self.accuracy:.2%}, "
        macs = "" if self.macs is None else f", {self.macs:,} MACs"
        passes = f"{self.passes} pass{'' if self.passes == 1 else 'es'}"
        return f"Answers({self.name}: {known}{passes}{macs} for each of {len(self)} pictures)"


# --- means -----------------------------------------------------------------------------------------------------------


def check_mean(average: str) -> None:
    if average not in MEANS:
        raise unknown_name("average", average, MEANS)


def mean_of(views: Tensor, average: str) -> Tensor:
    """(V, N, K) probabilities -> (N, K)."""
    sums = Sums(average)
    for view in views:
        sums.add(view.clamp_min(_TINY).log())
    return sums.probabilities


class Sums:
    """Answers added up one view at a time, so that a hundred views need not lie in memory."""

    def __init__(self, average: str = "probabilities", keep: bool = False) -> None:
        check_mean(average)
        self.average, self.keep, self.count = average, keep, 0
        self._kept: list[Tensor] = []
        self._sum: Tensor | None = None

    def add(self, logits: Tensor) -> None:
        """One view of all pictures. Shape: (N, K)."""
        logits = logits.double()
        found = logits.softmax(dim=-1) if self.average == "probabilities" else logits.log_softmax(dim=-1)
        self._sum = found if self._sum is None else self._sum + found
        self.count += 1
        if self.keep:
            self._kept.append(logits.softmax(dim=-1).float())

    @classmethod
    def joined(cls, parts: Sequence[Sums]) -> Sums:
        """Those of some pictures and of others, of equally many views, as one."""
        whole = cls(parts[0].average, parts[0].keep)
        whole.count = parts[0].count
        whole._sum = torch.cat([part._sum for part in parts])
        whole._kept = [torch.cat(views) for views in zip(*(part._kept for part in parts), strict=True)]
        return whole

    @property
    def probabilities(self) -> Tensor:
        """(N, K), float32."""
        found = self._sum / self.count
        return (found if self.average == "probabilities" else found.softmax(dim=-1)).float()

    @property
    def views(self) -> Tensor | None:
        """(V, N, K), float32, if they are kept."""
        return torch.stack(self._kept) if self.keep else None


# --- asking ----------------------------------------------------------------------------------------------------------


def answers(
    model: nn.Module,
    pictures: Dataset | ImageSet | Sequence[Any],
    *,
    labels: Tensor | Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    batch_size: int = 256,
    name: str = "asked once",
) -> Answers:
    """What a network says when it is asked in the plain way, which is what all others are compared with.

    Args:
        model: takes (N, C, H, W), gives logits (N, K).
        pictures: a data set, whose test set is taken with its own mean and std; an image set; or photos of any size,
            each a file, a PIL image or uint8 (H, W, 3), of which a model with ``.preprocess`` cuts out the middle as it
            was trained.
        labels: the right classes of photos, if they are known. Sets have their own.
        mean, std: of an image set, where the model does not know them itself; see :func:`cnnlab.training.evaluate`.
        batch_size: pictures in a forward pass.
        name: for tables.

    Raises:
        ValueError: no pictures, or labels, mean and std that are missing or not wanted.
    """
    images, mean, std = images_of(model, pictures, labels, mean, std)
    began = time.perf_counter()
    if isinstance(images, ImageSet):
        logits, shape = asked(model, images, mean, std, batch_size), images.shape
    else:
        x = torch.stack([images.preprocess(photo) for photo in images.opened()])
        logits, shape = asked(model, x, None, None, batch_size), tuple(x.shape[1:])
    took = time.perf_counter() - began
    probabilities = logits.softmax(dim=1)
    return Answers(
        name,
        probabilities,
        images.labels,
        named(images.classes, probabilities),
        probabilities[None],
        macs=macs_of(model, shape),
        seconds=took,
    )


def combined(several: Sequence[Answers], average: str = "probabilities", name: str | None = None) -> Answers:
    """Several answers about the same pictures as one, in which each counts alike; the costs add up.

    Args:
        several: of networks, of crops, of whatever was asked.
        average: a key of ``MEANS``.
        name: for tables; None says how many there are.

    Returns:
        Their mean, whose ``views`` are the single ones.

    Raises:
        ValueError: none, or answers about other pictures or other classes.
    """
    check_mean(average)
    if not several:
        raise ValueError("several is empty: give one answer or more.")
    first = several[0]
    for number, one in enumerate(several):
        if one.probabilities.shape != first.probabilities.shape:
            raise ValueError(
                f"several[{number}] has probabilities of shape {tuple(one.probabilities.shape)} and the first "
                f"{tuple(first.probabilities.shape)}: give answers about the same pictures and classes."
            )
        if (one.labels is None) != (first.labels is None) or (
            one.labels is not None and not torch.equal(one.labels, first.labels)
        ):
            raise ValueError(f"several[{number}] has other labels than the first: both must be of the same pictures.")
    views = torch.stack([one.probabilities for one in several])
    macs = [one.macs for one in several]
    return Answers(
        name or f"{len(several)} networks",
        mean_of(views, average),
        first.labels,
        first.classes,
        views,
        passes=sum(one.passes for one in several),
        macs=None if None in macs else sum(macs),
        seconds=sum(one.seconds for one in several),
    )


def asked(
    model: nn.Module,
    part: ImageSet | Tensor,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    batch_size: int,
) -> Tensor:
    """The logits of an image set, or of pictures (N, C, H, W) that are ready for the model. Shape: (N, K)."""
    if isinstance(part, ImageSet):
        evaluation = evaluate(model, part, mean=mean, std=std, batch_size=batch_size)
    else:
        ready = [(x, torch.zeros(len(x), dtype=torch.long)) for x in part.split(batch_size)]
        evaluation = evaluate(model, ready)
    if evaluation.logits is None or evaluation.logits.ndim != 2:
        raise ValueError("The model's output is no number for each class, (N, K): such answers are not averaged here.")
    return evaluation.logits


def macs_of(model: nn.Module, shape: Sequence[int]) -> int | None:
    """Multiply-accumulates of one pass over (C, H, W); None for a module that cannot be traced."""
    try:
        return summarize(model, tuple(shape)).macs
    except (ValueError, RuntimeError, TypeError, NotImplementedError):
        return None
