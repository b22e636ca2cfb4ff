"""Mini-batches cut from tensors in memory: no worker processes, no Python work for each picture."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cnnlab.data.augment import moving_first, with_classes, with_targets
from cnnlab.data.dataset import ImageSet
from cnnlab.data.targets import Placed
from cnnlab.pictures import scale_and_shift
from cnnlab.processes import ALONE, Processes

if TYPE_CHECKING:
    from cnnlab.data.augment import Augmentation
    from cnnlab.detection import Objects

__all__ = ["mixed_seed", "Batches", "batches"]


def mixed_seed(*numbers: int) -> int:
    """One 63-bit seed from several numbers, well mixed (the finalizer of SplitMix64, Steele et al. 2014)."""
    state = 0
    for number in map(operator.index, numbers):
        state = (state + (number & 0xFFFFFFFFFFFFFFFF) + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 1


class Batches:
    """An iterator over normalized batches that knows its length (in batches)."""

    def __init__(self, iterator: Iterator[tuple[Tensor, Tensor]], length: int) -> None:
        self._iterator = iterator
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self._iterator

    def __next__(self) -> tuple[Tensor, Tensor]:
        return next(self._iterator)


def batches(
    image_set: ImageSet,
    batch_size: int,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    shuffle: bool = False,
    seed: int = 0,
    epoch: int = 0,
    augment: Augmentation | None = None,
    device: torch.device | str | None = None,
    drop_last: bool = False,
    processes: Processes = ALONE,
) -> Batches:
    """One pass over ``image_set``. Shape: uint8 or float32 (N, C, H, W) -> float32 (batch, C, H, W), normalized.

    The order depends on (seed, epoch) alone and each batch's augmentation on (seed, epoch, number of the
    batch); both are drawn on the CPU, so that a GPU sees the same batches. The whole set moves to
    ``device`` once, if it takes no more than half of the free memory there; otherwise each batch moves.

    Args:
        batch_size: pictures in a batch; the last batch may be smaller, or is left out with ``drop_last``.
        mean, std: of each channel, for pixels in [0, 1].
        augment: called as ``augment(x, y, generator)`` with x in [0, 1], before normalization; or a function of one
            picture, such as torchvision's transforms, see :class:`cnnlab.data.augment.PerPicture`. First steps that
            only move pixels (``Crop``, ``Flip``) move bytes, which is quicker; what comes out is the same.
        device: where batches are wanted; None means where the set is.
        processes: those that divide each batch among them: of its pictures this one gets every ``size``-th, from its
            ``rank``, and of those that are too few for all perhaps none. Each augments in its own way.

    Returns:
        A sized iterator over (x, y); y is int64 (batch,), or float (batch, K) after Mixup or CutMix; or boxes, masks or
        key points, as :attr:`cnnlab.data.ImageSet.teaches` says.

    Raises:
        ValueError: an empty set, a batch size below 1, statistics that do not fit the channels, or an augmentation that
            would leave boxes, masks or key points where they were.
    """
    n, channels = image_set.images.shape[:2]
    if n == 0:
        raise ValueError("image_set holds no pictures.")
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, got {batch_size}.")
    if len(mean) != channels or len(std) != channels:
        raise ValueError(
            f"mean and std need {channels} numbers, one for each channel, got {len(mean)} and {len(std)}; "
            "pass data.mean and data.std of the data set itself."
        )
    if min(std) <= 0:
        raise ValueError(f"std must be positive, got {tuple(std)}.")
    target = image_set.device if device is None else torch.device(device)
    resident = image_set.to(target) if _fits(image_set, target) else image_set
    length = n // batch_size if drop_last else -(-n // batch_size)
    if length == 0:
        raise ValueError(f"drop_last leaves nothing: batch_size={batch_size} is above the {n} pictures.")
    placed = augment is not None and image_set.teaches != "labels"
    if augment is not None:
        augment = with_classes(augment, image_set.num_classes)
    if placed:
        augment = with_targets(augment, image_set.teaches)
    moving, changing = moving_first(augment)

    def iterate() -> Iterator[tuple[Tensor, Tensor]]:
        scale, shift = (number.to(target) for number in scale_and_shift(mean, std))
        bytes_held = not image_set.images.is_floating_point()
        plain_scale = scale / 255 if bytes_held else scale
        targets = resident.placed if placed else resident.targets
        order = None
        if shuffle:
            generator = torch.Generator().manual_seed(mixed_seed(seed, epoch))
            order = torch.randperm(n, generator=generator).to(resident.device)
        for number in range(length):
            first, stop = number * batch_size + processes.rank, min((number + 1) * batch_size, n)
            if first >= stop:
                return  # the last few are the other processes'
            mine = slice(first, stop, processes.size)
            if order is None:
                x, y = resident.images[mine], targets[mine]
            else:
                chosen = order[mine]
                # Whole rows are copied: several times faster than indexing with [chosen].
                x, y = resident.images.index_select(0, chosen), _chosen(targets, chosen)
            x, y = x.to(target, non_blocking=True), _moved(y, target)
            if augment is None:
                # A whole set in one batch may be the set itself: floats are multiplied into new memory.
                yield (x.to(torch.float32).mul_(plain_scale) if bytes_held else x * plain_scale).add_(shift), y
            else:
                own = processes.others_seed()
                generator = torch.Generator().manual_seed(mixed_seed(seed, epoch, number + 1, *own))
                for step in moving:
                    x, y = step.move(x, y, generator)
                x = x.to(torch.float32).div_(255) if bytes_held else x
                if changing is not None:
                    x, y = changing(x, y, generator)
                if isinstance(y, Placed):
                    y = y.target(image_set.teaches)
                yield x.mul(scale).add_(shift), y

    return Batches(iterate(), length)


def _chosen(targets: Tensor | Placed | list[Objects], chosen: Tensor) -> Tensor | Placed | list[Objects]:
    if isinstance(targets, Tensor):
        return targets.index_select(0, chosen)
    return targets[chosen] if isinstance(targets, Placed) else [targets[number] for number in chosen.tolist()]


def _moved(targets: Tensor | Placed | list[Objects], device: torch.device) -> Tensor | Placed | list[Objects]:
    if isinstance(targets, Tensor):
        return targets.to(device, non_blocking=True)
    if isinstance(targets, Placed):
        return targets if targets.labels.device == device else targets.to(device)
    return [one if one.boxes.device == device else one.to(device) for one in targets]


def _fits(image_set: ImageSet, device: torch.device) -> bool:
    """Whether the set may live on ``device``: there already, or at most half of the free memory there."""
    if device.type == image_set.device.type or device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return sum(tensor.nbytes for tensor in image_set.tensors.values()) <= free / 2
