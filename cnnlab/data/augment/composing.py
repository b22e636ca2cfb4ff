"""Augmentations put together: one after the other, one of several, and a function for each picture."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.data.augment.base import Augmentation, uniform, within
from cnnlab.data.augment.color import ColorShift, Cutout, PCAColor
from cnnlab.data.augment.mixing import CutMix, Mixup, soft
from cnnlab.data.augment.moving import Crop, Flip, Moving
from cnnlab.data.streams import own_streams
from cnnlab.data.targets import Placed

__all__ = ["Compose", "OneOf", "PerPicture", "as_augmentation", "moving_first", "with_classes", "with_targets"]


@dataclass(frozen=True)
class Compose:
    """One after the other: ``Compose([Crop(4), Flip(), Mixup(0.2)])``."""

    steps: tuple[Augmentation, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", _steps(self.steps))

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        for step in self.steps:
            x, y = step(x, y, generator)
        return x, y


@dataclass(frozen=True, init=False)
class OneOf:
    """One of several, drawn anew for each picture: ``OneOf(Mixup(), CutMix())``, as `Compose` does them all.

    Pictures that drew the same step go through it together, so that Mixup mixes them with one another.

    Args:
        steps: the augmentations, each as likely as the others.
        p: the share of the pictures that get one at all.
    """

    steps: tuple[Augmentation, ...]
    p: float

    def __init__(self, *steps: Augmentation | Sequence[Augmentation], p: float = 1.0) -> None:
        given = steps[0] if len(steps) == 1 and isinstance(steps[0], list | tuple) else steps
        object.__setattr__(self, "steps", _steps(given))
        object.__setattr__(self, "p", p)
        within("p", p, 0, 1)
        if not self.steps:
            raise ValueError("OneOf needs augmentations to choose from: OneOf(Mixup(), CutMix()).")

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        drawn = uniform(x, generator)
        # Those at p and above keep what they are; the others lie in as many equal parts as there are steps.
        part = (drawn * (len(self.steps) / self.p)).long() if self.p else torch.full_like(drawn, len(self.steps))
        pictures = x.clone()
        if not isinstance(y, Tensor):
            return self._of_targets(x, pictures, y, part, generator)
        labels: list[tuple[Tensor, Tensor]] = []
        for number, step in enumerate(self.steps):
            chosen = (part == number).nonzero().flatten()
            if len(chosen):
                changed, its = step(x.index_select(0, chosen), y.index_select(0, chosen), generator)
                pictures.index_copy_(0, chosen, changed)
                labels.append((chosen, its))
        mixed = next((its for _, its in labels if its.ndim > y.ndim), None)
        if mixed is not None:
            y = soft(y, mixed.shape[1], mixed.dtype, "OneOf")
            labels = [(chosen, soft(its, mixed.shape[1], mixed.dtype, "OneOf")) for chosen, its in labels]
        else:
            y = y.clone()
        for chosen, its in labels:
            y = y.index_copy(0, chosen, its.to(y.dtype))
        return pictures, y

    def _of_targets(self, x: Tensor, pictures: Tensor, y: Any, part: Tensor, generator: torch.Generator) -> Any:
        """Of boxes, masks and key points, in the batch's or in each picture's form."""
        y = y if isinstance(y, Placed) else list(y)
        for number, step in enumerate(self.steps):
            chosen = (part == number).nonzero().flatten()
            if not len(chosen):
                continue
            its = y[chosen] if isinstance(y, Placed) else [y[place] for place in chosen.tolist()]
            changed, its = step(x.index_select(0, chosen), its, generator)
            pictures.index_copy_(0, chosen, changed)
            if isinstance(y, Placed):
                y = y.put(chosen, its)
            else:
                for place, one in zip(chosen.tolist(), its, strict=True):
                    y[place] = one
        return pictures, y


@dataclass(frozen=True)
class PerPicture:
    """A function of one picture, called for each: ``PerPicture(torchvision.transforms.v2.RandomRotation(15))``.

    ``fit(augment=...)``, `Compose` and `OneOf` put one around torchvision's transforms and around plain functions of
    x themselves. Those draw once for whatever they are given, so that a whole batch would be turned by one angle;
    called for each picture they draw for each. That costs a call a picture, in this process: for 10,000 pictures of
    32 x 32 pixels 0.2 s (a flip) to 4 s (RandAugment), where ours take 0.03 s to 0.2 s. The global random streams that
    such functions draw from begin at the batch's own seed, and are given back.

    Args:
        function: float (C, H, W) in [0, 1] -> the same shape.

    Raises:
        ValueError: it returned another shape, or no tensor.
    """

    function: Callable[[Tensor], Tensor]

    def __call__(self, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        seed = int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
        with own_streams(seed):
            changed = [self.function(picture) for picture in x]
        for picture in changed:
            if not isinstance(picture, Tensor) or picture.shape != x.shape[1:]:
                given = tuple(picture.shape) if isinstance(picture, Tensor) else type(picture).__name__
                raise ValueError(
                    f"augment: {self.function!r} made {given} of a picture {tuple(x.shape[1:])}. It must return a "
                    "tensor of the same shape; resize in the loader of the data."
                )
        return torch.stack(changed).to(x.dtype), y


def as_augmentation(augment: Any) -> Augmentation:
    """``augment`` as a function of (x, y, generator); torchvision's transforms and functions of x go by picture.

    Raises:
        ValueError: it cannot be called so.
    """
    if not callable(augment) or isinstance(augment, type):
        given = (
            f"the class {augment.__name__}; write {augment.__name__}()" if isinstance(augment, type) else repr(augment)
        )
        raise ValueError(f"augmentations such as Flip() or Crop(4) are needed, got {given}.")
    if type(augment).__module__.startswith("torchvision.transforms") and type(augment).__name__ in ("MixUp", "CutMix"):
        raise ValueError(
            f"augment: torchvision's {type(augment).__name__} mixes batches in a form of its own. Use Mixup() or "
            "CutMix() from cnnlab.data.augment, which know the number of classes."
        )
    if isinstance(augment, nn.Module) or type(augment).__module__.startswith("torchvision.transforms"):
        return PerPicture(augment)
    try:
        parameters = inspect.signature(augment).parameters.values()
    except (TypeError, ValueError):  # a function that is not Python's
        return augment
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters) or len(places) >= 3:
        return augment
    if sum(p.default is p.empty for p in places) == 1:
        return PerPicture(augment)
    raise ValueError(
        f"augment={augment!r} must be a function of one picture x (C, H, W), or of (x, y, generator) for a whole batch."
    )


def _steps(given: Any) -> tuple[Augmentation, ...]:
    try:
        return tuple(map(as_augmentation, given if isinstance(given, Sequence) else (given,)))
    except ValueError as error:
        raise ValueError(f"steps: {error}") from None


def moving_first(augment: Augmentation | None) -> tuple[list[Flip | Crop], Augmentation | None]:
    """(the steps at the beginning that only move pixels, the rest, or None if there is none)."""
    steps = () if augment is None else augment.steps if isinstance(augment, Compose) else (augment,)
    moving = list(takewhile(lambda step: isinstance(step, Flip | Crop), steps))
    return moving, Compose(steps[len(moving) :]) if len(moving) < len(steps) else None


@dataclass(frozen=True)
class _OfTargets:
    """A reader's function of (x, y, generator), which gets targets in the form that a loss gets them in."""

    function: Callable[..., tuple[Tensor, Any]]
    teaches: str

    def __call__(self, x: Tensor, y: Any, generator: torch.Generator) -> tuple[Tensor, Any]:
        return self.function(x, y.target(self.teaches) if isinstance(y, Placed) else y, generator)


