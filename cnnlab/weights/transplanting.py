"""Moving parameters from a reference implementation into ours, where no name is the same.

Two implementations of one network define the same layers in the same order. So layers are matched by their order
of definition, and tensors by their names inside each layer ("weight", "running_mean"). Tensors are never
matched by their place in a checkpoint: there are published files that list ``running_mean, running_var, weight, bias``
in other orders, and since every shape fits, the network that comes out is silently wrong.

A network of ours that defines something at another place than a reference says so in a class attribute:
``reference_names = {"pos_embed": "encoder.position"}``, their name -> ours, of a tensor, or of a module with all that
is in it. What is named there is matched by name and the rest by order; a name that the reference does not have says
nothing, since there may be several references.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cnnlab.models.network import Network

# What changes the output of a layer and shows in no shape.
HYPERPARAMETERS = ("eps", "stride", "padding", "dilation", "groups", "padding_mode", "normalized_shape", "num_groups")


class _Layer(NamedTuple):
    name: str
    module: nn.Module
    tensors: dict[str, Tensor]  # those registered on the module itself

    def __str__(self) -> str:
        shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in self.tensors.items())
        return f"{self.name or 'the network itself'}, {type(self.module).__name__} ({shapes})"


def _layers(network: nn.Module) -> Iterator[_Layer]:
    """Every module that owns tensors, in the order of definition. A module comes before its children."""
    for name, module in network.named_modules():
        tensors = {
            key: tensor
            for owned in (module.named_parameters(recurse=False), module.named_buffers(recurse=False))
            for key, tensor in owned
            if key != "num_batches_tracked" and key not in module._non_persistent_buffers_set
        }
        if tensors:
            yield _Layer(name, module, tensors)


def transplant(reference: nn.Module, model: nn.Module, *, strict: bool = True, fresh_head: bool = False) -> list[str]:
    """Copy all parameters and batch-norm statistics of ``reference`` into ``model``, in place.

    Nothing is copied unless everything fits. A dense layer takes the weights of a convolution that covers its
    whole input, and the other way round; tensors of the same rank must have the same shape.

    Args:
        reference: a module of torchvision, timm or anyone, with the same layers defined in the same order.
        model: ours.
        strict: also refuse layers that differ in what shows in no shape: eps, stride, padding, dilation, groups.
        fresh_head: leave the model's head and its auxiliary heads' last layers alone where they have another number
            of outputs than the reference's. The model knows them: one of :func:`cnnlab.create_model`.

    Returns:
        The names of the layers that ``fresh_head`` left alone.

    Raises:
        ValueError: the networks do not correspond; the message names the first pair of layers that differ.
        TypeError: ``fresh_head`` for a module that does not know its head.
    """
    theirs, ours = list(_layers(reference)), list(_layers(model))
    if fresh_head and not isinstance(model, Network):
        raise TypeError(
            f"fresh_head=True: this {type(model).__name__} does not say which layer is its head. Build the model with "
            "cnnlab.create_model, or leave fresh_head out."
        )
    heads = model.head_names if fresh_head else ()
    theirs, ours = _in_one_order(theirs, ours, getattr(model, "reference_names", {}))
    copies: list[tuple[Tensor, Tensor]] = []
    left_alone: list[str] = []
    for place, (source, target) in enumerate(zip(theirs, ours, strict=False)):
        if target.name in heads and _outputs(source) != _outputs(target) and _inputs(source) == _inputs(target):
            left_alone.append(target.name)
            continue
        where = f"Layer {place + 1} differs: {source} in the reference, {target} in the model."
        for wanted, given in _pairs(source, target, where):
            if given.is_meta:
                raise ValueError(f"{where} The reference is on the meta device and has no values to copy.")
            if wanted.is_meta:
                raise ValueError(f"{where} The model is on the meta device: call model.to_empty(device='cpu') first.")
            copies.append((wanted, given))
        if strict:
            _same_hyperparameters(source, target, where)
    if len(theirs) != len(ours):
        fewer = min(len(theirs), len(ours))
        side, extra = ("reference", theirs) if len(theirs) > len(ours) else ("model", ours)
        raise ValueError(
            f"The reference has {len(theirs)} layers with parameters and the model {len(ours)}. The first {fewer} fit; "
            f"the {side} goes on with {extra[fewer]}."
        )
    with torch.no_grad():
        for wanted, given in copies:
            wanted.copy_(given.reshape(wanted.shape))
    return left_alone


def _in_one_order(
    theirs: list[_Layer], ours: list[_Layer], names: Mapping[str, str]
) -> tuple[list[_Layer], list[_Layer]]:
    """Both lists with what is matched by name at their ends."""
    named: tuple[list[_Layer], list[_Layer]] = ([], [])
    for their_name, our_name in names.items():
        theirs, taken = _take(theirs, their_name)
        if not taken:
            continue
        ours, place = _take(ours, our_name)
        if len(taken) != len(place):
            raise ValueError(
                f"reference_names[{their_name!r}] = {our_name!r}: {len(taken)} layers with parameters in the "
                f"reference, {len(place)} in the model."
            )
        named[0].extend(taken)
        named[1].extend(place)
    return theirs + named[0], ours + named[1]


def _take(layers: list[_Layer], name: str) -> tuple[list[_Layer], list[_Layer]]:
    """(what is left, what the name means): a module's layers, or one tensor of a layer."""
    left: list[_Layer] = []
    taken: list[_Layer] = []
    owner, _, own = name.rpartition(".")
    for layer in layers:
        if layer.name == name or layer.name.startswith(f"{name}."):
            taken.append(layer)
        elif layer.name == owner and own in layer.tensors:
            rest = {key: tensor for key, tensor in layer.tensors.items() if key != own}
            taken.append(layer._replace(tensors={own: layer.tensors[own]}))
            if rest:
                left.append(layer._replace(tensors=rest))
        else:
            left.append(layer)
    return left, taken


