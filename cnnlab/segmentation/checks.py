"""What is asked of class maps, masks and scores before anything is computed with them."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["checked_map", "checked_masks", "checked_scores", "checked_targets", "same_shape"]

_WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def checked_map(argument: str, given: object, num_classes: int, ignore_index: int | None = None) -> Tensor:
    """A class map as int64, if each number is a class or ``ignore_index``.

    Raises:
        TypeError: no tensor of whole numbers.
        ValueError: a number is neither a class nor ``ignore_index``.
    """
    if not isinstance(given, Tensor) or given.dtype not in _WHOLE:
        kind = given.dtype if isinstance(given, Tensor) else type(given).__name__
        remedy = "mask.long() makes one of a mask" if kind is torch.bool else "scores.argmax(1) makes one of scores"
        raise TypeError(f"{argument} is {kind}; give a class map, a tensor of whole numbers: {remedy}.")
    numbers = given.long()
    counted = numbers if ignore_index is None else numbers[numbers != ignore_index]
    if counted.numel():
        low, high = (int(each) for each in counted.aminmax())
        if low < 0 or high >= num_classes:
            extra = "" if ignore_index is None else f", and {ignore_index} where a pixel does not count"
            raise ValueError(
                f"{argument} has the class {low if low < 0 else high}; allowed are 0 to {num_classes - 1}{extra}. "
                "Number the classes from 0, or raise the number of classes."
            )
    return numbers


def checked_masks(argument: str, given: object, dims: tuple[int, ...], shape: str) -> Tensor:
    """Masks, if they are a bool tensor of one of these numbers of axes.

    Raises:
        TypeError: they are none.
        ValueError: of another number of axes; ``shape`` says in words which is wanted.
    """
    if not isinstance(given, Tensor) or given.dtype is not torch.bool:
        kind = given.dtype if isinstance(given, Tensor) else type(given).__name__
        raise TypeError(f"{argument} is {kind}; give a bool tensor, True where the object is: scores > 0, or map == 1.")
    if given.ndim not in dims:
        raise ValueError(f"{argument} has the shape {tuple(given.shape)}; wanted {shape}.")
    return given


def checked_scores(argument: str, given: object) -> Tensor:
    """Scores (N, K, H, W) of two classes or more; a single map of logits gets the zeros of a background before it.

    The softmax of (0, z) is the sigmoid of z, so that one map of logits needs no rule of its own.

    Raises:
        TypeError: no tensor of floats.
        ValueError: of another shape, or probabilities.
    """
    if not isinstance(given, Tensor) or not given.is_floating_point():
        kind = given.dtype if isinstance(given, Tensor) else type(given).__name__
        raise TypeError(f"{argument} is {kind}; give the network's output, a float tensor (N, K, H, W).")
    if given.ndim != 4 or not given.shape[1]:
        raise ValueError(
            f"{argument} has the shape {tuple(given.shape)}; wanted (N, K, H, W), K the number of classes."
        )
    if given.shape[1] == 1:
        return torch.cat([torch.zeros_like(given), given], dim=1)
    if given.numel() and _probabilities(given.detach()):
        raise ValueError(
            f"{argument} sums to 1 over the classes: these are probabilities. Give what comes before the softmax, "
            "which the loss takes itself; a second one would flatten its gradients."
        )
    return given


def _probabilities(given: Tensor) -> bool:
    return bool((given >= 0).all()) and bool(((given.sum(1) - 1).abs() < 1e-3).all())


def checked_targets(scores: Tensor, target: object, ignore_index: int) -> Tensor:
    """The class map that belongs to checked scores, as int64.

    Raises:
        TypeError, ValueError: as :func:`checked_map`; or it has another size than the scores.
    """
    numbers = checked_map("target", target, scores.shape[1], ignore_index)
    wanted = (scores.shape[0], *scores.shape[2:])
    if numbers.shape != wanted:
        raise ValueError(
            f"target has the shape {tuple(numbers.shape)} for scores of {tuple(scores.shape)}; wanted {tuple(wanted)}. "
            "Crop the target as the network crops the picture, or resize it by its nearest pixels. A network "
            "that halves its maps keeps the size of pictures whose sides can be halved as often, multiples of 16."
        )
    return numbers


def same_shape(first: str, one: Tensor, second: str, other: Tensor, dims: int | None = None) -> None:
    """Whether two have one shape, or only the same last ``dims`` axes.

    Raises:
        ValueError: they do not.
    """
    a, b = (tuple(each.shape if dims is None else each.shape[-dims:]) for each in (one, other))
    if a != b:
        raise ValueError(
            f"{first} is {' x '.join(map(str, a))} and {second} is {' x '.join(map(str, b))}; give both of one "
            "picture, at one size (F.interpolate with mode='nearest' keeps classes whole)."
        )
