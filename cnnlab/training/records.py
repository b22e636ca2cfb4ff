"""What a run records of its training: what was asked for, and where it was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnnlab.models.network import parts_in_order
from cnnlab.modes import is_still
from cnnlab.training import ema
from cnnlab.training.provenance import provenance

if TYPE_CHECKING:
    import torch
    from torch import nn

    from cnnlab.training.evaluation import Evaluation
    from cnnlab.training.trainer import Trainer

__all__ = ["ALL", "config", "trains", "columns", "live", "fraction", "row", "provenance_of"]

ALL = "all"


def config(trainer: Trainer) -> dict[str, Any]:
    """Model, data and the recipe, as JSON can hold them."""
    group = trainer.optimizer.param_groups[0]
    return {
        "model": getattr(trainer.model, "name", type(trainer.model).__name__),
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "data": trainer.parts.name,
        **trainer.parts.sizes,
        "image_shape": list(trainer.image_shape),
        **trainer.recipe.config(),
        # A loader has its own.
        "batch_size": trainer.batch_size,
        # What was left to the optimizer, or decided in one that was passed.
        "lr": group["initial_lr"],
        "momentum": group.get("momentum", None),
        "weight_decay": group.get("weight_decay", 0.0),
        **({} if (strategy := trains(trainer.model, trainer.optimizer)) == ALL else {"trains": strategy}),
        **({"sync_batch_norm": True} if trainer.recipe.sync_batch_norm else {}),
        "precision": "float32" if trainer.amp_dtype is None else str(trainer.amp_dtype).removeprefix("torch."),
    }


def trains(model: nn.Module, optimizer: torch.optim.Optimizer) -> str:
    """The strategy of a training: which parts train, at which rates, and how many batch norms keep their statistics.

    "all" where every parameter trains at one rate, as most networks do.
    """
    every = [(name, {p.requires_grad for p in part.parameters()}) for name, part in parts_in_order(model)]
    some = [name if kinds == {True} else f"{name} in part" for name, kinds in every if True in kinds]
    said = ALL if all(p.requires_grad for p in model.parameters()) else ", ".join(some) or "parameters of its own"
    rates = [f"{group['initial_lr']:g}" for group in optimizer.param_groups]
    if len(set(rates)) > 1:
        said += f", at rates {', '.join(dict.fromkeys(rates))}"
    still = sum(map(is_still, model.modules()))
    return f"{said}; {still} layers stay in evaluation mode" if still else said


def columns(trainer: Trainer) -> list[str]:
    """The losses and measures that a row of the history will have."""
    parts = ["train"] if trainer.parts.measured is None else ["train", trainer.parts.part]
    if trainer.averaged is not None and trainer.parts.measured is not None:
        parts.append("ema")
    each, of_set = ("loss", *trainer.objective.metrics), trainer.objective.of_set
    return [f"{part}_{name}" for part in parts for name in (*each, *(of_set if part != "train" else ()))]


def live(trainer: Trainer) -> dict[str, Any]:
    """The epoch in progress; see :attr:`Trainer.live`."""
    done = trainer.progress
    return {
        "epoch": min(trainer.epoch + 1, trainer.epochs),
        "epochs": trainer.epochs,
        "batch": trainer.batch,
        "batches": trainer.batches,
        "train_loss": done.mean("loss"),
        **{f"train_{name}": done.mean(name) for name in trainer.objective.metrics},
        "lr": trainer.optimizer.param_groups[0]["lr"],
        "testing": trainer.evaluator is not None,
    }


def fraction(trainer: Trainer) -> float:
    """How much of the training is done, from 0 to 1."""
    # A test batch holds at least twice the images and needs no backward pass: it counts as one.
    each = trainer.batches + trainer.test_batches
    tested = trainer.evaluator.batch if trainer.evaluator is not None else 0
    return min(1.0, (trainer.epoch * each + trainer.batch + tested) / (trainer.epochs * each))


def row(trainer: Trainer, evaluation: Evaluation | None) -> dict[str, Any]:
    """The history's row for the epoch that has just ended."""
    done = trainer.progress
    return {
        "epoch": trainer.epoch + 1,
        "train_loss": done.mean("loss"),
        **{f"train_{name}": done.mean(name) for name in trainer.objective.metrics},
        **({} if evaluation is None else evaluation.row(trainer.parts.part)),
        **({} if evaluation is None else ema.row(trainer)),
        "lr": trainer.optimizer.param_groups[0]["lr"],
        "seconds": round(done.epoch_seconds, 3),
    }


def provenance_of(trainer: Trainer) -> dict[str, Any]:
    """Where it was computed, of which data; and what of it cannot be repeated, if anything."""
    parts = trainer.parts
    reasons = {source.not_repeatable for source in (parts.train, parts.measured) if source and source.not_repeatable}
    return {
        **provenance(trainer.device),
        "memory_format": "channels_last" if trainer.channels_last else "contiguous",
        "data": parts.name,
        "data_source": parts.origin,
        "seed": trainer.recipe.seed,
        **({"not_repeatable": "; ".join(sorted(reasons))} if reasons else {}),
        **({"processes": trainer.processes.size} if trainer.processes.several else {}),
        "wall_seconds": 0.0,
    }
