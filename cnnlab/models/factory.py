"""The factory: a network built by its name, with fresh parameters or official ones, and the check of its input."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from cnnlab.errors import whole_number
from cnnlab.meta import on_meta
from cnnlab.models.network import Network
from cnnlab.models.own import OwnModel
from cnnlab.models.registry import ModelInfo, list_models, model_info, models_of_family
from cnnlab.weights.official import load_official
from cnnlab.weights.reading import is_file, read_state
from cnnlab.weights.table import find_source
from cnnlab.weights.transplanting import rows_of, transplant

__all__ = ["create_model", "build_model", "as_model", "check_input"]


def create_model(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    small_input: bool = False,
    weights: str | os.PathLike | Mapping[str, Tensor] | nn.Module | None = None,
) -> Network:
    """Build a network by name, with fresh parameters, official ones or your own.

    Args:
        name: one of :func:`list_models`.
        num_classes: outputs of the last layer; None for the paper's own number, or that of your weights.
        in_channels: channels of the input; None for the paper's own number.
        small_input: True for the version of an ImageNet network that is trained on pictures of about 32 pixels, such
            as CIFAR's: usually a first convolution of stride 1 and no pooling after it; each model file says what.
        weights: None for fresh parameters (each model file says how they are drawn); "imagenet" for the
            checkpoint that the model's library recommends, torchvision or timm (``pip install timm``), or one by the
            library's name, such as "IMAGENET1K_V2": :func:`cnnlab.weights.sources` lists them. Or a file of your own
            ("mine.pth"), a state dict or a module, ours or the library's, as for :func:`cnnlab.weights.transplant`.
            With a ``num_classes`` other than the checkpoint's the trunk is loaded and the last layer stays fresh, ready
            to be trained on new classes.

    Returns:
        The module, in training mode, with ``.name``, ``.input_size`` (C, H, W) and ``.info``, and with ``.features``,
        ``.head`` and ``.new_head`` as in :class:`cnnlab.models.Network`. With ``weights`` in evaluation mode, and with
        official ones also ``.classes`` and ``.preprocess``.
        Shape: (N, C, H, W) -> (N, num_classes). Input that does not fit raises a ValueError that says what would.
        A network of :func:`cnnlab.register` is what its class makes it: it gets ``.name`` and ``.input_size`` where it
        has none, and its input is not checked.

    Raises:
        ValueError: unknown name, a size that is no positive whole number or that the network cannot be built for, or
            weights that do not exist or fit.
        FileNotFoundError: there is no such file of weights.
        ModuleNotFoundError: the weights are timm's, and timm is not installed.
        cnnlab.download.DownloadError: the checkpoint could not be had.
    """
    info = model_info(name)
    # Before the network is built, what is wrong should cost nothing.
    given: Mapping[str, Tensor] | nn.Module | None = None
    if isinstance(weights, nn.Module):
        given = weights
    elif isinstance(weights, Mapping) or is_file(weights):
        given = read_state(weights)
    if small_input:
        info = _for_small_pictures(info, None if given is not None else weights)
    asked = {"num_classes": num_classes, "in_channels": in_channels}
    usual = {"num_classes": info.num_classes, "in_channels": info.input_size and info.input_size[0]}
    for argument, value in asked.items():
        if value is None:
            continue
        asked[argument] = whole_number(
            argument, value, f"Leave {argument} out for the network's own {usual[argument] or 'number'}."
        )
        if argument not in info.takes:
            raise ValueError(
                f"{argument}={value!r}: the class or function behind {name!r} takes no {argument}. Leave it out, or "
                "register one with an argument of that name."
            )
    if asked["in_channels"] is None:
        asked["in_channels"] = usual["in_channels"]
    if weights is not None and given is None:
        find_source(name, weights, in_channels=asked["in_channels"])
    if given is not None and asked["num_classes"] is None and "num_classes" in info.takes:
        asked["num_classes"] = _classes_of(given, info, asked["in_channels"])
    if asked["num_classes"] is None:
        asked["num_classes"] = usual["num_classes"]
    model = build_model(info, **asked)
    if given is not None:
        # A reader's own class need not know its head, though register(head=...) did.
        own_head = False if info.head is None else isinstance(model, Network) or info.head
        transplant(given, model, fresh_head=own_head)
        model.eval()
    elif weights is not None:
        load_official(name, model, weights)
    return model


def build_model(info: ModelInfo, *, num_classes: int | None, in_channels: int | None) -> Network:
    """A network with fresh parameters that knows what it is, built for as much of the two as it takes."""
    model = info.build(num_classes=num_classes, in_channels=in_channels)
    _introduce(model, info, in_channels)
    return model


def _introduce(model: nn.Module, info: ModelInfo, in_channels: int | None) -> None:
    """Tell a new network what it is."""
    size = info.input_size and (in_channels or info.input_size[0], *info.input_size[1:])
    if not isinstance(info, OwnModel):
        model.name, model.info, model.input_size = info.name, info, size
        model.register_forward_pre_hook(check_input)
        return
    if isinstance(model, Network):
        model.info = info
    for attribute, value in (("name", info.name), ("input_size", size)):
        if value is not None and not hasattr(model, attribute):  # a class may use the word for something else
            setattr(model, attribute, value)


def _classes_of(given: Mapping[str, Tensor] | nn.Module, info: ModelInfo, in_channels: int | None) -> int | None:
    """The number of classes that weights are for: the rows of what belongs into the network's head."""
    if info.head is None:
        return None
    with on_meta():
        twin = build_model(info, num_classes=info.num_classes, in_channels=in_channels)
    return rows_of(given, twin, info.head)


