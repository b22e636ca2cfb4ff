"""Discriminative learning rates: the nearer a layer is to the input, the smaller its steps (Howard & Ruder, 2018)."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from cnnlab.models.network import parts_in_order

__all__ = ["parameter_groups"]


def parameter_groups(
    model: nn.Module, lr: float, *, factor: float = 0.5, weight_decay: float = 0.0, decay_norms: bool = False
) -> list[dict[str, Any]]:
    """Groups for a torch optimizer: the head at ``lr``, each part before it at ``factor`` times the rate after it.

        optimizer = torch.optim.AdamW(parameter_groups(model, lr=1e-3, factor=0.5, weight_decay=0.01))
        cnnlab.fit(model, data, optimizer=optimizer, schedule="cosine", epochs=5)

    A part is a direct child of the model, and where a child is a sequence (``stages``), each of its members is one.
    What is frozen is in no group.

    Args:
        lr: of the last part.
        factor: in (0, 1]; 1 gives all parts the same rate. Howard and Ruder take 1 / 2.6 for a language model.
        weight_decay: of kernels and dense layers.
        decay_norms: whether norms and biases decay too. They seldom should: they have few numbers and set scales.

    Returns:
        Dicts with "name", "params", "lr" and "weight_decay", from the input to the head.

    Raises:
        ValueError: a number out of range, or nothing trains.
    """
    if not 0 < factor <= 1:
        raise ValueError(f"factor={factor!r} must lie in (0, 1]: 1 gives all parts the same learning rate.")
    if not 0 < lr < math.inf:
        raise ValueError(f"lr={lr!r} must be a finite number above 0.")
    if not 0 <= weight_decay < math.inf:
        raise ValueError(f"weight_decay={weight_decay!r} must be a finite number of 0 or more.")
    trained = [(name, part) for name, part in _parts(model) if any(p.requires_grad for p in part.values())]
    if not trained:
        raise ValueError("The model has no trainable parameters: call cnnlab.transfer.unfreeze(model), or freeze less.")
    groups = []
    for index, (name, part) in enumerate(trained):
        rate = lr * factor ** (len(trained) - 1 - index)
        decayed = [p for p in part.values() if p.requires_grad and (p.dim() > 1 or decay_norms)]
        plain = [p for p in part.values() if p.requires_grad and not (p.dim() > 1 or decay_norms)]
        for label, parameters, decay in ((name, decayed, weight_decay), (f"{name}, norms and biases", plain, 0.0)):
            if parameters:
                groups.append({"name": label, "params": parameters, "lr": rate, "weight_decay": decay})
    return groups


def _parts(model: nn.Module) -> list[tuple[str, dict[str, nn.Parameter]]]:
    """The parts in the order of their definition; parameters of the model itself are the first."""
    own = dict(model.named_parameters(recurse=False))
    found = [("the model's own", own)] if own else []
    taken = {id(p) for p in own.values()}
    for name, member in parts_in_order(model):
        part = {key: p for key, p in member.named_parameters() if id(p) not in taken}  # shared ones count once
        taken |= {id(p) for p in part.values()}
        if part:
            found.append((name, part))
    return found
