"""Optimizers by name. All are torch's own; the names and defaults are what this module adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import nn

    from cnnlab.training.recipe import Recipe

__all__ = ["DEFAULT_LR", "make_optimizer", "optimizer_of"]

# Name -> learning rate when none is given.
DEFAULT_LR: dict[str, float] = {"sgd": 0.05, "adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-3}


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The torch optimizer that a recipe names ("sgd", "adam", "adamw", "rmsprop"), or the one that it holds.

    ``momentum`` counts for SGD only; the others keep torch's own decay rates. Weight decay is added
    to the gradient (L2) except in AdamW, where it is decoupled (Loshchilov and Hutter, 2019).

    Each of its groups remembers its base rate as "initial_lr", which a schedule multiplies.

    Raises:
        ValueError: nothing to train, or an optimizer made for another model.
    """
    optimizer = _made(model, recipe)
    for group in optimizer.param_groups:
        # An optimizer used before has its first rate; if its rate was set since then, that is meant.
        if group.get("cnnlab_lr") != group["lr"]:
            group["initial_lr"] = group["lr"]
    return optimizer


def _made(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("The model has no trainable parameters: every requires_grad is False, or it has no layers.")
    if isinstance(recipe.optimizer, torch.optim.Optimizer):
        known = {id(p) for p in parameters}
        if not any(id(p) in known for group in recipe.optimizer.param_groups for p in group["params"]):
            raise ValueError(
                "The optimizer holds none of this model's parameters. "
                "Make it from the model that you train: torch.optim.SGD(model.parameters(), lr=...)."
            )
        return recipe.optimizer
    ways = {"momentum": recipe.momentum, "nesterov": recipe.nesterov, "weight_decay": recipe.weight_decay}
    return optimizer_of(recipe.optimizer, parameters, lr=recipe.lr, **ways)


def optimizer_of(
    name: str,
    parameters: list[nn.Parameter] | list[dict[str, Any]],
    *,
    lr: float | None = None,
    momentum: float = 0.9,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """torch's optimizer of that name, for parameters or for groups of them; what a group says itself counts for it."""
    lr = DEFAULT_LR[name] if lr is None else lr
    every = [p for one in parameters for p in (one["params"] if isinstance(one, dict) else [one])]
    # One fused kernel for the whole update: about a tenth of a LeNet-5 step on a CPU.
    fused = all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in every)
    ways = {"lr": lr, "weight_decay": weight_decay}
    if name == "sgd":
        return torch.optim.SGD(parameters, momentum=momentum, nesterov=nesterov, fused=fused, **ways)
    if name == "rmsprop":
        return torch.optim.RMSprop(parameters, **ways)
    kind = torch.optim.Adam if name == "adam" else torch.optim.AdamW
    return kind(parameters, fused=fused, **ways)
