"""A set dealt to the processes that train together, each picture to exactly one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, DistributedSampler, IterableDataset, RandomSampler, Sampler, SequentialSampler

from cnnlab.data.batching import mixed_seed
from cnnlab.processes import Processes

__all__ = ["Shard", "dealt", "per_process", "left_out", "check_enough"]


class Shard(Sampler[int]):
    """Every ``size``-th number below ``length``, from ``rank``, of an order that all processes draw alike.

    So each batch of the whole set is divided evenly, and nothing is padded: ``torch.utils.data.DistributedSampler``
    repeats pictures until all have as many, which then count twice in what is measured.

    Args:
        kept: how many of the order are dealt; None for all.
    """

    def __init__(
        self, length: int, processes: Processes, *, shuffle: bool, seed: int = 0, kept: int | None = None
    ) -> None:
        self.length, self.processes, self.shuffle, self.seed = length, processes, shuffle, seed
        self.kept = length if kept is None else kept
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """The order of this epoch is next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(range(self.processes.rank, self.kept, self.processes.size))

    def __iter__(self) -> Iterator[int]:
        mine = slice(self.processes.rank, self.kept, self.processes.size)
        if not self.shuffle:
            return iter(range(self.length)[mine])
        generator = torch.Generator().manual_seed(mixed_seed(self.seed, self.epoch))
        return iter(torch.randperm(self.length, generator=generator)[mine].tolist())


def per_process(batch_size: int, processes: Processes, argument: str = "batch_size") -> int:
    """Each process's part of a batch.

    Raises:
        ValueError: they cannot have as many each.
    """
    size = processes.size
    if batch_size % size:
        lower, upper = batch_size // size * size, -(-batch_size // size) * size
        near = f"{lower} or {upper}" if lower else str(upper)
        raise ValueError(
            f"{argument}={batch_size} cannot be dealt evenly to {size} processes: it is the whole update's batch, of "
            f"which each takes its part. Give a multiple of {size}, such as {near}."
        )
    return batch_size // size


def left_out(length: int, batch_size: int, least: int) -> int:
    """How many pictures at the end of an epoch are too few for a batch of ``least``; 0 where they are all there is."""
    rest = length % batch_size
    return rest if rest < least and length > batch_size else 0


def check_enough(length: int, processes: Processes, who: str) -> None:
    """Raises: ValueError: a process would have no picture."""
    if length < processes.size:
        raise ValueError(
            f"{who} has too few pictures ({length}) for {processes.size} processes: one would have none. Start fewer, "
            f"torchrun --nproc-per-node={max(1, length)}."
        )


def dealt(
    loader: Any, processes: Processes, *, argument: str, train: bool, seed: int, least: int
) -> tuple[DataLoader, int]:
    """A loader that gives this process's part of each batch of ``loader``, and the whole batch's size.

    A ``DistributedSampler`` is taken as it is, if it is of these processes.

    Args:
        train: whether it is trained on; else each picture is to be measured once.
        least: pictures below which a last batch is left out in training.

    Raises:
        ValueError: nobody can say which of its pictures are whose.
    """
    name = type(getattr(loader, "dataset", loader)).__name__
    sampler = getattr(loader, "sampler", None)
    if isinstance(sampler, DistributedSampler):
        _check_sampler(sampler, processes, argument, train)
        return loader, (loader.batch_size or 1) * processes.size
    plain = type(loader) is DataLoader and not isinstance(loader.dataset, IterableDataset)
    if not plain or not isinstance(sampler, RandomSampler | SequentialSampler) or loader.batch_size is None:
        raise ValueError(
            f"{argument} ({name}) cannot be dealt to {processes.size} processes: nobody knows which of its pictures "
            "are whose. Give its Dataset, or a DataLoader of one with a batch_size and without a sampler of its own, "
            "or with torch.utils.data.DistributedSampler(dataset)."
        )
    length, batch_size = len(sampler), loader.batch_size
    if isinstance(sampler, RandomSampler) and (sampler.replacement or length != len(loader.dataset)):
        raise ValueError(
            f"{argument} ({name}) draws with replacement, or a part of its set, which cannot be dealt to "
            f"{processes.size} processes: leave the sampler out."
        )
    if train:
        check_enough(length, processes, f"{argument} ({name})")
        mine = per_process(batch_size, processes, f"{argument}: the loader's batch_size")
    else:
        mine = -(-batch_size // processes.size)
    unused = length % batch_size if loader.drop_last else left_out(length, batch_size, least) if train else 0
    shard = Shard(
        length,
        processes,
        shuffle=train and isinstance(sampler, RandomSampler),
        seed=seed,
        kept=length - unused,
    )
    same = ("num_workers", "collate_fn", "pin_memory", "timeout", "worker_init_fn", "multiprocessing_context")
    same += ("generator", "prefetch_factor", "persistent_workers")
    return DataLoader(loader.dataset, mine, sampler=shard, **{key: getattr(loader, key) for key in same}), batch_size


def _check_sampler(sampler: DistributedSampler, processes: Processes, argument: str, train: bool) -> None:
    if (sampler.num_replicas, sampler.rank) != (processes.size, processes.rank):
        raise ValueError(
            f"{argument}: its DistributedSampler is of process {sampler.rank} of {sampler.num_replicas}, and this is "
            f"process {processes.rank} of {processes.size}. Leave num_replicas and rank out."
        )
    if not train and (sampler.drop_last or len(sampler.dataset) % processes.size or sampler.shuffle):
        raise ValueError(
            f"{argument}: its DistributedSampler repeats, drops or shuffles pictures, so that what is measured would "
            "not be exact: leave the sampler out, and each picture is measured once."
        )
