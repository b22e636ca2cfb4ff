"""What can go wrong while a model trains. Each error carries the run so far, so that nothing is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnlab.training.run import Run

__all__ = ["TrainingError", "TrainingDiverged", "DataError", "OutOfMemory", "ProcessLost", "CheckpointError"]


class TrainingError(RuntimeError):
    """Training could not go on. ``error.run`` is the :class:`Run` up to there, with its history."""

    def __init__(self, message: str, run: Run | None = None) -> None:
        super().__init__(message)
        self.run = run


class TrainingDiverged(TrainingError):
    """The loss became NaN or infinite.

    The model holds the weights of its best finished epoch again, or those it started from.
    """


class DataError(TrainingError):
    """A loader gave something that is no batch, targets that the loss cannot take, or an error of its own.

    The error it raised is the ``__cause__``. The model holds its last weights, and ``error.run`` the finished epochs.
    """


class OutOfMemory(TrainingError):
    """The device had no memory left for a batch. The model holds the weights of the batch before."""


class ProcessLost(TrainingError):
    """Another process of a data-parallel training failed or was killed; the last checkpoint stands."""


class CheckpointError(TrainingError):
    """A checkpoint file is damaged, belongs to another training, or cannot be written.

    Where the training had begun, ``error.run`` has its epochs, and the model its last weights.
    """
