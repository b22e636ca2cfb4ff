"""The table of torchvision's checkpoints for the networks that we have, read from torchvision itself."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cnnlab.download import download
from cnnlab.meta import on_meta
from cnnlab.models.registry import model_info
from cnnlab.weights.source import Source, mark_default

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

__all__ = [
    "SCALED_TO_ONE",
    "DENSENET_KEY",
    "torchvision_entry",
    "published",
    "rows",
    "fetch",
    "reference",
    "bare",
    "current_names",
]

# Their checkpoints were trained on pixels scaled to [-1, 1]. torchvision normalizes to ImageNet's mean and deviation
# and turns that into [-1, 1] inside the network (transform_input=True); we normalize to [-1, 1] in the first place.
SCALED_TO_ONE = frozenset({"googlenet", "inception_v3"})

# What the checkpoints of DenseNet call norm.1 has been norm1 since Python modules may not have dots in their names.
DENSENET_KEY = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.(\d)\.")


def torchvision_entry(name: str, weights: str) -> WeightsEnum:
    """torchvision's own entry for a row of the table."""
    from torchvision.models import get_model_weights

    return get_model_weights(name)[weights]


def published(name: str) -> set[str]:
    """All checkpoints that torchvision has for the model, also those that are no rows of the table."""
    from torchvision.models import get_model_weights

    return {entry.name for entry in get_model_weights(name)}


def rows(name: str) -> list[Source]:
    """The rows of the table for one model."""
    from torchvision.models import get_model_weights

    info, entries = model_info(name), get_model_weights(name)
    found = []
    for entry in entries:
        digest = re.search(r"-([0-9a-f]{8,64})\.pth$", entry.url)
        if digest is None or entry.meta.get("categories") is None:  # not verifiable, or no classifier (VGG's features)
            continue
        transform, metrics = entry.transforms(), entry.meta["_metrics"]["ImageNet-1K"]
        if info.fixed_size and transform.crop_size[0] != info.input_size[1]:  # ViT has a position for every patch
            continue
        scaled = name in SCALED_TO_ONE
        found.append(
            Source(
                name=name,
                library="torchvision",
                weights=entry.name,
                default=False,
                url=entry.url,
                sha256=digest[1],
                params=entry.meta["num_params"],
                macs=round(entry.meta["_ops"] * 1e9),
                top1=metrics["acc@1"],
                top5=metrics["acc@5"],
                crop=transform.crop_size[0],
                resize=transform.resize_size[0],
                interpolation=str(transform.interpolation.value),
                mean=(0.5, 0.5, 0.5) if scaled else tuple(transform.mean),
                std=(0.5, 0.5, 0.5) if scaled else tuple(transform.std),
                num_classes=len(entry.meta["categories"]),
                in_channels=3,
                license=entry.meta.get("license"),
            )
        )
    return mark_default(found, entries.DEFAULT.name)


def fetch(source: Source, folder: Path, *, progress: bool, what: str) -> Path:
    """The verified file, downloaded unless it is already in the folder.

    Raises:
        DownloadError: it could not be had.
    """
    path = folder / source.url.rpartition("/")[2]
    return download([source.url], path, sha256=source.sha256, progress=progress, what=what)


def reference(source: Source, path: Path) -> nn.Module:
    """torchvision's module with the checkpoint in it; its names give every tensor its layer."""
    module = bare(source.name)
    state = torch.load(path, map_location="cpu", weights_only=True)
    module.load_state_dict(current_names(source.name, state), assign=True)
    return module


def bare(name: str) -> nn.Module:
    """torchvision's module on the meta device, without the heads of GoogLeNet, which were never trained."""
    from torchvision.models import get_model

    options: dict[str, bool] = {}
    if name in SCALED_TO_ONE:
        options["init_weights"] = False  # their first parameters come from SciPy and take half a minute
    if name == "googlenet":  # we have none
        options["aux_logits"] = False
    with on_meta(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # about initializations that are overwritten
        return get_model(name, weights=None, **options)


def current_names(name: str, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """A state dict with the names that the module has today, and what it has not left out."""
    if name.startswith("densenet"):
        return {DENSENET_KEY.sub(r"\1\2.", key): value for key, value in state.items()}
    if name == "googlenet":
        return {key: value for key, value in state.items() if not key.startswith("aux")}
    return state  # as it is: MNASNet's says which version of its format it has
