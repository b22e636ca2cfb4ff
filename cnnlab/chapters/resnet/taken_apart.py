"""Small trained networks of which a part can be left out: a block, a branch, or the last bits of the weights."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from torch import nn

__all__ = [
    "BLOCKS",
    "NETWORKS",
    "RECORD",
    "build",
    "bundled_pictures",
    "kept",
    "picture_names",
    "trained",
    "without_block",
]

RECORD = "look_inside"
BLOCKS = tuple(f"stage{stage}.{block}" for stage in (1, 2, 3) for block in range(3))
# Name -> the network of the registry, and what of its variant is changed.
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "ResNet": ("resnet20_cifar", {"width": 8}),
    "plain": ("plain20_cifar", {"width": 8}),
    "GoogLeNet": ("googlenet", {"narrow": 8, "kernel_5x5": 5, "small_input": True}),
    "MobileNet": ("mobilenetv1_025", {"width": 0.125, "small_input": True}),
}


def build(name: str, in_channels: int = 1, num_classes: int = 10) -> nn.Module:
    """A fresh network of ``NETWORKS``. Shape: (N, in_channels, H, W) -> (N, num_classes)."""
    from cnnlab.models import model_info
    from cnnlab.models.factory import build_model

    of, changed = NETWORKS[name]
    info = model_info(of)
    sides = {"input_size": (in_channels, 28, 28), "smallest": min(28, info.smallest)}
    own = replace(info, variant=replace(info.variant, **changed), library=None, **sides)
    return build_model(own, num_classes=num_classes, in_channels=in_channels)


def without_block(model: nn.Module, block: str) -> nn.Module:
    """A copy in which a block passes on what its shortcut would: its input, at the size that the block has."""
    from cnnlab.models.resnet_cifar import PaddedShortcut

    copied = copy.deepcopy(model)
    conv = copied.get_submodule(block).conv1
    copied.set_submodule(block, PaddedShortcut(conv.out_channels - conv.in_channels, conv.stride[0]))
    return copied


def kept(name: str) -> dict[str, Any]:
    """What the record has of the training whose weights were kept."""
    from cnnlab.results import recorded

    return next(run for run in recorded(RECORD)["results"] if run["model"] == name and "weights" in run)


def trained(name: str) -> nn.Module:
    """The recorded network with its rounded weights, batch norms folded, in evaluation mode."""
    from cnnlab.chapters.shipping.folding import folded
    from cnnlab.ship.packing import load_packed

    model = load_packed(folded(build(name)), kept(name)["weights"]).eval()
    model.name = name
    return model


def bundled_pictures() -> dict[str, Any]:
    """What every page with these networks has: the pictures, the classes' names, and how pixels become numbers."""
    own = kept("ResNet")
    return {"pictures": own["pictures"], "classes": own["classes"], "mean": own["mean"], "std": own["std"]}


def picture_names(data: dict[str, Any]) -> dict[int, str]:
    """Place on the contact sheet, row by row -> what the picture is called: "Dress 2"."""
    classes = data["classes"]
    count = len(data["pictures"]["labels"])
    return {place: f"{classes[place % len(classes)]} {place // len(classes) + 1}" for place in range(count)}
