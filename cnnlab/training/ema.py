"""An exponential moving average of the weights, kept beside a training and measured beside them.

B. T. Polyak, A. B. Juditsky: Acceleration of stochastic approximation by averaging. SIAM J. Control Optim. 30, 1992,
for the mean; the exponential one is what TensorFlow's ``ExponentialMovingAverage`` made usual for image networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cnnlab.errors import reason_of, unknown_name
from cnnlab.training.evaluation import Evaluator

if TYPE_CHECKING:
    from cnnlab.data.sources import Source
    from cnnlab.training.evaluation import Evaluation
    from cnnlab.training.states import State
    from cnnlab.training.trainer import Trainer

__all__ = ["EMA", "Average", "BUFFERS", "as_ema", "started", "test_batches", "measuring", "row", "restored"]

# What becomes of the numbers that are not trained, such as batch norm's running statistics.
BUFFERS = ("averaged", "copied")


@dataclass(frozen=True)
class EMA:
    """What ``fit(..., ema=)`` takes: after each update, average = d * average + (1 - d) * weights.

    The statistics of batch norm belong to the weights that they were taken with. Left as they were at the start, they
    bring an averaged network down to guessing (pytorch/vision#4391: 0.1 % beside 41 %); so they are averaged as the
    weights are, or copied.

    Attributes:
        decay: d, in (0, 1). About 1 / (1 - d) updates are remembered: 0.999 is for trainings of many thousands.
        warm_up: in update number t, from 1, use min(decay, t / (9 + t)) instead, so that the fresh weights are soon
            forgotten (TensorFlow's rule, which counts from 0).
        buffers: "averaged" or "copied" from the model after each update; whole numbers are copied in any case.

    Raises:
        ValueError: a value is not allowed.
    """

    decay: float = 0.999
    warm_up: bool = True
    buffers: str = "averaged"

    def __post_init__(self) -> None:
        if isinstance(self.decay, bool) or not isinstance(self.decay, int | float) or not 0 < self.decay < 1:
            raise ValueError(
                f"decay={self.decay!r} must lie between 0 and 1, such as 0.999: the share of the average that stays."
            )
        if not isinstance(self.warm_up, bool):
            raise ValueError(f"warm_up={self.warm_up!r} is neither True nor False; give one of them.")
        if self.buffers not in BUFFERS:
            raise unknown_name("buffers", self.buffers, BUFFERS)

    def decay_at(self, update: int) -> float:
        """The decay of update number ``update``, from 1."""
        return min(self.decay, update / (9 + update)) if self.warm_up else self.decay


def as_ema(ema: Any) -> EMA | None:
    """What ``ema=`` says: a number is the decay.

    Raises:
        ValueError, TypeError: it is neither.
    """
    if ema is None or isinstance(ema, EMA):
        return ema
    if isinstance(ema, bool) or not isinstance(ema, int | float):
        raise TypeError(f"ema={ema!r} must be a decay such as 0.999, an EMA(...), or None for none.")
    try:
        return EMA(float(ema))
    except ValueError as error:
        raise ValueError(f"ema: {error}") from None


class Average:
    """The averaged weights of one training.

    Attributes:
        rule: the :class:`EMA`.
        updates: how many were counted.
        evaluation: what was measured by these weights last, or None.
    """

    def __init__(self, rule: EMA, model: nn.Module) -> None:
        self.rule, self.updates = rule, 0
        self.evaluation: Evaluation | None = None
        self._tensors = {name: tensor.detach().clone() for name, tensor in _own(model).items()}
        self._trained = {name for name, _ in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """The model has new weights."""
        self.updates += 1
        decay = self.rule.decay_at(self.updates)
        kept, new = [], []
        for name, tensor in _own(model).items():
            mine = self._tensors[name]
            if mine.is_floating_point() and (name in self._trained or self.rule.buffers == "averaged"):
                kept.append(mine)
                new.append(tensor.detach())
            else:
                mine.copy_(tensor)
        torch._foreach_lerp_(kept, new, 1 - decay)

    def state(self, model: nn.Module) -> State:
        """As ``model.state_dict()`` has it, on the CPU."""
        names = {id(tensor): name for name, tensor in _own(model).items()}
        return {
            name: (self._tensors[names[id(value)]] if id(value) in names else value).detach().cpu().clone()
            for name, value in model.state_dict(keep_vars=True).items()
        }

    def saved(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"updates": self.updates, "tensors": self._tensors}

    def restore(self, saved: dict[str, Any]) -> None:
        """What :meth:`saved` gave, out of a checkpoint.

        Raises:
            KeyError, RuntimeError: it is of another model.
        """
        for name, mine in self._tensors.items():
            mine.copy_(saved["tensors"][name])
        self.updates = saved["updates"]

    def buffers(self) -> list[Tensor]:
        """Its numbers that are not trained."""
        return [tensor for name, tensor in self._tensors.items() if name not in self._trained]

    def lent(self, model: nn.Module) -> nn.Module:
        """The model as it computes with these weights; it shares all else, and its own weights stay."""
        return _Lent(model, self._tensors)


class _Lent(nn.Module):
    def __init__(self, model: nn.Module, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        self.model = model
        self.tensors = tensors
        if hasattr(model, "auxiliary_weights"):
            self.auxiliary_weights = model.auxiliary_weights

    def forward(self, *args: Any) -> Any:
        return torch.func.functional_call(self.model, self.tensors, args)


def _own(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name; one that has several names by its first."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


# --- in a training ---------------------------------------------------------------------------------------------------


def started(trainer: Trainer) -> Average | None:
    """The average that the recipe asks for, from the weights as they are."""
    rule = as_ema(trainer.recipe.ema)
    return None if rule is None else Average(rule, trainer.model)


def test_batches(trainer: Trainer) -> int:
    """How many batches are measured at the end of an epoch: all of the set, and once more by the average."""
    batches = 0 if trainer.parts.measured is None else trainer.parts.measured.batches or 0
    return batches if trainer.averaged is None else 2 * batches


def measuring(trainer: Trainer, source: Source) -> Evaluator | _Both:
    """What measures the model, and after it the average."""

    def of(model: nn.Module) -> Evaluator:
        where = {"device": trainer.device, "amp_dtype": trainer.amp_dtype, "channels_last": trainer.channels_last}
        return Evaluator(model, source, trainer.objective, processes=trainer.processes, **where)

    if trainer.averaged is None:
        return of(trainer.model)
    return _Both(trainer.averaged, of(trainer.model), lambda: of(trainer.averaged.lent(trainer.model)))


class _Both:
    """Two evaluations, one after the other, a batch at a time; the second one's result goes to the average."""

    def __init__(self, averaged: Average, first: Evaluator, second: Any) -> None:
        self.averaged, self.first, self.second = averaged, first, second
        self.evaluator: Evaluator | None = None

    @property
    def batch(self) -> int:
        return self.first.batch + (0 if self.evaluator is None else self.evaluator.batch)

    def step(self) -> bool:
        if self.evaluator is not None:
            return self.evaluator.step()
        if not self.first.step():
            self.evaluator = self.second()  # a loader's batches begin anew
        return True

    def result(self) -> Evaluation:
        self.averaged.evaluation = self.evaluator.result()
        return self.first.result()


def row(trainer: Trainer) -> dict[str, float]:
    """What the average was last measured at: "ema_loss", "ema_accuracy"; nothing without one."""
    averaged = trainer.averaged
    return {} if averaged is None or averaged.evaluation is None else averaged.evaluation.row("ema")


def restored(averaged: Average, saved: Any) -> None:
    """Put a checkpoint's average back.

    Raises:
        ValueError: it holds none, or that of another model.
    """
    try:
        averaged.restore(saved)
    except (TypeError, KeyError, RuntimeError) as error:
        raise ValueError(f"its average of the weights is missing or of another model: {reason_of(error)}") from None
