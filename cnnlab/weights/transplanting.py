"""Moving parameters between a reference implementation and ours, where no name is the same.

Two implementations of one network define the same layers in the same order. So layers are matched by their order
of definition, and tensors by their names inside each layer ("weight", "running_mean"). Tensors are never
matched by their place in a checkpoint: there are published files that list ``running_mean, running_var, weight, bias``
in other orders, and since every shape fits, the network that comes out is silently wrong.

A network of ours that defines something at another place than a reference says so in a class attribute:
``reference_names = {"pos_embed": "encoder.position"}``, their name -> ours, of a tensor, or of a module with all that
is in it. What is named there is matched by name and the rest by order; a name that the reference does not have says
nothing, since there may be several references.

A state dict has names and no modules. Where its names are the model's, or those of the module that torchvision or timm
has of the same network, they say which tensor is which. Else its layers are taken in the order in which the file lists
them, unless something says that this is not the order of their definition (see ``matching.py``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.errors import unknown_name
from cnnlab.models.network import Network
from cnnlab.weights.matching import Layer, Matching, match_modules, match_state, outputs, shortened, tensor_names
from cnnlab.weights.reading import read_state

__all__ = ["HYPERPARAMETERS", "Transplanted", "transplant", "rows_of"]

# What changes the output of a layer and shows in no shape.
HYPERPARAMETERS = ("eps", "stride", "padding", "dilation", "groups", "padding_mode", "normalized_shape", "num_groups")


@dataclass(frozen=True)
class Transplanted:
    """What :func:`transplant` did; ``print`` it.

    Attributes:
        how: "name" or "order": by what layers were matched.
        pairs: (the source's name, the model's name) of each layer that was copied.
        fresh: the model's layers that stayed as they were: heads for another number of classes.
        left_over: what else was in the file, under other prefixes.
        settings_known: False where strides and eps could not be compared, since a file has none.
    """

    how: str
    pairs: tuple[tuple[str, str], ...]
    fresh: tuple[str, ...] = ()
    left_over: tuple[str, ...] = ()
    settings_known: bool = True

    def __str__(self) -> str:
        by = "their names" if self.how == "name" else "the order of their definition"
        pairs = [theirs if theirs == ours else f"{theirs} -> {ours}" for theirs, ours in self.pairs]
        said = f"{len(pairs)} layers copied, matched by {by}: {shortened(pairs)}."
        if self.fresh:
            said += f" Left fresh, for another number of classes: {shortened(self.fresh)}."
        if self.left_over:
            said += f" Left over in the source: {shortened(self.left_over)}."
        if not self.settings_known:
            said += " A file says nothing of strides and eps: compare an output with one that you know."
        return said

    __repr__ = __str__


def transplant(
    source: nn.Module | Mapping[str, Any] | str | os.PathLike,
    model: nn.Module,
    *,
    strict: bool = True,
    fresh_head: bool | str = False,
) -> Transplanted:
    """Copy all parameters and batch-norm statistics of ``source`` into ``model``, in place.

    Nothing is copied unless everything fits. A dense layer takes the weights of a convolution that covers its
    whole input, and the other way round; tensors of the same rank must have the same shape.

        transplant(torchvision.models.resnet18(weights="DEFAULT"), ours)
        transplant("trained_elsewhere.pth", ours)

    Args:
        source: a module of torchvision, timm or anyone, with the same layers defined in the same order; or a state
            dict, or a file with one (.pth, .pt, .safetensors; a larger checkpoint too), whose code never runs. Names
            that are the model's, torchvision's or timm's are understood; others are matched by order and shape where
            that leaves no doubt.
        model: ours.
        strict: also refuse layers that differ in what shows in no shape: eps, stride, padding, dilation, groups.
        fresh_head: leave the model's head and its auxiliary heads' last layers alone where they have another number
            of outputs than the source's. True for a model that knows them, one of :func:`cnnlab.create_model`; the
            head's name, such as "fc", for any other.

    Returns:
        What was matched with what; a line when printed.

    Raises:
        ValueError: the networks do not correspond, or it is not certain how; the message names the first pair of
            layers that differ, and what is left over on either side. Or the file cannot be read.
        FileNotFoundError: there is no such file.
        TypeError: ``fresh_head`` for a module that does not know its head, or a source of another kind.
    """
    heads: tuple[str, ...] = ()
    if isinstance(fresh_head, str):
        heads = (fresh_head,)
        if fresh_head not in dict(model.named_modules()):
            names = [name for name, _ in model.named_modules() if name]
            raise unknown_name("fresh_head", fresh_head, names, "Give the name of the model's last layer.")
    elif fresh_head:
        if not (isinstance(model, Network) and "info" in vars(model)):
            raise TypeError(
                f"fresh_head=True: this {type(model).__name__} does not say which layer is its head. Give the layer's "
                "name, such as fresh_head='fc', build the model with cnnlab.create_model, or leave fresh_head out."
            )
        heads = model.head_names
    matching = _match(source, model)
    copies: list[tuple[Tensor, Tensor]] = []
    pairs: list[tuple[str, str]] = []
    left_alone: list[str] = []
    for place, (given_layer, target) in enumerate(matching.pairs):
        if target.name in heads and outputs(given_layer) != outputs(target) and _inputs(given_layer) == _inputs(target):
            left_alone.append(target.name)
            continue
        where = f"Layer {place + 1} differs: {given_layer} in the {matching.source}, {target} in the model."
        try:
            for ours, theirs in tensor_names(given_layer, target, where):
                wanted, given = target.tensors[ours], given_layer.tensors[theirs]
                if not _fits(wanted, given):
                    raise ValueError(f"{where} The shapes of {ours} differ.{_remedy(model, target, wanted, given)}")
                if given.is_meta:
                    raise ValueError(f"{where} The {matching.source} is on the meta device and has no values to copy.")
                if wanted.is_meta:
                    raise ValueError(
                        f"{where} The model is on the meta device: call model.to_empty(device='cpu') first."
                    )
                copies.append((wanted, given))
        except ValueError as error:
            raise ValueError(f"{error}{matching.differences()}") from None
        if strict:
            _same_hyperparameters(given_layer, target, where)
        pairs.append((given_layer.name, target.name))
    matching.check_lengths()
    matching.check_certain()
    with torch.no_grad():
        for wanted, given in copies:
            wanted.copy_(given.reshape(wanted.shape))
    certain = matching.modules or matching.how == "name"
    return Transplanted(matching.how, tuple(pairs), tuple(left_alone), matching.left_over, certain)


def rows_of(source: nn.Module | Mapping[str, Tensor], model: nn.Module, layer: str) -> int | None:
    """How many outputs the source has for this layer of the model; None where nothing is matched with it."""
    return next((outputs(theirs) for theirs, ours in _match(source, model).pairs if ours.name == layer), None)


def _match(source: Any, model: nn.Module) -> Matching:
    if isinstance(source, nn.Module):
        return match_modules(source, model)
    if not isinstance(source, Mapping | str | os.PathLike):
        raise TypeError(
            f"source is a {type(source).__name__}: give a module, a state dict, or the path of a file with one."
        )
    return match_state(read_state(source), model)


def _inputs(layer: Layer) -> list[int]:
    """How many numbers each of its tensors has for one output."""
    return [tensor.numel() // max(1, outputs(layer)) for tensor in layer.tensors.values()]


def _fits(wanted: Tensor, given: Tensor) -> bool:
    if wanted.shape == given.shape:
        return True
    # dense against convolution
    ranks = wanted.dim() != given.dim() and wanted.dim() and given.dim()
    return bool(ranks) and wanted.shape[0] == given.shape[0] and wanted.numel() == given.numel()


def _remedy(model: nn.Module, target: Layer, wanted: Tensor, given: Tensor) -> str:
    """What to do about two shapes, where that is plain."""
    known = isinstance(model, Network) and "info" in vars(model)
    if known and target.name in model.head_names and wanted.shape[1:] == given.shape[1:]:
        return f" Build the model with num_classes={given.shape[0]}, or pass fresh_head=True to keep its own head."
    channels = (
        wanted.dim() == given.dim() > 2 and wanted.shape[0] == given.shape[0] and wanted.shape[2:] == given.shape[2:]
    )
    if known and channels and wanted.shape[1] == model.input_size[0]:
        return f" Build the model with in_channels={given.shape[1]}."
    return ""


def _same_hyperparameters(source: Layer, target: Layer, where: str) -> None:
    for name in HYPERPARAMETERS:
        given, wanted = getattr(source.module, name, None), getattr(target.module, name, None)
        if given is not None and wanted is not None and type(given) is type(wanted) and given != wanted:
            raise ValueError(
                f"{where} The tensors fit, but {name} is {given} in the reference and {wanted} in the model, so the "
                "outputs would differ. Build the model with the reference's, or pass strict=False to copy all the same."
            )
