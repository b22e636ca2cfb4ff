"""The processes that work on one model together, as ``torchrun`` starts them; usually there is one.

What they do together (adding gradients up, passing numbers around) is torch.distributed's. Here is who they are, and
the few small messages by which they keep in step.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

__all__ = ["Processes", "ALONE", "PeerLost", "joined", "is_lost"]

# What torchrun tells each process that it starts.
_TOLD = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
# How gloo and NCCL begin when the other end of a connection is gone.
_LOST = ("gloo", "NCCL", "Connection closed", "Connection reset", "Broken pipe", "Socket Timeout")


class PeerLost(RuntimeError):
    """Another process ended, was killed or did not answer, or said that it cannot go on."""


@dataclass(frozen=True, eq=False)
class Processes:
    """Those who work together.

    Attributes:
        rank: this one's number, from 0.
        size: how many there are, on all machines.
        local_rank: this one's number on its machine, which is the number of its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    _messages: Any = field(default=None, repr=False)  # a gloo group: small messages never wait for a GPU

    @property
    def main(self) -> bool:
        """Whether this is the one that prints and writes files."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.size > 1

    def others_seed(self) -> tuple[int, ...]:
        """Goes into a seed besides the rest: no two processes draw the same, and the first draws as one alone does."""
        return (self.rank,) if self.rank else ()

    def exchanged(self, numbers: Sequence[float]) -> list[list[float]]:
        """The numbers that each process gives here, as many from each, in order of rank."""
        if not self.several:
            return [list(map(float, numbers))]
        mine = torch.tensor(numbers, dtype=torch.float64)
        every = [torch.empty_like(mine) for _ in range(self.size)]
        _asked(self, lambda: dist.all_gather(every, mine, group=self._messages))
        return [tensor.tolist() for tensor in every]

    def gathered(self, value: Any) -> list[Any]:
        """What each process gives here, in order of rank: tensors on the CPU and plain values."""
        every: list[Any] = [value] * self.size
        if self.several:
            _asked(self, lambda: dist.all_gather_object(every, value, group=self._messages))
        return every

    def summed(self, numbers: Tensor) -> Tensor:
        """The sum over the processes of a tensor on the CPU, in place."""
        if self.several:
            _asked(self, lambda: dist.all_reduce(numbers, group=self._messages))
        return numbers

    def any(self, said: bool) -> bool:
        """Whether one of the processes says so."""
        return any(flag for (flag,) in self.exchanged([said]))

    def from_first(self, tensors: Sequence[Tensor]) -> None:
        """All get the first process's numbers, in place, on whatever device they lie."""
        for tensor in tensors if self.several else ():
            _asked(self, lambda tensor=tensor: dist.broadcast(tensor, 0))


ALONE = Processes()
_joined: dict[str, Processes] = {}


def joined() -> Processes:
    """The processes that this one was started with, connected at the first call; ``ALONE`` where it is the only one.

    They are those of torch.distributed where that is initialized, else those that torchrun's environment names.

    Raises:
        PeerLost: the others were not there.
    """
    if not dist.is_available():
        return ALONE
    if not dist.is_initialized():
        _joined.clear()
        if any(name not in os.environ for name in _TOLD) or os.environ["WORLD_SIZE"] == "1":
            return ALONE
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        try:
            dist.init_process_group(backend)
            atexit.register(_leave)
        except RuntimeError as error:
            raise PeerLost(
                f"Process {os.environ['RANK']} of {os.environ['WORLD_SIZE']} could not reach the others at "
                f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}: {error} Start them all with torchrun."
            ) from error
    if dist.get_world_size() == 1:
        return ALONE
    if "all" not in _joined:
        rank, size = dist.get_rank(), dist.get_world_size()
        local = int(os.environ.get("LOCAL_RANK", rank))
        _joined["all"] = Processes(rank, size, local, dist.new_group(backend="gloo"))
    return _joined["all"]


def _leave() -> None:
    """At the end of a program that ended well; NCCL complains without it. Otherwise the others may not answer."""
    if dist.is_initialized() and not hasattr(sys, "last_value"):
        dist.destroy_process_group()


def is_lost(error: BaseException) -> bool:
    """Whether an error says that another process is gone."""
    if isinstance(error, PeerLost | dist.DistError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in _LOST)


def _asked(processes: Processes, call: Callable[[], Any]) -> None:
    try:
        call()
    except RuntimeError as error:
        raise PeerLost("the connection to it ended") from error
