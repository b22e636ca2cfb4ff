"""What a network computes on the way: the maps of its layers, and the kernels of its first one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.errors import unknown_name
from cnnlab.modes import evaluating
from cnnlab.training.evaluation import main_output, model_device

__all__ = [
    "activations",
    "filters",
    "last_maps",
    "checked_layer",
    "chosen_classes",
    "checked_pictures",
    "logits_of",
    "hooked",
]


def activations(model: nn.Module, x: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
    """The outputs of some layers for a batch, in evaluation mode and without gradients.

    Each is copied when the layer gives it, so that an activation after it that works in place does not show.
    Shape: (N, C, H, W) -> (N, K, H', W') for a layer of maps.

    Args:
        layers: names, as in ``model.named_modules()``.

    Raises:
        ValueError: an unknown layer, one that gives no tensor, or one that this input does not reach.
    """
    names = [checked_layer(model, name) for name in layers]
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if not isinstance(output, Tensor):
                raise ValueError(f"The layer {name!r} gives a {type(output).__name__} and no tensor: name another.")
            found[name] = output.detach().clone()

        return hook

    with hooked(model, {name: keep(name) for name in names}), evaluating(model), torch.no_grad():
        model(x.to(model_device(model)))
    for name in names:
        if name not in found:
            raise ValueError(f"The layer {name!r} takes no part in this pass: name one that does.")
    return found


def filters(model: nn.Module, layer: str | None = None) -> Tensor:
    """The kernels of a convolution, each scaled to [0, 1] by its own smallest and largest number, to be looked at.

    Shape: -> (K, C, h, w). Of three channels they can be shown as colors, which only the first layer's are.

    Args:
        layer: its name; None for the first convolution.

    Raises:
        ValueError: no convolution, or none of that name.
    """
    convolutions = {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    if not convolutions:
        raise ValueError(f"The {type(model).__name__} has no convolution to look at.")
    name = next(iter(convolutions)) if layer is None else layer
    if name not in convolutions:
        raise unknown_name("layer", name, convolutions, "It must be a convolution.")
    kernels = convolutions[name].weight.detach().float().cpu()
    low, high = (kernels.flatten(1).aminmax(dim=1)[i].view(-1, 1, 1, 1) for i in (0, 1))
    return (kernels - low) / (high - low).clamp_min(torch.finfo(torch.float32).tiny)


def last_maps(model: nn.Module, x: Tensor) -> str:
    """The name of the last layer whose output still has a place for everything: (N, C, H, W) with H or W above 1.

    Raises:
        ValueError: there is none, as in a transformer, whose layers give tokens, or a multilayer perceptron.
    """
    found: list[str] = []

    def note(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.dim() == 4 and output.shape[2] * output.shape[3] > 1:
                found.append(name)

        return hook

    hooks = {name: note(name) for name, _ in model.named_modules() if name}
    with hooked(model, hooks), evaluating(model), torch.no_grad():
        model(x[:1].to(model_device(model)))
    if not found:
        raise ValueError(
            f"layer=None: no layer of this {type(model).__name__} gives maps (N, C, H, W). Name a layer that does; "
            "a transformer's tokens and a dense layer's numbers have no place in the picture."
        )
    return found[-1]


def checked_layer(model: nn.Module, layer: str, argument: str = "layer") -> str:
    """Raises: ValueError: the model has no layer of that name."""
    known = [name for name, _ in model.named_modules() if name]
    if layer not in known:
        raise unknown_name(argument, layer, known, "model.named_modules() lists all layers.")
    return layer


def chosen_classes(logits: Tensor, target: int | list[int] | Tensor | None) -> Tensor:
    """The class that a picture is asked about: its most likely one, the one that was given, or one for each picture.

    Shape: (N, K) -> (N,) int64.

    Raises:
        ValueError: the network gives no (N, K), or a class is outside it.
    """
    if logits.dim() != 2:
        raise ValueError(f"The model gives {tuple(logits.shape)}: a number for each class, (N, K), is needed.")
    if target is None:
        return logits.argmax(dim=1)
    chosen = torch.as_tensor(target, device=logits.device)
    if chosen.is_floating_point() or chosen.dtype is torch.bool or chosen.numel() not in (1, len(logits)):
        raise ValueError(f"target={target!r} must be a class number, or one for each of {len(logits)} pictures.")
    chosen = chosen.long().reshape(-1).expand(len(logits))
    if int(chosen.min()) < 0 or int(chosen.max()) >= logits.shape[1]:
        raise ValueError(f"target={target!r} must lie in 0..{logits.shape[1] - 1}: the network has that many classes.")
    return chosen


def checked_pictures(x: Any) -> Tensor:
    """Raises: ValueError: no batch of pictures as the network takes them."""
    if not isinstance(x, Tensor) or x.dim() != 4 or not x.is_floating_point() or not len(x):
        given = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ValueError(
            f"x={given}: a batch of prepared pictures (N, C, H, W), float, is needed: model.preprocess(photo)[None]."
        )
    return x


def logits_of(model: nn.Module, x: Tensor) -> Tensor:
    return main_output(model(x))


@contextmanager
def hooked(model: nn.Module, hooks: dict[str, Callable[..., Any]]) -> Iterator[None]:
    """Forward hooks on layers by name, for the length of a block."""
    handles = [model.get_submodule(name).register_forward_hook(hook) for name, hook in hooks.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