def as_model(model: nn.Module | str) -> nn.Module:
    """The module itself, or the network of that name with fresh parameters.

    For functions that take either: ``with on_meta(): model = as_model(model)`` where shapes are all that is asked.

    Raises:
        TypeError: neither a module nor a name.
        ValueError: no model of that name; the message offers the nearest ones.
    """
    if isinstance(model, nn.Module):
        return model
    if isinstance(model, str):
        return create_model(model)
    raise TypeError(f"model={model!r} is a {type(model).__name__}; give an nn.Module or the name of a model.")


def _for_small_pictures(info: ModelInfo, weights: str | None) -> ModelInfo:
    if isinstance(info, OwnModel):
        raise ValueError(
            f"small_input=True: {info.name} is a network of your own, which is built as its class does it. "
            "Leave small_input out."
        )
    if not hasattr(info.variant, "small_input"):
        _, height, width = info.input_size
        having = [name for name in list_models(own=False) if hasattr(model_info(name).variant, "small_input")]
        raise ValueError(
            f"small_input=True: {info.name} has no such version; it is made for {height} x {width} pixels. "
            f"Leave small_input out, or choose one of: {', '.join(sorted(having))}."
        )
    if weights is not None:
        raise ValueError(
            f"small_input=True and weights={weights!r} do not go together: the official weights of {info.name} belong "
            f"to the network for {info.input_size[1]} pixels. Leave one of the two out."
        )
    variant = replace(info.variant, small_input=True)
    return replace(
        info, variant=variant, input_size=(info.input_size[0], 32, 32), smallest=min(32, info.smallest), library=None
    )


def check_input(model: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Forward pre-hook of every model that :func:`create_model` builds: say what is wrong with the input.

    Raises:
        TypeError: not a floating-point tensor.
        ValueError: not (N, C, H, W), or sizes that the network cannot take.
    """
    if torch.compiler.is_compiling() and _exporting():
        return  # an exported graph keeps no Python errors, and a check of H or W would pin a dynamic size
    if len(inputs) != 1:
        return  # Python's own error about the arguments of forward() is clear
    (x,) = inputs
    info: ModelInfo = model.info
    channels, height, width = model.input_size
    wanted = f"{model.name} takes (N, {channels}, {f'{height}, {width}' if info.fixed_size else 'H, W'})"
    if not isinstance(x, Tensor):
        raise TypeError(f"{wanted} tensors and got {type(x).__name__}. Convert the images to a float tensor first.")
    given = f"{wanted} and got {tuple(x.shape)}"
    if x.dim() != 4:
        remedy = "Add the batch dimension with x.unsqueeze(0)." if x.dim() == 3 else "Give a batch of images."
        raise ValueError(f"{given}. {remedy}")
    if x.shape[1] != channels:
        if x.shape[3] == channels:
            remedy = "The channels come last: use x.permute(0, 3, 1, 2)."
        elif x.shape[1] == 1:
            remedy = f"Repeat the gray channel with x.expand(-1, {channels}, -1, -1), or build the network "
            remedy += f"with create_model({model.name!r}, in_channels=1)."
        else:
            remedy = f"Build the network with create_model({model.name!r}, in_channels={x.shape[1]})."
        raise ValueError(f"{given}: the channels differ. {remedy}")
    if not (x.is_floating_point() or x.is_complex()):
        raise TypeError(f"{wanted} floats and got {x.dtype}. Scale and normalize the pixels first: x.float() / 255.")
    size = (x.shape[2], x.shape[3])
    if info.fixed_size and size != (height, width):
        remedy = f"Resize with torch.nn.functional.interpolate(x, size=({height}, {width}))."
        for other in models_of_family(info.family):
            if other.input_size[1:] == size:
                how = "" if other.input_size[0] == channels else f", in_channels={channels}"
                remedy = f"Use create_model({other.name!r}{how}) for this size. {remedy}"
        raise ValueError(f"{given}: its layers fix the size. {remedy}")
    if min(size) < info.smallest:
        raise ValueError(
            f"{given}: it needs at least {info.smallest} x {info.smallest} pixels, "
            f"or a feature map becomes empty. Resize the images, or choose a network for small ones (lenet5, *_cifar)."
        )
    if not info.fixed_size and any((side - info.smallest) % info.step for side in size):
        less = " x ".join(str(side - (side - info.smallest) % info.step) for side in size)
        more = " x ".join(str(side + (info.smallest - side) % info.step) for side in size)
        first = ", ".join(str(info.smallest + i * info.step) for i in range(3))
        raise ValueError(
            f"{given}: H and W have to be among {first} and so on, in steps of {info.step}. "
            f"Crop the images to {less}, or pad them to {more}."
        )


def _exporting() -> bool:
    is_exporting = getattr(torch.compiler, "is_exporting", None)  # torch >= 2.7
    return True if is_exporting is None else is_exporting()
