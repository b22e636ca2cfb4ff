"""Optimizers by name. All are torch's own; the names and defaults are what this module adds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from cnnlab.errors import unknown_name

if TYPE_CHECKING:
    from torch import nn

# Name -> learning rate when none is given.
DEFAULT_LR: dict[str, float] = {"sgd": 0.05, "adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-3}


@dataclass(frozen=True)
class OptimizerSpec:
    """What ``make_optimizer`` needs to know beside the model."""

    name: str = "sgd"
    lr: float | None = None
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 0.0


def _check(spec: OptimizerSpec) -> None:
    if spec.lr is not None and not spec.lr > 0:
        raise ValueError(f"lr={spec.lr!r} must be greater than 0, or None for the optimizer's default.")
    if not 0.0 <= spec.momentum < 1.0:
        raise ValueError(f"momentum={spec.momentum!r} must lie in [0, 1).")
    if spec.weight_decay < 0:
        raise ValueError(f"weight_decay={spec.weight_decay!r} must be 0 or more.")
    if spec.nesterov and (spec.name != "sgd" or spec.momentum == 0):
        raise ValueError("nesterov=True is a form of momentum: it needs optimizer='sgd' and momentum > 0.")


def make_optimizer(
    optimizer: str | torch.optim.Optimizer, model: nn.Module, spec: OptimizerSpec
) -> torch.optim.Optimizer:
    """The torch optimizer for a name ("sgd", "adam", "adamw", "rmsprop"), or the given one, checked.

    ``momentum`` counts for SGD only; the others keep torch's own decay rates. Weight decay is added
    to the gradient (L2) except in AdamW, where it is decoupled (Loshchilov and Hutter, 2019).

    Raises:
        ValueError: unknown name, a value out of range, or an optimizer made for another model.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("The model has no trainable parameters: every requires_grad is False, or it has no layers.")
    if isinstance(optimizer, torch.optim.Optimizer):
        if spec.lr is not None or spec.weight_decay != 0.0:
            raise ValueError(
                "lr and weight_decay belong to the optimizer that you passed: set them there, and leave them out here."
            )
        known = {id(p) for p in parameters}
        if not any(id(p) in known for group in optimizer.param_groups for p in group["params"]):
            raise ValueError(
                "The optimizer holds none of this model's parameters. "
                "Make it from the model that you train: torch.optim.SGD(model.parameters(), lr=...)."
            )
        return optimizer
    if optimizer not in DEFAULT_LR:
        raise unknown_name(
            "optimizer", optimizer, DEFAULT_LR, "Or pass a torch.optim.Optimizer made from model.parameters()."
        )
    _check(spec)
    lr = DEFAULT_LR[spec.name] if spec.lr is None else spec.lr
    # One fused kernel for the whole update: about a tenth of a LeNet-5 step on a CPU.
    fused = all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in parameters)
    if spec.name == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=lr,
            momentum=spec.momentum,
            nesterov=spec.nesterov,
            weight_decay=spec.weight_decay,
            fused=fused,
        )
    if spec.name == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=lr, weight_decay=spec.weight_decay)
    kind = torch.optim.Adam if spec.name == "adam" else torch.optim.AdamW
    return kind(parameters, lr=lr, weight_decay=spec.weight_decay, fused=fused)
