"""Occlusion: cover a part of the picture, and see how much less the network believes.

M. D. Zeiler, R. Fergus: Visualizing and Understanding Convolutional Networks, ECCV 2014, section 4.2 and figure 6: a
gray square is moved over the picture. https://arxiv.org/abs/1311.2901
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlab.errors import whole_number
from cnnlab.explain.looking import checked_pictures, chosen_classes, logits_of
from cnnlab.modes import evaluating
from cnnlab.training.evaluation import model_device

__all__ = ["Occlusion", "occlusion"]


@dataclass(frozen=True, eq=False)
class Occlusion:
    """What a network says while parts of a picture are covered.

    Attributes:
        target: the class that was asked about.
        plain: its probability in the whole picture.
        probability: its probability with the patch at each place. Shape: (rows, columns).
        best: the class that the network names there. Shape: (rows, columns).
        size, stride: of the patch, in pixels.
        shape: (H, W) of the picture.
    """

    target: int
    plain: float
    probability: Tensor
    best: Tensor
    size: int
    stride: int
    shape: tuple[int, int]

    @property
    def drop(self) -> Tensor:
        """How much probability each place costs; negative where the cover helps. Shape: (rows, columns)."""
        return self.plain - self.probability

    def per_pixel(self) -> Tensor:
        """The drop of every pixel: the mean over the patches that covered it. Shape: (H, W)."""
        rows, columns = self.drop.shape
        spread = torch.zeros(2, *self.shape)
        for row in range(rows):
            for column in range(columns):
                top, left = row * self.stride, column * self.stride
                place = (slice(None), slice(top, top + self.size), slice(left, left + self.size))
                spread[place] += torch.stack([self.drop[row, column], torch.tensor(1.0)])[:, None, None]
        return spread[0] / spread[1].clamp_min(1)


def occlusion(
    model: nn.Module,
    x: Tensor,
    target: int | None = None,
    *,
    size: int = 32,
    stride: int | None = None,
    fill: float = 0.0,
    batch_size: int = 64,
    progress: Callable[[int, int], None] | None = None,
) -> Occlusion:
    """Move a square over one picture and ask the network about each.

    It needs no gradient, so it works for any classifier, and costs a forward pass for each place.

    Args:
        x: one prepared picture. Shape: (1, C, H, W).
        target: the class that is asked about; None for the network's first.
        size: of the square, in pixels.
        stride: from one place to the next; None for half the size. The last place reaches the far edge or stops before.
        fill: the square's value in prepared pixels: 0 is the mean gray of the training pictures where those were
            normalized by their mean.
        batch_size: covered pictures that go through the network at a time.
        progress: called as ``progress(done, all)`` after each batch.

    Raises:
        ValueError: not one picture, a square that does not fit into it, or a class that there is not.
    """
    checked_pictures(x)
    if len(x) != 1:
        raise ValueError(f"x has {len(x)} pictures: occlusion asks about one at a time. Give x[:1].")
    height, width = x.shape[2:]
    size = whole_number("size", size, "Give pixels.")
    stride = max(1, size // 2) if stride is None else whole_number("stride", stride, "Give pixels.")
    if size >= min(height, width):
        raise ValueError(f"size={size} covers the whole picture of {height} x {width}: give a smaller square.")
    x = x.to(model_device(model))
    tops, lefts = (range(0, side - size + 1, stride) for side in (height, width))
    places = [(top, left) for top in tops for left in lefts]
    probabilities, best = [], []
    with evaluating(model), torch.no_grad():
        logits = logits_of(model, x)
        chosen = int(chosen_classes(logits, target))
        plain = F.softmax(logits.float(), dim=1)[0, chosen].item()
        for start in range(0, len(places), batch_size):
            some = places[start : start + batch_size]
            covered = x.repeat(len(some), 1, 1, 1)
            for i, (top, left) in enumerate(some):
                covered[i, :, top : top + size, left : left + size] = fill
            said = F.softmax(logits_of(model, covered).float(), dim=1).cpu()
            probabilities.append(said[:, chosen])
            best.append(said.argmax(dim=1))
            if progress is not None:
                progress(start + len(some), len(places))
    shape = (len(tops), len(lefts))
    return Occlusion(
        chosen,
        plain,
        torch.cat(probabilities).reshape(shape),
        torch.cat(best).reshape(shape),
        size,
        stride,
        (height, width),
    )
