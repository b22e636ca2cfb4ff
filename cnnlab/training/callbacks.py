"""What may be called at the end of each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from cnnlab.errors import unknown_name

if TYPE_CHECKING:
    from cnnlab.training.run import Run
    from cnnlab.training.trainer import Trainer


@runtime_checkable
class Callback(Protocol):
    """Any object with this method serves, and so does a plain function of (run, trainer)."""

    def on_epoch_end(self, run: Run, trainer: Trainer) -> None:
        """Called when ``run.history`` has got its new last row; ``trainer.finish()`` ends the training."""


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when ``metric`` has not improved for ``patience`` epochs.

    It reads the history alone, so an interrupted and resumed run stops at the same epoch.

    Args:
        patience: epochs to wait.
        metric: "test_loss", "train_loss" (lower is better), "test_accuracy" or "train_accuracy" (higher is).
        minimum: an improvement smaller than this does not count.
    """

    patience: int = 5
    metric: str = "test_loss"
    minimum: float = 0.0

    def __post_init__(self) -> None:
        metrics = ("test_loss", "train_loss", "test_accuracy", "train_accuracy")
        if self.metric not in metrics:
            raise unknown_name("metric", self.metric, metrics)
        if self.patience < 1:
            raise ValueError(f"patience={self.patience!r} must be 1 epoch or more.")

    def on_epoch_end(self, run: Run, trainer: Trainer) -> None:
        sign = -1.0 if self.metric.endswith("loss") else 1.0
        best, since = float("-inf"), 0
        for row in run.history:
            if sign * row[self.metric] > best + self.minimum:
                best, since = sign * row[self.metric], 0
            else:
                since += 1
        if since >= self.patience:
            trainer.finish()


EpochEnd = Callable[["Run", "Trainer"], None]


def epoch_ends(callbacks: Any) -> list[EpochEnd]:
    """What to call at the end of an epoch for ``callbacks``.

    Raises:
        TypeError: they are no list, or one of them is neither an object with ``on_epoch_end`` nor a function.
    """
    if callable(callbacks) or hasattr(callbacks, "on_epoch_end") or not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks={callbacks!r} must be a list. For a single one write callbacks=[it].")
    return [epoch_end(callback) for callback in callbacks]


def epoch_end(callback: Any) -> EpochEnd:
    """What to call at the end of an epoch for one of ``callbacks``.

    Raises:
        TypeError: it is neither an object with ``on_epoch_end`` nor a function.
    """
    if hasattr(callback, "on_epoch_end"):
        return callback.on_epoch_end
    if callable(callback):
        return callback
    raise TypeError(
        f"callbacks: {callback!r} has no method on_epoch_end(run, trainer) and is not a function of (run, trainer)."
    )
