"""What may be called at the end of each epoch, and of each batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from cnnlab.errors import unknown_name

if TYPE_CHECKING:
    from cnnlab.training.run import Run
    from cnnlab.training.trainer import Trainer

__all__ = ["Callback", "EarlyStopping", "EpochEnd", "epoch_ends", "batch_ends", "epoch_end", "ask_columns"]


@runtime_checkable
class Callback(Protocol):
    """Any object with one of these methods serves, and so does a plain function of (run, trainer) for epochs.

    ``on_batch_end(run, trainer)``, where there is one, is called after each update of the weights: ``trainer.live``
    says where the epoch is (on a GPU its losses come up to twenty batches late, since reading each would stall it),
    and ``trainer.stop()`` ends the training.
    """

    def on_epoch_end(self, run: Run, trainer: Trainer) -> None:
        """Called when ``run.history`` has got its new last row; ``trainer.finish()`` ends the training."""


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when ``metric`` has not improved for ``patience`` epochs.

    It reads the history alone, so an interrupted and resumed run stops at the same epoch.

    Args:
        patience: epochs to wait.
        metric: a column of the history, such as "validation_loss" or "train_accuracy"; None is the loss on the set that
            is measured after each epoch. Lower is better where it ends with "loss" or "error", and else higher is.
        minimum: an improvement smaller than this does not count.
    """

    patience: int = 5
    metric: str | None = None
    minimum: float = 0.0

    def __post_init__(self) -> None:
        parts = ("train_", "test_", "validation_")
        if self.metric is not None and not str(self.metric).startswith(parts):
            raise unknown_name(
                "metric", self.metric, [f"{part}{kind}" for part in parts for kind in ("loss", "accuracy")]
            )
        if self.patience < 1:
            raise ValueError(f"patience={self.patience!r} must be 1 epoch or more.")

    def check_columns(self, columns: Sequence[str]) -> None:
        """Asked before the first epoch, with the names that the history will have.

        Raises:
            ValueError: ``metric`` is none of them.
        """
        if self.metric is not None and self.metric not in columns:
            raise unknown_name("metric", self.metric, columns)

    def on_epoch_end(self, run: Run, trainer: Trainer) -> None:
        metric = self.metric or f"{run.measured_part}_loss"
        sign = -1.0 if metric.endswith(("loss", "error")) else 1.0
        best, since = float("-inf"), 0
        for row in run.history:
            if sign * row[metric] > best + self.minimum:
                best, since = sign * row[metric], 0
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
    return [call for callback in _listed(callbacks) if (call := epoch_end(callback)) is not None]


def batch_ends(callbacks: Any) -> list[EpochEnd]:
    """What to call after each update of the weights."""
    return [callback.on_batch_end for callback in _listed(callbacks) if hasattr(callback, "on_batch_end")]


def ask_columns(callbacks: Any, columns: Sequence[str]) -> None:
    """Let those callbacks that read the history by name say now that it will not have what they read."""
    for callback in _listed(callbacks):
        if hasattr(callback, "check_columns"):
            callback.check_columns(columns)


def _listed(callbacks: Any) -> list[Any]:
    if hasattr(callbacks, "on_epoch_end") or hasattr(callbacks, "on_batch_end"):
        return [callbacks]
    if callable(callbacks) or not isinstance(callbacks, Iterable):
        raise TypeError(f"callbacks={callbacks!r} must be a list. For a single one write callbacks=[it].")
    return list(callbacks)


def epoch_end(callback: Any) -> EpochEnd | None:
    """What to call at the end of an epoch for one of ``callbacks``; None for one that looks at batches alone.

    Raises:
        TypeError: it is neither an object with ``on_epoch_end`` nor a function.
    """
    if hasattr(callback, "on_epoch_end"):
        return callback.on_epoch_end
    if hasattr(callback, "on_batch_end"):
        return None
    if callable(callback) and not isinstance(callback, type):
        return callback
    raise TypeError(
        f"callbacks: {callback!r} has no method on_epoch_end(run, trainer) and is not a function of (run, trainer)."
    )
