"""One update of the weights: gradients of a batch, or of several, and a step of the optimizer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cnnlab.data.batching import mixed_seed
from cnnlab.data.loaders import LoaderSource
from cnnlab.gradients import grid_by_grid
from cnnlab.modes import is_still
from cnnlab.training import failures
from cnnlab.training.devices import is_out_of_memory, own_randomness
from cnnlab.training.evaluation import autocast, in_float32
from cnnlab.training.losses import losses

if TYPE_CHECKING:
    from cnnlab.training.trainer import Trainer

__all__ = ["Read", "update", "brought_in", "set_learning_rate"]


@dataclass(frozen=True)
class Read:
    """What is to be read of a batch; reading it at once would stall a GPU.

    Attributes:
        batch: its number, from 0.
        count: its images.
        loss: their mean.
        measures: sums over them.
        nan: whether the data held NaN; None where that is not asked.
    """

    batch: int
    count: int
    loss: Tensor
    measures: dict[str, Tensor]
    nan: Tensor | None


def update(trainer: Trainer, pairs: Iterator[tuple[Tensor, Any]], wanted: int) -> list[Read]:
    """An update from the next ``wanted`` batches of ``pairs``, of which there may be fewer, or none."""
    recipe, optimizer, scaler, together = trainer.recipe, trainer.optimizer, trainer.scaler, trainer.together
    read: list[Read] = []
    weighted, images = recipe.accumulate > 1 or trainer.processes.several, 0
    for x, y, count, last in together.batches(pairs, wanted):
        if not read:
            set_learning_rate(trainer)
        images += count
        # Several batches are counted by their images, over a number that stays until their sum is known.
        share = len(x) / recipe.batch_size if weighted else 1.0
        with together.averaging(last):
            read.append(_backward(trainer, x, y, trainer.batch + len(read), share, first=not read))
    if not read:
        return read
    if weighted or recipe.clip_norm is not None:
        scaler.unscale_(optimizer)
    if weighted:
        # The processes' gradients come as their mean, and the sum is wanted.
        to_mean = recipe.batch_size * trainer.processes.size / images
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.mul_(to_mean)
    if recipe.clip_norm is not None:
        nn.utils.clip_grad_norm_(trainer.model.parameters(), recipe.clip_norm)
    scaler.step(optimizer)
    scaler.update()
    if trainer.averaged is not None:
        trainer.averaged.update(trainer.model)
    return read


def _backward(trainer: Trainer, x: Tensor, y: Any, number: int, share: float, *, first: bool) -> Read:
    """Gradients of one batch, times its share."""
    model, objective, device = trainer.model, trainer.objective, trainer.device
    # Pictures in memory are known to hold no NaN.
    may_hold_nan = isinstance(trainer.parts.train, LoaderSource)
    # On a GPU a look at the loss would stall it, and one of several processes cannot leave the others alone.
    look_now = device.type == "cpu" and not trainer.processes.several
    if trainer.channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    if not model.training:
        model.train()
    # Dropout and the like draw from a stream of (seed, epoch, batch), of each process its own.
    seed = mixed_seed(trainer.recipe.seed, trainer.epoch, number, 0x5EED, *trainer.processes.others_seed())
    with own_randomness(device, seed):
        with autocast(device, trainer.amp_dtype):
            output = _forward(trainer, x)
        total, loss, logits = losses(model, output, y, objective)
        if look_now and not math.isfinite(total.item()):  # before the weights take part
            nan = failures.holds_nan(x, y) if may_hold_nan else None
            raise trainer.diverged(total.item(), number, nan)
        if first:
            trainer.optimizer.zero_grad(set_to_none=True)
        if len(x) == 1 and any(map(is_still, model.modules())):
            grid_by_grid(total.grad_fn)
        trainer.scaler.scale(total if share == 1.0 else total * share).backward()
    with torch.no_grad():
        measures = objective.measures(logits.detach() if isinstance(logits, Tensor) else in_float32(logits), y, len(x))
    nan = None if look_now or not may_hold_nan else failures.holds_nan(x, y)
    return Read(number, len(x), loss.detach(), measures, nan)


def brought_in(trainer: Trainer, read: list[Read]) -> Iterator[tuple[Read, int, float, dict[str, float], Any]]:
    """(what was read, images, mean loss, sums of the measures, whether the data held NaN) of each batch."""
    if trainer.processes.several:
        for one, (count, loss, sums, nan) in zip(read, trainer.together.of_all(read), strict=True):
            yield one, count, loss, sums, nan
        return
    names = list(trainer.objective.metrics)
    losses = torch.stack([one.loss for one in read]).tolist()
    measures = [torch.stack([one.measures[name] for one in read]).tolist() for name in names]
    for one, loss, *sums in zip(read, losses, *measures, strict=True):
        yield one, one.count, loss, dict(zip(names, sums, strict=True)), one.nan


def _forward(trainer: Trainer, x: Tensor) -> Any:
    try:
        return trainer.together.forward(x)
    except (ValueError, RuntimeError, IndexError) as error:
        if tuple(x.shape[1:]) != trainer.image_shape and not is_out_of_memory(error):
            raise failures.other_shape(trainer, x, error) from error
        if len(x) > 1 or "more than 1 value per channel" not in str(error):
            raise
        remedy = (
            "drop_last=True in the DataLoader leaves such a batch out."
            if isinstance(trainer.parts.train, LoaderSource)
            else "Give batch_size=2 or more, and two images or more."
        )
        raise ValueError(
            f"The model's batch norm cannot train on a batch of one image (batch_size={trainer.batch_size}, "
            f"{trainer.parts.train.size} training images): it needs more than one number for each channel. {remedy} "
            "Of a pretrained network it may keep its statistics: cnnlab.transfer.unfreeze(model, batch_norm='frozen')."
        ) from error


def set_learning_rate(trainer: Trainer) -> None:
    """The schedule's rate for the batch that is next."""
    progress = (trainer.epoch * trainer.batches + trainer.batch) / (trainer.epochs * trainer.batches)
    given = trainer.schedule(progress)
    try:
        factor = float(given)  # a plain number: NumPy's would not be read back from a checkpoint
    except (TypeError, ValueError):
        factor = math.nan
    if not math.isfinite(factor):
        raise ValueError(
            f"schedule={trainer.recipe.schedule!r} gave {given!r} for the progress {progress:.3g}: it must return a "
            "finite number, the factor of the learning rate there."
        )
    for group in trainer.optimizer.param_groups:
        group["lr"] = group["cnnlab_lr"] = group["initial_lr"] * factor
