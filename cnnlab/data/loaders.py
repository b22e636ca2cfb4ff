"""Batches of (x, y) from PyTorch's loaders and any other iterable.

Randomness. A loader's workers, decoding and augmentation are its own business. What they draw from torch's, NumPy's
and Python's global streams begins at (seed, epoch, batch), and the caller's streams are given back; a shuffling
``DataLoader`` shuffles as sets in memory do, by (seed, epoch). So an epoch repeats, and a resumed training skips to its
batch by going through those before it. ``not_repeatable`` says where that cannot be had.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import fields, is_dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, RandomSampler

from cnnlab.data.augment import ColorShift, Compose, OneOf, PCAColor, as_augmentation, with_classes, with_targets
from cnnlab.data.batching import mixed_seed
from cnnlab.data.streams import own_streams
from cnnlab.detection import Objects
from cnnlab.errors import reason_of
from cnnlab.processes import ALONE, Processes

if TYPE_CHECKING:
    from cnnlab.data.augment import Augmentation

__all__ = ["LoaderError", "LoaderSource", "at_most", "together", "length_of", "moved", "pair", "tensors"]


class LoaderError(ValueError):
    """A loader gave something that is no batch, nothing at all, or an error of its own (its ``__cause__``)."""


class LoaderSource:
    """A ``DataLoader``, or any iterable of (x, y)."""

    def __init__(
        self,
        loader: Iterable[Any],
        *,
        device: torch.device,
        argument: str = "data",
        seed: int = 0,
        augment: Augmentation | None = None,
        batches_per_epoch: int | None = None,
        processes: Processes = ALONE,
        whole_batch: int | None = None,
    ) -> None:
        held = getattr(loader, "dataset", loader)
        self.loader, self.device, self.argument, self.seed = loader, device, argument, seed
        self.processes, self._whole_batch = processes, whole_batch
        self.name = type(held).__name__
        self.augment = None if augment is None else as_augmentation(augment)
        self.classes = tuple(map(str, getattr(held, "classes", None) or ())) or None
        self.batches = at_most(batches_per_epoch, length_of(loader))
        self.size = None if batches_per_epoch is not None else length_of(held) if held is not loader else None
        self._once = isinstance(loader, Iterator)
        self.not_repeatable = _not_repeatable(loader)
        self.fingerprint = self._first_size = 0
        # What is asked of each batch's targets while they are still on the processor.
        self.check: Callable[[Any], None] = lambda y: None
        self._first: tuple[Tensor, Any] | None = None
        self._opened: Iterator[tuple[Tensor, Any]] | None = iter(loader) if self._once else None

    @property
    def batch_size(self) -> int:
        """As the loader says, or as its first batch is; of all processes together."""
        return self._whole_batch or getattr(self.loader, "batch_size", None) or self._first_size

    def first(self) -> tuple[Tensor, Any]:
        """The first batch of the first epoch, where the loader left it."""
        if self._first is None:
            opened = self._opened if self._once else self._batches(0)
            number = 0
            batch = self._checked(opened, number) if self._once else next(opened, None)
            if batch is None:
                raise LoaderError(
                    f"{self.argument} ({self.name}) gave no batch at all: there is nothing to learn or measure from."
                )
            self._first, self._opened, self._first_size = batch, opened, len(batch[0])
            if not self.not_repeatable:
                # The targets alone: what a picture is decoded to may differ in its last bit elsewhere.
                for tensor in tensors(batch[1]):
                    tensor = together(tensor.detach().cpu(), self.processes)
                    held = tensor.contiguous().view(torch.uint8).numpy() if tensor.numel() else b""
                    self.fingerprint = zlib.crc32(bytes(held), self.fingerprint)
        return self._first

    def open(self, epoch: int) -> Iterator[tuple[Tensor, Any]]:
        for number, (x, y) in enumerate(islice(self._raw(epoch), self.batches)):
            self.check(y)
            x, y = x.to(self.device, non_blocking=True), moved(y, self.device)
            if self.augment is not None:
                own = self.processes.others_seed()
                generator = torch.Generator().manual_seed(mixed_seed(self.seed, epoch, number + 1, *own))
                x, y = self.augment(x, y, generator)
            yield x, y

    def suit(self, num_classes: int | None) -> None:
        """Tell the augmentation the number of classes, and ask whether it suits the pictures and targets.

        Raises:
            ValueError: it moves pictures whose targets would have to move along, or needs pixels in [0, 1].
        """
        if self.augment is None:
            return
        x, y = self.first()
        if isinstance(y, list) and all(isinstance(one, Objects) for one in y):
            self.augment = with_targets(self.augment, "objects")
        elif isinstance(y, Tensor) and y.dtype == torch.int64 and y.shape == (len(x), *x.shape[2:]):
            self.augment = with_targets(self.augment, "masks")
        elif not isinstance(y, Tensor) or y.ndim > 2:
            raise ValueError(
                f"augment= changes the pictures of {self.argument}, and not boxes or other targets with a place in "
                "them. Change both in the loader's own data set, or give boxes as cnnlab.detection.Objects, and masks "
                "as a class for each pixel, torch.int64 (N, H, W)."
            )
        if num_classes is not None:
            self.augment = with_classes(self.augment, num_classes)
        if _works_on_colors(self.augment) and not (x.min() >= 0 and x.max() <= 1):
            raise ValueError(
                f"augment={self.augment!r} changes colors and needs pixels in [0, 1], and those of {self.argument} run "
                f"from {x.min():.3g} to {x.max():.3g}. Do it in the loader, before it normalizes."
            )

    def _raw(self, epoch: int) -> Iterator[tuple[Tensor, Any]]:
        """The loader's own batches; one that was looked at before comes first."""
        (first, opened), self._first = (self._first, self._opened), None
        if self._once:
            if first is not None:
                yield first
            assert opened is not None
            number = 1
            while (batch := self._checked(opened, number)) is not None:
                yield batch
                number += 1
            return
        self._opened = None
        if first is not None and opened is not None and epoch == 0:
            yield first
            yield from opened
        else:
            yield from self._batches(epoch)

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, Any]]:
        """An epoch opened anew, under random streams of its own."""
        number, iterator = 0, None
        while True:
            with own_streams(mixed_seed(self.seed, epoch, number, 0x10AD, *self.processes.others_seed())):
                with self._shuffled_by(epoch) if number == 0 else nullcontext():
                    if iterator is None:
                        iterator = self._iterator()
                    batch = self._checked(iterator, number)
            if batch is None:
                return
            yield batch
            number += 1

    def _iterator(self) -> Iterator[Any]:
        try:
            return iter(self.loader)
        except Exception as error:
            raise LoaderError(f"{self.argument} ({self.name}) could not be opened: {_said(error)}") from error

    def _checked(self, iterator: Iterator[Any], number: int) -> tuple[Tensor, Any] | None:
        """The next batch, if it is one; None at the end."""
        try:
            batch = next(iterator)
        except StopIteration:
            return None
        except Exception as error:
            raise LoaderError(
                f"{self.argument} ({self.name}) raised an error where batch {number + 1} was due: {_said(error)}"
            ) from error
        return pair(batch, f"{self.argument} ({self.name})")

    @contextmanager
    def _shuffled_by(self, epoch: int) -> Iterator[None]:
        """In the block the loader's generators stand at (seed, epoch), as the order of a set in memory does."""
        sampler = getattr(self.loader, "sampler", None)
        given = {id(g): g for g in (getattr(self.loader, "generator", None), getattr(sampler, "generator", None)) if g}
        before = [(generator, generator.get_state()) for generator in given.values()]
        for generator in given.values():
            generator.manual_seed(mixed_seed(self.seed, epoch, *self.processes.others_seed()))
        ours = isinstance(sampler, RandomSampler) and sampler.generator is None
        if ours:
            sampler.generator = torch.Generator().manual_seed(mixed_seed(self.seed, epoch))
        if hasattr(sampler, "set_epoch"):  # of a DistributedSampler or a Shard
            sampler.set_epoch(epoch)
        try:
            yield
        finally:
            if ours:
                sampler.generator = None
            for generator, state in before:
                generator.set_state(state)


