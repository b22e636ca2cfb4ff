"""Data-parallel training: each process has the whole model and a part of every batch.

torch's ``DistributedDataParallel`` averages the gradients of all processes while they are computed, so that each of
them makes the same update. Here is what keeps the rest in step: that all take a batch or none does, stop together,
write at the same moment, and see the numbers of the whole batch.

A loss is a mean over pictures, and the mean over processes of such means is that of the whole batch only where all
have as many. So each process's loss counts by its pictures, and the sum is divided by the number of all.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cnnlab.data.loaders import LoaderError
from cnnlab.modes import is_still
from cnnlab.processes import PeerLost, Processes

if TYPE_CHECKING:
    from cnnlab.training.trainer import Trainer
    from cnnlab.training.updates import Read

__all__ = ["Together", "Told", "bare", "synchronized_batch_norm"]


class Told(PeerLost):
    """Another process has said that it cannot go on; all of them know it at the same batch."""


def bare(model: Any, processes: Processes) -> Any:
    """The model itself, where it was given wrapped in ``DistributedDataParallel``."""
    return model.module if processes.several and isinstance(model, DistributedDataParallel) else model


def synchronized_batch_norm(model: nn.Module, device: torch.device, processes: Processes) -> None:
    """Let batch norm, in place, look at the batch of all processes; of one process it does so anyway.

    Raises:
        ValueError: torch has none for this device.
    """
    if not processes.several:
        return
    if device.type != "cuda":
        raise ValueError(
            f"sync_batch_norm=True needs CUDA, and this is {device.type}: torch's SyncBatchNorm exists for GPUs alone. "
            "Leave it out (each process then normalizes by its own part of the batch), or take a norm that does not "
            "look at the batch, such as nn.GroupNorm."
        )
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.modules.batchnorm._BatchNorm) and not is_still(child):
                setattr(parent, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))


def _check_models(model: nn.Module, processes: Processes) -> None:
    """Raises: ValueError: the processes have not the same parameters to train. Otherwise they would wait for ever."""
    mine = [(name, tuple(p.shape), p.requires_grad) for name, p in model.named_parameters()]
    told = processes.gathered(mine)
    for rank, theirs in enumerate(told):
        if theirs != told[0]:
            first, other = next((a, b) for a, b in zip([*told[0], "none"], [*theirs, "none"]) if a != b)
            raise ValueError(
                f"Process {rank} has another model than process 0: {other} in place of {first} (name, shape, whether "
                "it trains). Build the same one in each, and freeze the same parts of it."
            )


class Together:
    """How a trainer keeps in step with those of the other processes; with none there is nothing to it.

    Attributes:
        forward: the model as it is called in training: wrapped, where gradients are averaged.
        stop_asked: whether this process wants to stop; it does so when all know.
    """

    def __init__(self, trainer: Trainer, given: nn.Module) -> None:
        self.trainer, self.processes = trainer, trainer.processes
        self.stop_asked = self._save_due = False
        self.forward: nn.Module = trainer.model
        if not self.processes.several:
            return
        if trainer.recipe.sync_batch_norm:
            synchronized_batch_norm(trainer.model, trainer.device, self.processes)
        if given is not trainer.model:
            self.forward = given
            return
        _check_models(trainer.model, self.processes)
        ids = [trainer.device.index or 0] if trainer.device.type == "cuda" else None
        self.forward = DistributedDataParallel(trainer.model, device_ids=ids)

    def ask_to_stop(self) -> bool:
        """Whether there are others, whom the next batch will tell."""
        self.stop_asked = self.processes.several
        return self.stop_asked

    # --- an update ---------------------------------------------------------------------------------------------------

    def batches(self, pairs: Iterator[tuple[Tensor, Any]], wanted: int) -> Iterator[tuple[Tensor, Any, int, bool]]:
        """(x, y, pictures of all processes, whether it is the last) for each batch of an update.

        None come where a process has asked to stop: the run is then stopped, in all of them.

        Raises:
            LoaderError: this process's data failed, or do not have as many batches as another's.
            Told: another's did.
        """
        if not self.processes.several:
            for x, y in islice(pairs, wanted):
                yield x, y, len(x), True
            return
        following = self._next(pairs, may_stop=True)
        for number in range(1, wanted + 1):
            if following is None:
                return
            x, y, count = following
            # Known before the gradients are computed, since those of the last are exchanged with the other processes.
            following = self._next(pairs) if number < wanted else None
            yield x, y, count, following is None

    def _next(self, pairs: Iterator[tuple[Tensor, Any]], may_stop: bool = False) -> tuple[Tensor, Any, int] | None:
        processes = self.processes
        try:
            pair = next(pairs, None)
        except Exception:
            with suppress(PeerLost):
                processes.exchanged([-1, 0, 0])
            raise
        trainer = self.trainer
        late = trainer.checkpoint is not None and self._is_late()
        told = processes.exchanged([0 if pair is None else len(pair[0]), self.stop_asked, processes.main and late])
        counts = [int(count) for count, _, _ in told]
        if min(counts) < 0:
            raise Told(f"the data of process {counts.index(min(counts))} failed")
        if may_stop and any(stop for _, stop, _ in told):
            trainer.run.stopped = True
            return None
        self._save_due |= any(due for _, _, due in told)
        if pair is None and not any(counts):
            return None
        if not all(counts):
            raise LoaderError(
                f"data ({trainer.parts.train.name}) gave process {counts.index(0)} of {processes.size} no batch where "
                "another has one: give each as many, such as by DistributedSampler(dataset, drop_last=True)."
            )
        return *pair, sum(counts)

    def averaging(self, last: bool) -> AbstractContextManager[None]:
        """For a batch that is not the update's last: the gradients stay here until that one's are averaged."""
        return nullcontext() if last or not self.processes.several else self.forward.no_sync()

    def of_all(self, read: list[Read]) -> list[tuple[int, float, dict[str, float], bool]]:
        """(pictures, mean loss, sums of the measures, whether the data held NaN) of each batch, of all processes."""
        names = list(self.trainer.objective.metrics)
        rows = [
            [one.count, one.loss.item() * one.count, one.nan is not None and one.nan.item()]
            + [float(one.measures[name]) for name in names]
            for one in read
        ]
        found = []
        for count, loss, nan, *sums in self.processes.summed(torch.tensor(rows, dtype=torch.float64)).tolist():
            found.append((int(count), loss / count, dict(zip(names, sums, strict=True)), nan > 0))
        return found

    # --- files, and the end of an epoch ------------------------------------------------------------------------------

    def save_is_due(self) -> bool:
        """Whether the time for the next checkpoint has come: that of the first process is all processes' time."""
        if not self.processes.several:
            return self._is_late()
        due, self._save_due = self._save_due, False
        return due

    def _is_late(self) -> bool:
        return time.perf_counter() - self.trainer.saved_at > self.trainer.checkpoint_seconds

    def same_buffers(self) -> None:
        """What is not trained, such as batch norm's statistics, is the first process's in all, as in each forward."""
        averaged = self.trainer.averaged
        self.processes.from_first(list(self.trainer.model.buffers()))
        self.processes.from_first([] if averaged is None else averaged.buffers())

    def wait(self) -> None:
        """Before this process ends for a reason that all know: its end ends the others, and one may be writing."""
        if not self.trainer.testing:  # where each goes its own way
            with suppress(PeerLost):
                self.processes.exchanged([0])

    def check_place(self) -> None:
        """Whether all begin at the same batch of the same data.

        Raises:
            ValueError: they do not.
        """
        if not self.processes.several:
            return
        done, source = self.trainer.progress, self.trainer.parts.train
        told = self.processes.gathered((done.epoch, done.batch, source.batches, source.size, source.fingerprint))
        for rank, (epoch, batch, *data) in enumerate(told):
            if (epoch, batch) != told[0][:2]:
                raise ValueError(
                    f"Process {rank} begins in epoch {epoch + 1}, batch {batch + 1}, and process 0 in epoch "
                    f"{told[0][0] + 1}, batch {told[0][1] + 1}: give a checkpoint= that all of them can read, on a "
                    "drive that their machines share."
                )
            if data != list(told[0][2:]):
                raise ValueError(
                    f"Process {rank} has other data than process 0 ({data[1]} pictures in {data[0]} batches, and "
                    f"{told[0][3]} in {told[0][2]} there): load the same set in each, and fit deals it to them."
                )
