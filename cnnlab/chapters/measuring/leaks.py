"""Seven leaks, each planted in the digits, and what it adds to the accuracy that one would report.

In five of them the labels are drawn by lot, so that there is nothing to learn, and whatever is reported above chance
is the leak. The learner is the nearest picture, which remembers everything and generalizes little: what it gains, a
large network can gain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlab.data import load_dataset

__all__ = ["BOTH", "Leak", "LEAKS", "nearest", "planted"]

CLASSES = 10
BOTH = ("reported", "honest")


@dataclass(frozen=True)
class Leak:
    """One leak.

    Attributes:
        name: of it.
        reported: the accuracy that one would report.
        honest: the accuracy on pictures that nothing has leaked from.
    """

    name: str
    reported: float
    honest: float


def nearest(known: Tensor, labels: Tensor, asked: Tensor) -> Tensor:
    """The label of the nearest known picture.

    Args:
        known: Shape: (N, ...).
        labels: of these. Shape: (N,).
        asked: Shape: (M, ...).

    Returns:
        Shape: (M,).
    """
    return labels[torch.cdist(asked.flatten(1), known.flatten(1)).argmin(dim=1)]


def accuracy(known: Tensor, labels: Tensor, asked: Tensor, truth: Tensor) -> float:
    """Of :func:`nearest`."""
    return (nearest(known, labels, asked) == truth).double().mean().item()


@cache
def _digits() -> tuple[Tensor, Tensor]:
    """All of them, in [0, 1], in no order. Shapes: (1797, 1, 8, 8), (1797,)."""
    data = load_dataset("digits")
    images = torch.cat([data.train.images, data.test.images]).float() / 255
    labels = torch.cat([data.train.labels, data.test.labels])
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    return images[order], labels[order]


def _lots(count: int, generator: torch.Generator, classes: int = CLASSES) -> Tensor:
    """Labels that nothing can be learned of."""
    return torch.randint(classes, (count,), generator=generator)


# --- the leaks -------------------------------------------------------------------------------------------------------


def duplicates(generator: torch.Generator) -> Leak:
    """A fifth of the test pictures are in the training set too, some saved again as JPEG: a little noise."""
    images, _ = _digits()
    labels = _lots(len(images), generator)
    known, asked = slice(0, 1200), slice(1200, None)
    copies = slice(1200, 1200 + len(images[asked]) // 5)
    noisy = images[copies] + 0.02 * torch.randn(images[copies].shape, generator=generator)
    return Leak(
        "duplicates",
        accuracy(
            torch.cat([images[known], noisy]), torch.cat([labels[known], labels[copies]]), images[asked], labels[asked]
        ),
        accuracy(images[known], labels[known], images[asked], labels[asked]),
    )


def groups(generator: torch.Generator) -> Leak:
    """Six pictures of each patient, all before the same background; the label is the patient's."""
    images, _ = _digits()
    images = images[:1200]
    patient = torch.arange(len(images)) // 6
    background = torch.rand((int(patient.max()) + 1, 1, 8, 8), generator=generator)
    pictures, labels = images * 0.5 + background[patient], _lots(len(background), generator)[patient]
    mixed = torch.randperm(len(pictures), generator=generator)
    return Leak(
        "groups torn apart",
        accuracy(pictures[mixed[:900]], labels[mixed[:900]], pictures[mixed[900:]], labels[mixed[900:]]),
        accuracy(pictures[:900], labels[:900], pictures[900:], labels[900:]),
    )


def augmented(generator: torch.Generator) -> Leak:
    """Five noisy, brighter or darker copies of each picture, made before the split."""
    images, _ = _digits()
    images, labels = images[:400], _lots(400, generator)
    copies = images.repeat_interleave(5, dim=0)
    copies = copies * (0.9 + 0.2 * torch.rand((len(copies), 1, 1, 1), generator=generator))
    copies = copies + 0.05 * torch.randn(copies.shape, generator=generator)
    named = labels.repeat_interleave(5)
    mixed = torch.randperm(len(copies), generator=generator)
    return Leak(
        "augmented, then split",
        accuracy(copies[mixed[:1500]], named[mixed[:1500]], copies[mixed[1500:]], named[mixed[1500:]]),
        accuracy(copies[:1500], named[:1500], images[300:], labels[300:]),
    )


def target(generator: torch.Generator) -> Leak:
    """Each picture bears a mark that depends on its class: the scanner's, the ward's, the file's."""
    images, _ = _digits()
    labels = _lots(len(images), generator)
    marked = images.clone()
    marked[:, :, 0, 0] = labels[:, None].float()  # one pixel, as bright as the class is high
    return Leak(
        "the target in the input",
        accuracy(marked[:1200], labels[:1200], marked[1200:], labels[1200:]),
        accuracy(marked[:1200], labels[:1200], images[1200:], labels[1200:]),
    )


def selection(generator: torch.Generator) -> Leak:
    """Of 5,000 random features the 30 best for the label, chosen on all pictures."""
    images, _ = _digits()
    pictures, labels = images[:100].flatten(1), _lots(100, generator, 2)
    features = (pictures @ torch.randn((64, 5000), generator=generator)).relu()
    features = (features - features.mean(0)) / features.std(0).clamp_min(1e-6)

    def told(chosen_on: slice) -> float:
        some, own = features[chosen_on], labels[chosen_on]
        apart = some[own == 1].mean(dim=0) - some[own == 0].mean(dim=0)
        best = apart.abs().topk(30).indices
        score = features[50:][:, best] @ apart[best].sign()
        return ((score > 0).long() == labels[50:]).double().mean().item()

    return Leak("features chosen on all", told(slice(0, 100)), told(slice(0, 50)))


def statistics(generator: torch.Generator) -> Leak:
    """Mean and standard deviation of each pixel over all pictures, or over those to learn from. True labels."""
    images, labels = _digits()
    mixed = torch.randperm(len(images), generator=generator)
    images, labels = images[mixed].flatten(1), labels[mixed]

    def told(over: Tensor) -> float:
        scaled = (images - over.mean(dim=0)) / (over.std(dim=0) + 0.1)
        return accuracy(scaled[:1200], labels[:1200], scaled[1200:], labels[1200:])

    return Leak("mean and std of all", told(images), told(images[:1200]))


def time(generator: torch.Generator) -> Leak:
    """The camera slips: from the first picture to the last it turns by 60 degrees. True labels."""
    images, labels = _digits()
    angle = torch.linspace(0, torch.pi / 3, len(images))
    cos, sin, nought = angle.cos(), angle.sin(), torch.zeros_like(angle)
    turn = torch.stack([cos, -sin, nought, sin, cos, nought], dim=1).reshape(-1, 2, 3)
    turned = F.grid_sample(
        images, F.affine_grid(turn, list(images.shape), align_corners=False), align_corners=False
    )  # (N, 1, 8, 8)
    mixed = torch.randperm(len(turned), generator=generator)
    return Leak(
        "the future known",
        accuracy(turned[mixed[:1200]], labels[mixed[:1200]], turned[mixed[1200:]], labels[mixed[1200:]]),
        accuracy(turned[:1200], labels[:1200], turned[1200:], labels[1200:]),
    )


LEAKS: tuple[Callable[[torch.Generator], Leak], ...] = (
    duplicates,
    groups,
    augmented,
    target,
    selection,
    statistics,
    time,
)


def planted(seed: int = 0) -> list[Leak]:
    """All of them, drawn anew with each seed; the caller's random state is left alone."""
    return [leak(torch.Generator().manual_seed(seed)) for leak in LEAKS]
