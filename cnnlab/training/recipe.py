"""How a model is trained: the arguments of :func:`cnnlab.fit` that decide what comes out, in one frozen object."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import torch

from cnnlab.errors import unknown_name
from cnnlab.training.optimizers import DEFAULT_LR
from cnnlab.training.schedules import Schedule, make_schedule

if TYPE_CHECKING:
    from cnnlab.data.augment import Augmentation
    from cnnlab.training.evaluation import Loss


# Where the training runs is not part of what is asked for: a run records it as "precision" and in its provenance.
_WHERE = {"recorded": False}


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

    def __post_init__(self) -> None:
        for argument in ("epochs", "batch_size"):
            value = getattr(self, argument)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{argument}={value!r} must be a whole number, 1 or more.")
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ValueError(f"label_smoothing={self.label_smoothing!r} must lie in [0, 1).")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"clip_norm={self.clip_norm!r} must be greater than 0, or None for no clipping.")
        make_schedule(self.schedule)
        self._check_optimizer()

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
        if not 0.0 <= self.momentum < 1.0:
            raise ValueError(f"momentum={self.momentum!r} must lie in [0, 1).")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay={self.weight_decay!r} must be 0 or more.")
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
    text = repr(value)
    return getattr(value, "__qualname__", type(value).__qualname__) if " at 0x" in text else text
