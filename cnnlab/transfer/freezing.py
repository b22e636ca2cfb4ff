"""Which part of a network trains, and parts that stay as they are although the whole is in training mode.

``requires_grad = False`` stops the optimizer and nothing else. A batch norm in training mode goes on normalizing by the
batch and moving its running statistics, dropout goes on dropping, and ``model.train()``, which every training loop
calls, switches all of it on again. So what is frozen here carries a hook that puts it back into evaluation mode each
time it is used; copies of the model carry it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from cnnlab.errors import unknown_name
from cnnlab.layers import DropPath
from cnnlab.models.network import Network
from cnnlab.modes import is_still, keep_still, let_go

__all__ = ["BATCH_NORM", "Parts", "freeze", "unfreeze", "batch_norms_still", "parts"]

BATCH_NORM = ("frozen", "moving")


@dataclass(frozen=True)
class Parts:
    """What trains and what does not, by the names of the network's parts.

    Attributes:
        frozen, trained: names of parts all of whose parameters stay, or train; a part that does both is named by its
            own parts.
        frozen_parameters, trained_parameters: how many numbers these are.
        still: how many batch norms keep their running statistics.
        moving: how many batch norms with frozen weights go on moving theirs in training mode.
    """

    frozen: tuple[str, ...]
    trained: tuple[str, ...]
    frozen_parameters: int
    trained_parameters: int
    still: int
    moving: int

    def __str__(self) -> str:
        stay = f"Stays: {', '.join(self.frozen) or 'nothing'} ({self.frozen_parameters:,} parameters"
        stay += f", {self.still} batch norms with their statistics" if self.still else ""
        stay += f"; the statistics of {self.moving} batch norms move" if self.moving else ""
        return f"{stay}). Trains: {', '.join(self.trained) or 'nothing'} ({self.trained_parameters:,} parameters)."

    __repr__ = __str__


def freeze(
    model: nn.Module,
    until: str | None = None,
    *,
    batch_norm: Literal["frozen", "moving"] = "frozen",
) -> Parts:
    """Freeze everything that is defined before the layer ``until``; from there on the network trains.

    Weights that are frozen have no gradient. Dropout and stochastic depth among them are off (a dropout after the last
    of them, in front of the head, is not), and so are batch norms unless ``batch_norm`` says otherwise; and they stay
    off when ``model.train()`` is called. A second call takes the place of the first.

    Args:
        model: changed in place. Its layers are defined in the order in which they are used, as ours are.
        until: the first layer, or part, that trains, as in ``model.named_modules()``: "stages.stage6". None is the
            head of a network of :func:`cnnlab.create_model`, so that the trunk is frozen.
        batch_norm: "frozen", the running statistics are those of the earlier training; "moving", frozen norms go on
            normalizing by the batch and moving their statistics, as they do where only ``requires_grad`` is set.

    Returns:
        What trains and what stays; it prints as a sentence.

    Raises:
        ValueError: no layer of that name, or nothing would be frozen or trained.
        TypeError: ``until`` is None for a model that does not know its head.
    """
    if batch_norm not in BATCH_NORM:
        raise unknown_name("batch_norm", batch_norm, BATCH_NORM)
    until = _first_that_trains(model, until)
    names = [name for name, _ in model.named_parameters()]
    first = next(i for i, name in enumerate(names) if name.startswith(f"{until}."))
    if first == 0:
        raise ValueError(
            f"until={until!r} is the first layer of the {type(model).__name__}, so that nothing would be frozen. Name "
            "a later one, or leave freeze() out."
        )
    unfreeze(model)
    frozen = set(names[:first])
    for name, parameter in model.named_parameters():
        if name in frozen:
            parameter.requires_grad_(False)
            parameter.grad = None  # one that is left over would still be applied by some optimizers
    for module in _used_before(model, names[first - 1]):
        if isinstance(module, _DropoutNd | DropPath) or (batch_norm == "frozen" and isinstance(module, _BatchNorm)):
            keep_still(module)
    return parts(model)


def unfreeze(model: nn.Module, *, batch_norm: Literal["frozen", "moving"] = "moving") -> Parts:
    """All of the model trains again, its batch norms and its dropout too.

    An optimizer knows the parameters that it was made of: make a new one, or let ``cnnlab.fit`` do so.

    Args:
        model: changed in place.
        batch_norm: "moving", batch norms normalize by the batch and move their statistics; "frozen", they keep to the
            statistics of the earlier training, while their weights train with the rest. That is for batches too small,
            or too unlike the earlier pictures, to measure a mean by.

    Raises:
        ValueError: an unknown way of ``batch_norm``.
    """
    if batch_norm not in BATCH_NORM:
        raise unknown_name("batch_norm", batch_norm, BATCH_NORM)
    for module in model.modules():
        if let_go(module):
            module.training = model.training
    model.requires_grad_(True)
    if batch_norm == "frozen":
        batch_norms_still(model)
    return parts(model)


def batch_norms_still(model: nn.Module) -> None:
    """Every batch norm keeps to its running statistics, those among what trains too."""
    for module in model.modules():
        if isinstance(module, _BatchNorm) and module.running_mean is not None:
            keep_still(module)


def parts(model: nn.Module) -> Parts:
    """What of the model trains as it is, by whomever it was frozen."""
    names: dict[bool, list[str]] = {True: [], False: []}

    def sort(name: str, module: nn.Module) -> None:
        kinds = {parameter.requires_grad for parameter in module.parameters()}
        if len(kinds) == 1 and name:
            names[kinds.pop()].append(name)
            return
        before = f"{name}." if name else ""
        for key, parameter in module.named_parameters(recurse=False):
            names[parameter.requires_grad].append(before + key)
        for key, child in module.named_children():
            sort(before + key, child)

    sort("", model)
    sizes = {True: 0, False: 0}
    for parameter in model.parameters():
        sizes[parameter.requires_grad] += parameter.numel()
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]
    fixed = [norm for norm in norms if not any(parameter.requires_grad for parameter in norm.parameters())]
    still = sum(map(is_still, norms))
    moving = sum(not is_still(norm) for norm in fixed)
    return Parts(tuple(names[False]), tuple(names[True]), sizes[False], sizes[True], still, moving)


def _first_that_trains(model: nn.Module, until: str | None) -> str:
    if until is None:
        if not isinstance(model, Network):
            raise TypeError(
                f"until=None: this {type(model).__name__} does not say which layer is its head. Give until=, the name "
                f"of the first layer that trains, such as {[name for name, _ in model.named_children()][-1:]}."
            )
        return model.head_names[0]
    having = {name: module for name, module in model.named_modules() if any(True for _ in module.parameters())}
    having.pop("", None)
    if until not in having:
        if until in dict(model.named_modules()):
            raise ValueError(f"until={until!r} has no parameters that could train. Name a layer that has some.")
        raise unknown_name("until", until, having, "model.named_modules() lists all layers.")
    return until


def _used_before(model: nn.Module, last: str) -> list[nn.Module]:
    """The modules up to the owner of the last frozen parameter. A dropout after it belongs to what trains."""
    owner = last.rpartition(".")[0]
    found = []
    for name, module in model.named_modules():
        found.append(module)
        if name == owner:
            break
    return found
