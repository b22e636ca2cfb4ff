"""What can go wrong in a step, said with the place, the remedy and the run so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cnnlab.data.loaders import tensors
from cnnlab.errors import reason_of
from cnnlab.training.errors import DataError, OutOfMemory, ProcessLost, TrainingDiverged

if TYPE_CHECKING:
    from cnnlab.data.loaders import LoaderError
    from cnnlab.training.trainer import Trainer

__all__ = ["holds_nan", "diverged", "spoilt", "data_failed", "other_shape", "out_of_memory", "process_lost"]


def holds_nan(x: Tensor, y: Any) -> Tensor | None:
    """Whether a picture or a target is NaN, on the device; None where nothing can be."""
    asked = [tensor.isnan().any() for tensor in (x, *tensors(y)) if tensor.is_floating_point()]
    return torch.stack(asked).any() if asked else None


def diverged(trainer: Trainer, loss: float, batch: int) -> TrainingDiverged:
    """The loss was not finite; the caller has given the model good weights again."""
    rate = trainer.optimizer.param_groups[0]["lr"]
    return TrainingDiverged(
        f"The loss became {loss} in {_place(trainer, batch)}, at lr={rate:.3g} ({trainer.run.config['optimizer']}). "
        f"Try lr={rate / 10:.1g}, a warm-up (schedule='warmup_cosine') or clip_norm=1.0. {_kept(trainer)}",
        trainer.run,
    )


def spoilt(trainer: Trainer, batch: int) -> DataError:
    """The data held NaN, and so the loss is NaN."""
    return DataError(
        f"The pictures or targets of {_place(trainer, batch)} hold NaN, and so the loss is NaN: leave them out in the "
        f"loader, or fill them; a loss of yours may also skip such targets. {_kept(trainer)}",
        trainer.run,
    )


def data_failed(trainer: Trainer, error: LoaderError) -> DataError:
    """A loader's fault, with its place; to be raised from what caused it."""
    where = "the test" if trainer.testing else f"batch {trainer.batch + 1} of {trainer.batches}"
    kept = f", the checkpoint is {trainer.checkpoint}" if trainer.checkpoint and trainer.checkpoint.exists() else ""
    return DataError(
        f"{error} That was in epoch {min(trainer.epoch + 1, trainer.epochs)}, {where}. The model holds its last "
        f"weights, this error's .run has the {len(trainer.run.history)} finished epochs{kept}.",
        trainer.run,
    )


def other_shape(trainer: Trainer, x: Tensor, error: Exception) -> DataError:
    """The model could not take a batch of another shape than the first."""
    return DataError(
        f"The images of {_place(trainer, trainer.batch)} are {tuple(x.shape[1:])}, those of the first batch "
        f"{trainer.image_shape}, and the model cannot take them: {str(error).splitlines()[0]} Let the loader give one "
        f"size. The model holds its last weights, and this error's .run has the {len(trainer.run.history)} finished "
        "epochs.",
        trainer.run,
    )


def out_of_memory(trainer: Trainer) -> OutOfMemory:
    """The device was full, and is rid of what it can be; to be raised from the error that said so."""
    trainer.optimizer.zero_grad(set_to_none=True)
    if trainer.device.type == "cuda":
        torch.cuda.empty_cache()
    size = trainer.batch_size
    smaller = f"Try batch_size={max(1, size // 2)}"
    smaller += ", amp=True" if trainer.device.type == "cuda" and trainer.amp_dtype is None else ""
    return OutOfMemory(
        f"{trainer.device} ran out of memory in epoch {trainer.epoch + 1}, batch {trainer.batch + 1} of "
        f"{trainer.batches}, with batch_size={size} images of {trainer.image_shape}. {smaller} "
        f"or a smaller model, and delete models that you no longer need; accumulate=2 keeps the gradient of twice the "
        f"batch. This error's .run has the {len(trainer.run.history)} finished epochs.",
        trainer.run,
    )


def process_lost(trainer: Trainer, error: Exception) -> ProcessLost:
    """Another process is gone or cannot go on; to be raised from the error that said so."""
    who, checkpoint = trainer.processes, trainer.checkpoint
    where = "the test" if trainer.testing else f"batch {trainer.batch + 1} of {trainer.batches}"
    if checkpoint and checkpoint.exists():
        kept = (
            f"The checkpoint {checkpoint} stands: start the same training again, with as many processes or with "
            "another number, and it goes on from there."
        )
    else:
        kept = "No checkpoint was written yet: give one as checkpoint=, and a training started again goes on from it."
    return ProcessLost(
        f"Process {who.rank} of {who.size} ends in epoch {min(trainer.epoch + 1, trainer.epochs)}, {where}, because "
        f"another one failed or was killed ({reason_of(error)}), which may have said why. {kept} This error's .run has "
        f"the {len(trainer.run.history)} finished epochs.",
        trainer.run,
    )


def _place(trainer: Trainer, batch: int) -> str:
    return f"epoch {trainer.epoch + 1}, batch {batch + 1} of {trainer.batches}"


def _kept(trainer: Trainer) -> str:
    best = f"of epoch {trainer.run.best['epoch']}" if trainer.run.best_state is not None else "it started from"
    checkpoint = trainer.checkpoint
    last = f" The last checkpoint is {checkpoint}." if checkpoint and checkpoint.exists() else ""
    return (
        f"The model holds the weights {best} again, and this error's .run has the {len(trainer.run.history)} finished "
        f"epochs.{last}"
    )
