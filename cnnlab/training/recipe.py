"""How a model is trained: the arguments of :func:`cnnlab.fit` that decide what comes out, in one frozen object."""

from __future__ import annotations

import math
import operator
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import torch

from cnnlab.data.augment import as_augmentation
from cnnlab.errors import unknown_name, whole_number
from cnnlab.training.ema import EMA, as_ema
from cnnlab.training.optimizers import DEFAULT_LR
from cnnlab.training.schedules import Schedule, make_schedule

if TYPE_CHECKING:
    from cnnlab.data.augment import Augmentation
    from cnnlab.training.objective import Loss, Metric

__all__ = ["Recipe"]

# Where the training runs is not part of what is asked for: a run records it as "precision" and in its provenance.
_WHERE = {"recorded": False}


_NUMBERS = {"lr": float, "momentum": float, "weight_decay": float, "label_smoothing": float, "clip_norm": float}
_NUMBERS |= {"seed": int}


@dataclass(frozen=True)
class Recipe:
    """The arguments of :func:`cnnlab.fit`, which says what each of them means, checked when it is made.

    A run's ``config`` and the identity of a checkpoint are made of these fields. A new one needs its line here and
    in the signature of ``fit``; a checkpoint that was written before it existed loads while it has its default.

    Raises:
        ValueError: a value is out of range.
        TypeError: a schedule that is neither a name nor a function.
    """

    epochs: int
    batch_size: int = 128
    optimizer: str | torch.optim.Optimizer = "sgd"
    lr: float | None = None
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0
    schedule: str | Schedule | None = None
    augment: Augmentation | None = None
    label_smoothing: float = 0.0
    clip_norm: float | None = None
    seed: int = 0
    device: torch.device | str | None = field(default=None, metadata=_WHERE)
    amp: bool | None = field(default=None, metadata=_WHERE)
    loss: Loss | None = None
    metrics: Mapping[str, Metric] | None = None
    accumulate: int = 1
    ema: float | EMA | None = None
    batches_per_epoch: int | None = None
    # Recorded where it is True: runs from before it existed, and all of one process, know nothing of it.
    sync_batch_norm: bool = field(default=False, metadata={"recorded": False})

    def __post_init__(self) -> None:
        for argument in ("epochs", "batch_size", "accumulate", "batches_per_epoch"):
            if argument == "batches_per_epoch" and self.batches_per_epoch is None:
                continue
            value = whole_number(argument, getattr(self, argument), "Give 1 or more.")
            object.__setattr__(self, argument, value)
        self._plain_numbers()
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ValueError(f"label_smoothing={self.label_smoothing!r} must lie in [0, 1).")
        if self.label_smoothing and self.loss is not None:
            raise ValueError(
                f"label_smoothing={self.label_smoothing!r} belongs to fit's own cross-entropy, which loss= replaces: "
                f"leave it out and give loss=nn.CrossEntropyLoss(label_smoothing={self.label_smoothing!r})."
            )
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"clip_norm={self.clip_norm!r} must be greater than 0, or None for no clipping.")
        if not isinstance(self.sync_batch_norm, bool):
            raise ValueError(f"sync_batch_norm={self.sync_batch_norm!r} is neither True nor False; give one of them.")
        make_schedule(self.schedule)
        object.__setattr__(self, "ema", as_ema(self.ema))
        if self.augment is not None:
            as_augmentation(self.augment)
        self._check_metrics()
        self._check_optimizer()

    def _plain_numbers(self) -> None:
        """NumPy's numbers and tensors of one as Python's own: a checkpoint holds no others."""
        for argument, kind in _NUMBERS.items():
            value = getattr(self, argument)
            if value is None or type(value) is kind or isinstance(value, int):
                continue
            try:
                if isinstance(value, str):
                    raise TypeError
                object.__setattr__(self, argument, operator.index(value) if kind is int else kind(value))
            except (TypeError, ValueError):
                wanted = "a whole number" if kind is int else "a number"
                raise ValueError(f"{argument}={value!r} must be {wanted}.") from None

    def _check_metrics(self) -> None:
        if self.metrics is None:
            return
        if not isinstance(self.metrics, Mapping):
            raise TypeError(
                f"metrics={self.metrics!r} must be a dict of names and functions of (output, target), such as "
                "{'accuracy': accuracy}."
            )
        for name, metric in self.metrics.items():
            if not isinstance(name, str) or not name.isidentifier() or name == "loss" or not callable(metric):
                raise ValueError(
                    f"metrics: {name!r}: {metric!r} must be a name in letters, digits and underscores, not 'loss', and "
                    "a function of (output, target)."
                )

    def _check_optimizer(self) -> None:
        if isinstance(self.optimizer, torch.optim.Optimizer):
            if self.lr is not None or self.weight_decay != 0.0:
                raise ValueError(
                    "lr and weight_decay belong to the optimizer that you passed: set them there, and leave them out "
                    "here."
                )
            return
        if self.optimizer not in DEFAULT_LR:
            remedy = "Or pass a torch.optim.Optimizer made from model.parameters()."
            raise unknown_name("optimizer", self.optimizer, DEFAULT_LR, remedy)
        if self.lr is not None and not self.lr > 0:
            raise ValueError(f"lr={self.lr!r} must be greater than 0, or None for the optimizer's default.")
        if self.lr is not None and math.isinf(self.lr):
            raise ValueError(f"lr={self.lr!r} must be finite, or None for the optimizer's default.")
        if not 0.0 <= self.momentum < 1.0:
            raise ValueError(f"momentum={self.momentum!r} must lie in [0, 1).")
        if not 0.0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight_decay={self.weight_decay!r} must be 0 or more, and finite.")
        if self.nesterov and (self.optimizer != "sgd" or self.momentum == 0):
            raise ValueError("nesterov=True is a form of momentum: it needs optimizer='sgd' and momentum > 0.")

    @property
    def optimizer_name(self) -> str:
        """ "sgd", or the class of an optimizer that was passed."""
        return self.optimizer if isinstance(self.optimizer, str) else type(self.optimizer).__name__

    def config(self) -> dict[str, Any]:
        """The fields as a run records them: plain values, and a text for everything else."""
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.metadata.get("recorded", True)}
        schedule = make_schedule(self.schedule)
        found["optimizer"] = self.optimizer_name
        found["schedule"] = None if schedule is make_schedule(None) else schedule
        found["loss"] = "cross_entropy" if self.loss is None else self.loss
        return {name: _plain(value) for name, value in found.items()}


def _plain(value: Any) -> Any:
    """Numbers and texts as they are; for the rest a text that is the same in another process: no memory addresses."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_plain(one)}" for name, one in value.items())
    text = repr(value)
    if isinstance(value, torch.nn.Module) and (held := value.state_dict()):  # class weights, which repr does not show
        numbers = b"".join(tensor.detach().cpu().contiguous().numpy().tobytes() for tensor in held.values())
        text += f" with numbers {zlib.crc32(numbers):08x}"
    return getattr(value, "__qualname__", type(value).__qualname__) if " at 0x" in text else text