def _outputs(layer: _Layer) -> int:
    tensor = next(iter(layer.tensors.values()))
    return tensor.shape[0] if tensor.dim() else 0


def _inputs(layer: _Layer) -> list[int]:
    """How many numbers each of its tensors has for one output."""
    return [tensor.numel() // max(1, _outputs(layer)) for tensor in layer.tensors.values()]


def _pairs(source: _Layer, target: _Layer, where: str) -> Iterator[tuple[Tensor, Tensor]]:
    names = [(name, name) for name in target.tensors]
    if isinstance(source.module, nn.MultiheadAttention) and set(target.tensors) == {"weight", "bias"}:
        names = [(name, f"in_proj_{name}") for name in target.tensors]  # torch's queries, keys and values in one
    elif set(source.tensors) != set(target.tensors):
        if not len(source.tensors) == len(target.tensors) == 1:
            raise ValueError(f"{where} They do not own the same tensors.")
        names = [(next(iter(target.tensors)), next(iter(source.tensors)))]  # a lone one has no other to be taken for
    for ours, theirs in names:
        wanted, given = target.tensors[ours], source.tensors[theirs]
        same = wanted.shape == given.shape
        if not same and wanted.dim() != given.dim() and wanted.dim() and given.dim():  # dense against convolution
            same = wanted.shape[0] == given.shape[0] and wanted.numel() == given.numel()
        if not same:
            raise ValueError(f"{where} The shapes of {ours} differ.")
        yield wanted, given


def _same_hyperparameters(source: _Layer, target: _Layer, where: str) -> None:
    for name in HYPERPARAMETERS:
        given, wanted = getattr(source.module, name, None), getattr(target.module, name, None)
        if given is not None and wanted is not None and type(given) is type(wanted) and given != wanted:
            raise ValueError(
                f"{where} The tensors fit, but {name} is {given} in the reference and {wanted} in the model, so the "
                "outputs would differ. Build the model with the reference's, or pass strict=False to copy all the same."
            )