def with_targets(augment: Augmentation, teaches: str) -> Augmentation:
    """The same augmentation for targets that have a place, "objects", "masks" or "keypoints".

    Of a reader's own function of (x, y, generator) nobody knows whether they stay about their objects.

    Raises:
        ValueError: a step mixes pictures, or moves them and cannot say where to.
    """
    if isinstance(augment, Compose):
        steps = tuple(with_targets(step, teaches) for step in augment.steps)
        own = next((step for step in steps[:-1] if isinstance(step, _OfTargets)), None)
        if teaches == "keypoints" and own is not None:
            raise ValueError(f"augment: {own.function!r} must be the last step, so that no other moves its key points.")
        return Compose(steps)
    if isinstance(augment, OneOf):
        steps = [with_targets(step, teaches) for step in augment.steps]
        if not any(isinstance(step, _OfTargets) for step in steps):
            return OneOf(*steps, p=augment.p)
    if isinstance(augment, OneOf | Mixup | CutMix | PerPicture):
        what = {"objects": "boxes", "masks": "masks", "keypoints": "key points"}[teaches]
        raise ValueError(
            f"augment: {augment!r} does not move {what} along with its pictures. Use Flip(), Crop(), Rotate(), "
            f"Shear(), LocalWarp() and what changes colors, or a function of yours of (x, {teaches}, generator)."
        )
    return augment if isinstance(augment, Moving | ColorShift | PCAColor | Cutout) else _OfTargets(augment, teaches)


def with_classes(augment: Augmentation, num_classes: int) -> Augmentation:
    """The same augmentation, in which Mixup and CutMix that were not told the number of classes now know it."""
    if isinstance(augment, Mixup | CutMix) and augment.num_classes is None:
        return replace(augment, num_classes=num_classes)
    if isinstance(augment, Compose):
        return Compose(tuple(with_classes(step, num_classes) for step in augment.steps))
    if isinstance(augment, OneOf):
        return OneOf(*(with_classes(step, num_classes) for step in augment.steps), p=augment.p)
    return as_augmentation(augment)