def at_most(batches_per_epoch: int | None, there: int | None) -> int | None:
    """Raises: ValueError: more are asked for than there are."""
    if batches_per_epoch is not None and there is not None and batches_per_epoch > there:
        raise ValueError(
            f"batches_per_epoch={batches_per_epoch} is more than the {there} batches that the data give: leave it out, "
            "or train for more epochs."
        )
    return there if batches_per_epoch is None else batches_per_epoch


def together(mine: Tensor, processes: Processes) -> Tensor:
    """What belongs to pictures that were dealt one to each process in turn, in their order again."""
    if not processes.several:
        return mine
    parts = processes.gathered(mine)
    whole = parts[0].new_empty(sum(map(len, parts)), *parts[0].shape[1:])
    for rank, part in enumerate(parts):
        if len(part):
            whole[rank :: processes.size] = part
    return whole


def length_of(data: Any) -> int | None:
    """``len(data)``, or None where there is none."""
    try:
        return len(data)
    except (TypeError, NotImplementedError):
        return None


def moved(y: Any, device: torch.device) -> Any:
    """Targets on the device: a tensor, or all those in a dict, a list, a tuple or a dataclass."""
    if isinstance(y, Tensor):
        return y.to(device, non_blocking=True)
    if isinstance(y, dict):
        return {key: moved(value, device) for key, value in y.items()}
    if isinstance(y, list | tuple):
        values = [moved(value, device) for value in y]
        return type(y)(*values) if hasattr(y, "_fields") else type(y)(values)
    if _is_record(y):
        return replace(y, **{name: moved(value, device) for name, value in _of_record(y).items()})
    return y  # a name or a number beside the tensors


