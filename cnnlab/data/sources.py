"""Where batches of (x, y) come from, epoch after epoch: sets in memory, and what `cnnlab.data.loaders` takes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from torch.utils.data import Dataset as TorchDataset

from cnnlab.data.batching import batches
from cnnlab.data.dataset import Dataset, ImageSet
from cnnlab.data.loaders import LoaderSource, at_most
from cnnlab.data.shards import check_enough, dealt, left_out, per_process
from cnnlab.processes import ALONE, Processes

if TYPE_CHECKING:
    from cnnlab.data.augment import Augmentation

__all__ = ["Source", "MemorySource", "source_of"]


class Source(Protocol):
    """What gives batches of (x, y), x float (N, ...) and y a tensor or tensors in dicts, lists and tuples.

    Attributes:
        name: for records and messages.
        size: pictures in an epoch; None where nobody knows.
        batches: batches in an epoch; None where nobody knows.
        batch_size: pictures in a batch; of a loader that does not say, those in its first.
        classes: the names of the classes, as far as known.
        not_repeatable: what another run with the same seed cannot repeat, as half a sentence; "" for nothing.
        fingerprint: a checksum by which a checkpoint knows its data.
    """

    name: str
    size: int | None
    batches: int | None
    batch_size: int
    classes: tuple[str, ...] | None
    not_repeatable: str
    fingerprint: int

    def first(self) -> tuple[Tensor, Any]:
        """A batch to look at, before the first epoch; that epoch gives it all the same. Where the source keeps it."""

    def open(self, epoch: int) -> Iterator[tuple[Tensor, Any]]:
        """The batches of an epoch, on the device."""


class MemorySource:
    """A set of pictures in memory; see :func:`cnnlab.data.batches`."""

    not_repeatable = ""

    def __init__(
        self,
        images: ImageSet,
        batch_size: int,
        *,
        name: str,
        mean: Sequence[float],
        std: Sequence[float],
        device: torch.device,
        shuffle: bool = False,
        seed: int = 0,
        augment: Augmentation | None = None,
        batches_per_epoch: int | None = None,
        least: int = 1,
        processes: Processes = ALONE,
    ) -> None:
        self.images, self.name = images, name
        self.size, self.classes = len(images), images.classes
        self.batches = -(-(self.size - left_out(self.size, batch_size, least)) // batch_size)
        self.batches = at_most(batches_per_epoch, self.batches)
        self._arguments = {"mean": mean, "std": std, "device": device}
        self._dealing = {"shuffle": shuffle, "seed": seed, "augment": augment, "processes": processes}
        self.batch_size = batch_size

    def first(self) -> tuple[Tensor, Tensor]:
        """Two of the pictures."""
        return next(batches(self.images[:2], 2, **self._arguments))

    def open(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        every = batches(self.images, self.batch_size, epoch=epoch, **self._arguments, **self._dealing)
        return islice(every, self.batches)

    @cached_property
    def fingerprint(self) -> int:
        """Of all labels and of some images, and of what is taught: another subset, order or target changes it."""
        images, labels = self.images.images, self.images.labels
        some = images[:: max(1, len(images) // 64)].cpu().contiguous()
        found = zlib.crc32(some.numpy().tobytes(), zlib.crc32(labels.cpu().numpy().tobytes()))
        return found if self.images.teaches == "labels" else zlib.crc32(self.images.teaches.encode(), found)


def source_of(
    data: Any,
    *,
    argument: str,
    batch_size: int,
    device: torch.device,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    name: str = "",
    shuffle: bool = False,
    seed: int = 0,
    augment: Augmentation | None = None,
    batches_per_epoch: int | None = None,
    least: int = 1,
    processes: Processes = ALONE,
) -> Source:
    """The source for what ``fit`` and ``evaluate`` take.

    Args:
        argument: what the caller calls it, for messages.
        batch_size: of all processes together.
        mean, std: of an image set, and of nothing else.
        shuffle: whether it is trained on; else each picture is measured once.
        least: pictures of this process below which a last batch is left out.

    Raises:
        TypeError: it is nothing that gives batches.
        ValueError: it is empty, or cannot be dealt to the processes.
    """
    least *= processes.size if shuffle else 1
    if not shuffle:
        batch_size = -(-batch_size // processes.size) * processes.size
    if isinstance(data, ImageSet):
        assert mean is not None and std is not None
        if shuffle:
            per_process(batch_size, processes)
            check_enough(len(data), processes, name or argument)
        return MemorySource(
            data,
            batch_size,
            name=name or "pictures in memory",
            mean=mean,
            std=std,
            device=device,
            shuffle=shuffle,
            seed=seed,
            augment=augment,
            batches_per_epoch=batches_per_epoch,
            least=least,
            processes=processes,
        )
    ways = {"device": device, "argument": argument, "seed": seed, "augment": augment}
    ways |= {"batches_per_epoch": batches_per_epoch, "processes": processes}

    def part_of(loader: Any) -> LoaderSource:
        if not processes.several:
            return LoaderSource(loader, **ways)
        mine, whole = dealt(loader, processes, argument=argument, train=shuffle, seed=seed, least=least)
        return LoaderSource(mine, whole_batch=whole, **ways)

    if isinstance(data, DataLoader) or _is_iterable_of_batches(data):
        return part_of(data)
    if isinstance(data, IterableDataset):
        return part_of(DataLoader(data, batch_size))
    if isinstance(data, TorchDataset) or (
        _is_plain(data) and hasattr(data, "__getitem__") and hasattr(data, "__len__")
    ):
        if len(data) == 0:
            raise ValueError(f"{argument} ({type(data).__name__}) is empty.")
        if shuffle:
            per_process(batch_size, processes)
        drop_last = shuffle and left_out(len(data), batch_size, least) > 0
        return part_of(DataLoader(data, batch_size, shuffle=shuffle, drop_last=drop_last))
    raise TypeError(
        f"{argument} must be a data set, a torch DataLoader or Dataset, or an iterable of batches (x, y), not "
        f"{type(data).__name__}. cnnlab.load_dataset(name) and cnnlab.data.load_images(folder) make a data set, and "
        "torch.utils.data.TensorDataset(x, y) one of two tensors."
    )


def _is_plain(data: Any) -> bool:
    """Whether it may be a container of pictures: no text, no array, and no (x, y) itself."""
    if isinstance(data, str | bytes | dict | Tensor | Dataset) or type(data).__module__ == "numpy":
        return False
    return not (isinstance(data, tuple) and any(isinstance(item, Tensor) for item in data))


def _is_iterable_of_batches(data: Any) -> bool:
    return _is_plain(data) and not isinstance(data, TorchDataset) and hasattr(data, "__iter__")