def pair(batch: Any, who: str) -> tuple[Tensor, Any]:
    """``batch`` if it is (x, y) with as many targets as pictures.

    Raises:
        LoaderError: it is not; the message says what it is.
    """
    wanted = "Batches must be (x, y): a tensor of pictures and their targets"
    if not isinstance(batch, list | tuple) or len(batch) != 2:
        given = type(batch).__name__
        if isinstance(batch, dict):
            given = f"a dict with {', '.join(map(repr, batch))}"
        elif isinstance(batch, list | tuple):
            given = f"a {given} of {len(batch)}"
        elif isinstance(batch, Tensor):
            given = f"a tensor of {tuple(batch.shape)}"
        raise LoaderError(
            f"{who} gave {given}. {wanted}; where the loader gives more, pass on two of them: "
            "[(x, y) for x, y, *_ in loader], or a collate_fn that does so."
        )
    x, y = batch
    if not isinstance(x, Tensor) or x.ndim == 0:
        raise LoaderError(
            f"{who} gave x as {type(x).__name__}. {wanted}; for NumPy's arrays use torch.from_numpy(x).float()."
        )
    if x.dtype == torch.uint8:
        raise LoaderError(
            f"{who} gave x as torch.uint8, and the model needs floats. A loader's pictures are trained on as they "
            "come: let it give x.float() / 255 (torchvision: v2.ToDtype(torch.float32, scale=True)) and normalize, or "
            "hold the bytes in a cnnlab.data.ImageSet, for which fit does so."
        )
    if len(x) == 0:
        raise LoaderError(f"{who} gave a batch of no pictures: x has shape {tuple(x.shape)}.")
    if isinstance(y, Tensor):
        if y.ndim == 0 or len(y) != len(x):
            raise LoaderError(
                f"{who} gave {len(x)} pictures and targets of shape {tuple(y.shape)}: as many are needed."
            )
    elif not (isinstance(y, dict | list | tuple) or _is_record(y)) or not any(True for _ in tensors(y)):
        raise LoaderError(
            f"{who} gave y as {type(y).__name__}. {wanted}: a tensor, or tensors in a dict, list, tuple or dataclass."
        )
    return x, y


def tensors(y: Any) -> Iterator[Tensor]:
    """All tensors in nested targets."""
    if isinstance(y, Tensor):
        yield y
    elif isinstance(y, dict):
        for value in y.values():
            yield from tensors(value)
    elif isinstance(y, list | tuple):
        for value in y:
            yield from tensors(value)
    elif _is_record(y):
        yield from tensors(_of_record(y))


def _is_record(y: Any) -> bool:
    """Whether it is a dataclass, such as :class:`cnnlab.detection.Objects`."""
    return is_dataclass(y) and not isinstance(y, type)


def _of_record(y: Any) -> dict[str, Any]:
    return {field.name: getattr(y, field.name) for field in fields(y) if field.init}


def _works_on_colors(augment: Any) -> bool:
    if isinstance(augment, Compose | OneOf):
        return any(map(_works_on_colors, augment.steps))
    return isinstance(augment, ColorShift | PCAColor)


def _not_repeatable(loader: Any) -> str:
    if isinstance(loader, Iterator):
        return "an iterator goes on where it is, so that a resumed training does not see the batches it would have seen"
    if isinstance(loader, DataLoader):
        if isinstance(loader.dataset, IterableDataset):
            return "an IterableDataset may keep a random state of its own, which no seed reaches"
        if loader.num_workers and loader.persistent_workers:
            return "persistent workers keep their random state from epoch to epoch, which a resumed training lacks"
    return ""


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {reason_of(error)}"
